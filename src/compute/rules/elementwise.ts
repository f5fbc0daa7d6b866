import { backend_util } from '@tensorflow/tfjs';
import { type ElementType, type OnnxGraph, type Value, elementTypes } from '../onnx.js';
import {
  alignBroadcast,
  logicalOrder,
  physicalDims,
  splat,
  symbolOf,
  valueOf,
  type SymbolType,
  type TraceSymbol,
} from '../symbol.js';
import type { Rule } from './rule.js';

/** A function of one value, written in ONNX nodes; `dims` are those of `x`. */
type Unary = (graph: OnnxGraph, x: Value, attributes: Record<string, number>) => Value;

/** A rule that applies `write` in the physical order of its input, whatever its name is (`x` or `logits`). */
function unary(write: Unary): Rule {
  return ({ graph, inputs, attributes }) => {
    const x = Object.values(inputs)[0]!;
    return symbolOf(graph, write(graph, valueOf(graph, x), attributes as Record<string, number>), x.shape, x.order);
  };
}

/** The ONNX operator of that name and no more. */
const same = (operator: string, type?: ElementType): Rule =>
  unary((graph, x) => graph.node(operator, [x], graph.dims(x), type === undefined ? {} : { type }));

const scalar = (graph: OnnxGraph, value: number): Value => graph.constant('float32', [], [value]);

/** A node with two inputs whose output has the dims of the first. */
const both = (graph: OnnxGraph, operator: string, a: Value, b: Value, type?: ElementType): Value =>
  graph.node(operator, [a, b], graph.dims(a), type === undefined ? {} : { type });

/** A binary operator; `type` is that of its output where it is not that of its inputs. */
function binary(operator: string, type?: ElementType): Rule {
  return ({ graph, inputs }) => {
    const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
    return writeBinary(graph, operator, a, b, type);
  };
}

function writeBinary(graph: OnnxGraph, operator: string, a: TraceSymbol, b: TraceSymbol, type?: ElementType): TraceSymbol {
  const shape = backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
  const { values, order } = alignBroadcast(graph, [a, b], shape);
  const value = graph.node(operator, values, physicalDims(shape, order), type === undefined ? {} : { type });
  return symbolOf(graph, value, shape, order);
}

/** `symbol` broadcast to `shape` without a node, if it has that shape already. */
function unchanged(symbol: TraceSymbol, shape: readonly number[]): TraceSymbol | undefined {
  return symbol.shape.join() === shape.join() ? symbol : undefined;
}

/** x + 0, x - 0, x * 1, x / 1 are x. */
function withNeutral(operator: string, neutral: number, sides: 'right' | 'both'): Rule {
  return ({ graph, inputs }) => {
    const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
    const shape = backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
    const kept =
      splat(b) === neutral
        ? unchanged(a, shape)
        : sides === 'both' && splat(a) === neutral
          ? unchanged(b, shape)
          : undefined;
    return kept ?? writeBinary(graph, operator, a, b);
  };
}

/** A product with a 0/1 mask selects: cheaper than a cast and a multiplication. */
const multiply: Rule = (call) => {
  const { graph, inputs } = call;
  const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
  const [mask, other] = b.mask === undefined ? [a, b] : [b, a];
  if (mask.mask === undefined) return withNeutral('Mul', 1, 'both')(call);
  const shape = backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
  const condition = symbolOf(graph, mask.mask, mask.shape, mask.order);
  const { values, order } = alignBroadcast(graph, [condition, other], shape);
  const value = graph.node('Where', [...values, scalar(graph, 0)], physicalDims(shape, order), { type: 'float32' });
  return symbolOf(graph, value, shape, order);
};

/** 1 where x > 0. Where max(x, 0) is known, comparing that spares keeping x. */
const step: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const value = graph.rectified.get(valueOf(graph, x)) ?? valueOf(graph, x);
  const mask = graph.node('Greater', [value, scalar(graph, 0)], graph.dims(value), { type: 'bool' });
  const alpha = (attributes['alpha'] as number | undefined) ?? 0;
  const { shape, order } = x;
  if (alpha === 0) return { shape, order, dtype: 'float32', mask };
  const chosen = graph.node('Where', [mask, scalar(graph, 1), scalar(graph, alpha)], graph.dims(value), { type: 'float32' });
  return symbolOf(graph, chosen, shape, order);
};

const relu: Rule = ({ graph, inputs }) => {
  const x = inputs['x']!;
  const value = valueOf(graph, x);
  const result = graph.node('Relu', [value], graph.dims(value));
  graph.rectified.set(value, result);
  return symbolOf(graph, result, x.shape, x.order);
};

const cast: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const dtype = attributes['dtype'] as SymbolType;
  if (dtype === x.dtype) return x;
  const { shape, order } = x;
  if (x.constant !== undefined) {
    const convert = { float32: Number, int32: Math.trunc, bool: (v: number) => (v === 0 ? 0 : 1) }[dtype];
    return { shape, order, dtype, constant: Array.from(x.constant, convert) };
  }
  if (x.dtype === 'bool' && dtype === 'float32') return { shape, order, dtype, mask: valueOf(graph, x) };
  const value = valueOf(graph, x);
  const result = graph.node('Cast', [value], graph.dims(value), { type: dtype, attributes: { to: elementTypes[dtype] } });
  return symbolOf(graph, result, shape, order);
};

const select: Rule = ({ graph, inputs }) => {
  const { condition, t, e } = inputs as Record<'condition' | 't' | 'e', TraceSymbol>;
  // A condition of rank 1 chooses rows.
  const rows = condition.shape.length === 1 && t.shape.length > 1;
  const shaped = rows ? atFront(graph, condition, t.shape.length) : condition;
  const { values, order } = alignBroadcast(graph, [shaped, t, e], t.shape);
  const value = graph.node('Where', values, physicalDims(t.shape, order), { type: t.dtype });
  return symbolOf(graph, value, t.shape, order);
};

function atFront(graph: OnnxGraph, symbol: TraceSymbol, rank: number): TraceSymbol {
  const shape = [...symbol.shape, ...Array.from({ length: rank - 1 }, () => 1)];
  return symbolOf(graph, graph.reshape(valueOf(graph, symbol), shape), shape);
}

function filled(value: number): Rule {
  return ({ inputs }) => {
    const x = inputs['x']!;
    const constant = new Float32Array(x.shape.reduce((product, extent) => product * extent, 1)).fill(value);
    return { shape: x.shape, dtype: x.dtype, order: logicalOrder(x.shape.length), constant };
  };
}

const addN: Rule = ({ graph, list }) => {
  const shape = list[0]!.shape;
  const { values, order } = alignBroadcast(graph, list, shape);
  return symbolOf(graph, graph.node('Sum', values, physicalDims(shape, order)), shape, order);
};

export const elementwiseRules: Readonly<Record<string, Rule>> = {
  Add: withNeutral('Add', 0, 'both'),
  AddN: addN,
  Sub: withNeutral('Sub', 0, 'right'),
  Multiply: multiply,
  RealDiv: withNeutral('Div', 1, 'right'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Pow: binary('Pow'),
  SquaredDifference: ({ graph, inputs }) => {
    const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
    const difference = writeBinary(graph, 'Sub', a, b);
    return writeBinary(graph, 'Mul', difference, difference);
  },
  Greater: binary('Greater', 'bool'),
  GreaterEqual: binary('GreaterOrEqual', 'bool'),
  Less: binary('Less', 'bool'),
  LessEqual: binary('LessOrEqual', 'bool'),
  Equal: binary('Equal', 'bool'),
  NotEqual: (call) => {
    const equal = binary('Equal', 'bool')(call) as TraceSymbol;
    const { graph } = call;
    const value = valueOf(graph, equal);
    return symbolOf(graph, graph.node('Not', [value], graph.dims(value)), equal.shape, equal.order);
  },
  LogicalAnd: binary('And', 'bool'),
  LogicalOr: binary('Or', 'bool'),
  LogicalNot: same('Not'),
  Select: select,
  Step: step,
  Relu: relu,
  Cast: cast,
  Identity: ({ inputs }) => inputs['x']!,
  ZerosLike: filled(0),
  OnesLike: filled(1),
  Abs: same('Abs'),
  Neg: same('Neg'),
  Exp: same('Exp'),
  Log: same('Log'),
  Sqrt: same('Sqrt'),
  Reciprocal: same('Reciprocal'),
  Sigmoid: same('Sigmoid'),
  Tanh: same('Tanh'),
  Sin: same('Sin'),
  Cos: same('Cos'),
  Tan: same('Tan'),
  Asin: same('Asin'),
  Acos: same('Acos'),
  Atan: same('Atan'),
  Sinh: same('Sinh'),
  Cosh: same('Cosh'),
  Asinh: same('Asinh'),
  Acosh: same('Acosh'),
  Atanh: same('Atanh'),
  Erf: same('Erf'),
  Floor: same('Floor'),
  Ceil: same('Ceil'),
  Round: same('Round'),
  Sign: same('Sign'),
  Softplus: same('Softplus'),
  IsNan: same('IsNaN', 'bool'),
  IsInf: same('IsInf', 'bool'),
  Square: unary((graph, x) => both(graph, 'Mul', x, x)),
  Rsqrt: unary((graph, x) => {
    const root = graph.node('Sqrt', [x], graph.dims(x));
    return graph.node('Reciprocal', [root], graph.dims(x));
  }),
  Log1p: unary((graph, x) => {
    const one = graph.node('Add', [x, scalar(graph, 1)], graph.dims(x));
    return graph.node('Log', [one], graph.dims(x));
  }),
  Expm1: unary((graph, x) => {
    const power = graph.node('Exp', [x], graph.dims(x));
    return graph.node('Sub', [power, scalar(graph, 1)], graph.dims(x));
  }),
  Relu6: unary((graph, x) => graph.node('Clip', [x, scalar(graph, 0), scalar(graph, 6)], graph.dims(x))),
  ClipByValue: unary((graph, x, { clipValueMin, clipValueMax }) =>
    graph.node('Clip', [x, scalar(graph, clipValueMin!), scalar(graph, clipValueMax!)], graph.dims(x)),
  ),
  LeakyRelu: unary((graph, x, { alpha }) =>
    graph.node('LeakyRelu', [x], graph.dims(x), { attributes: { alpha: { float: alpha! } } }),
  ),
  Elu: unary((graph, x) => graph.node('Elu', [x], graph.dims(x), { attributes: { alpha: { float: 1 } } })),
  Selu: same('Selu'),
};
