/** Rules for conditions: comparisons, logic, and choices by a condition. */
import { converted, symbolOf, valueOf, type SymbolType, type TraceSymbol } from '../symbol.js';
import {
  binary,
  commonType,
  operator,
  real,
  unary,
  writeBinary,
  writeBroadcast,
  writerOf,
  type Binary,
} from './elementwise.js';
import { factsOf } from './facts.js';
import { cannotCompile, type Rule, type SingleRule } from './rule.js';

/** A comparison of numbers; conditions count as 0 and 1. */
function comparison(compute: Binary): SingleRule {
  return ({ graph, inputs }) => {
    const [a, b] = [inputs['a']!, inputs['b']!].map((symbol) =>
      symbol.dtype === 'bool' ? converted(graph, symbol, 'int32') : symbol,
    );
    return writeBinary(graph, compute, a!, b!);
  };
}

/** 1 where x > 0, else alpha. Where max(x, 0) is known, comparing that spares keeping x. */
const step: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const write = writerOf(graph);
  const compared = factsOf(graph).rectified.get(valueOf(graph, x)) ?? valueOf(graph, x);
  const mask = write('Greater', compared, 0);
  const alpha = (attributes['alpha'] as number | undefined) ?? 0;
  const { shape, order } = x;
  factsOf(graph).positive.set(symbolOf(graph, mask, shape, order), symbolOf(graph, compared, shape, order));
  if (alpha === 0) return { shape, order, dtype: x.dtype, mask };
  return converted(graph, symbolOf(graph, write('Where', mask, 1, alpha), shape, order), x.dtype);
};

/** a and b, without And: the webgpu device of ONNX Runtime 1.30 computes that wrongly where shapes broadcast. */
const and: Binary = (write, a, b) => write('Not', write('Or', write('Not', a), write('Not', b)));

/** t where the condition holds, else e. ONNX Runtime does not choose between conditions: those are combined. */
const select: Rule = ({ graph, inputs }) => {
  const { condition, t, e } = inputs as Record<'condition' | 't' | 'e', TraceSymbol>;
  const dtype = commonType([t, e]);
  const operands = [condition, converted(graph, t, dtype), converted(graph, e, dtype)];
  return writeBroadcast(graph, operands, (write, where, yes, no) => {
    if (dtype !== 'bool') return write('Where', where, yes, no);
    return write('Or', and(write, where, yes), and(write, write('Not', where), no));
  });
};

const cast: Rule = ({ graph, inputs, attributes }) => {
  const dtype = attributes['dtype'] as SymbolType | 'string' | 'complex64';
  if (dtype === 'string' || dtype === 'complex64') {
    throw cannotCompile('Cast', `to ${dtype}`, 'keep to the types float32, int32 and bool');
  }
  return converted(graph, inputs['x']!, dtype);
};

export const conditionRules: Readonly<Record<string, Rule>> = {
  Greater: comparison(operator('Greater')),
  GreaterEqual: comparison(operator('GreaterOrEqual')),
  Less: comparison(operator('Less')),
  LessEqual: comparison(operator('LessOrEqual')),
  Equal: comparison(operator('Equal')),
  NotEqual: comparison((write, a, b) => write('Not', write('Equal', a, b))),
  LogicalAnd: binary(and),
  LogicalOr: binary(operator('Or')),
  LogicalNot: unary(operator('Not')),
  IsNan: real(operator('IsNaN')),
  IsInf: real(operator('IsInf')),
  IsFinite: real((write, x) => write('Not', write('Or', write('IsNaN', x), write('IsInf', x)))),
  Select: select,
  Step: step,
  Cast: cast,
};
