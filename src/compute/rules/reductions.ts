/** Rules for reductions over axes, and running sums along one. */
import { util } from '@tensorflow/tfjs';
import { converted, narrowed, physicalDims, symbolOf, valueOf, type SymbolType, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import type { RuleCall, SingleRule } from './rule.js';

/** What remains of `symbol` when `axes` are reduced: its shape and the physical order of its axes. */
function reduced(symbol: TraceSymbol, axes: readonly number[], keepDims: boolean) {
  if (keepDims) {
    const shape = symbol.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    return { shape, order: symbol.order };
  }
  const kept = symbol.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const order = symbol.order.filter((axis) => kept.includes(axis)).map((axis) => kept.indexOf(axis));
  return { shape: kept.map((axis) => symbol.shape[axis]!), order };
}

/** The axes that a call names (Max has its own word for them); all, if it names none. */
function axesOf({ attributes }: Pick<RuleCall, 'attributes'>, { shape }: TraceSymbol): number[] {
  const named = (attributes['axis'] ?? attributes['reductionIndices']) as number | number[] | undefined;
  return util.parseAxisParam(named ?? shape.map((_, axis) => axis), [...shape]);
}

interface Types {
  /** Elements of the types on the left are made those on the right before the reduction. */
  readonly before?: Partial<Record<SymbolType, SymbolType>>;
  /** The type of the result, if it is not the one that was reduced. */
  readonly after?: SymbolType;
}

// Conditions are counted, multiplied and compared as 0 and 1.
const numbers = { bool: 'int32' } as const;

/** A reduction whose ONNX operator takes its axes as an input (opset 18). */
function reduction(operator: string, { before = numbers, after }: Types = {}): SingleRule {
  return ({ graph, inputs, attributes }) => {
    const given = inputs['x']!;
    const x = converted(graph, given, before[given.dtype] ?? given.dtype);
    const axes = axesOf({ attributes }, x);
    if (axes.length === 0) return converted(graph, x, after ?? x.dtype);
    const keepDims = attributes['keepDims'] === true;
    const { shape, order } = reduced(x, axes, keepDims);
    const physicalAxes = axes.map((axis) => x.order.indexOf(axis)).sort((a, b) => a - b);
    const operands = [valueOf(graph, x), graph.constant('int64', [axes.length], physicalAxes)];
    const keepdims = keepDims ? 1 : 0;
    const value = graph.node(operator, operands, physicalDims(shape, order), { attributes: { keepdims } });
    graph.operations += sizeOf(x.shape);
    return converted(graph, symbolOf(graph, value, shape, order), after ?? x.dtype);
  };
}

/** The index of the largest (or smallest) element along one axis; the first of equals. */
function argument(operator: 'ArgMax' | 'ArgMin'): SingleRule {
  return ({ graph, inputs, attributes }) => {
    const x = converted(graph, inputs['x']!, inputs['x']!.dtype === 'int32' ? 'int32' : 'float32');
    const [axis] = axesOf({ attributes }, x);
    const { shape, order } = reduced(x, [axis!], false);
    const index = graph.node(operator, [valueOf(graph, x)], physicalDims(shape, order), {
      type: 'int64',
      attributes: { axis: x.order.indexOf(axis!), keepdims: 0 },
    });
    return narrowed(graph, index, shape, order);
  };
}

/** The sums of the elements up to each place, without that place if `exclusive`, from the end if `reverse`. */
const cumsum: SingleRule = ({ graph, inputs, attributes }) => {
  const x = converted(graph, inputs['x']!, inputs['x']!.dtype === 'bool' ? 'int32' : inputs['x']!.dtype);
  const [axis] = axesOf({ attributes }, x);
  const operands = [valueOf(graph, x), graph.constant('int64', [], [x.order.indexOf(axis!)])];
  const flags = {
    exclusive: Number(attributes['exclusive'] === true),
    reverse: Number(attributes['reverse'] === true),
  };
  const value = graph.node('CumSum', operands, physicalDims(x.shape, x.order), { attributes: flags });
  return symbolOf(graph, value, x.shape, x.order);
};

export const reductionRules: Readonly<Record<string, SingleRule>> = {
  Sum: reduction('ReduceSum'),
  Mean: reduction('ReduceMean', { before: { bool: 'float32', int32: 'float32' } }),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  All: reduction('ReduceMin', { after: 'bool' }),
  Any: reduction('ReduceMax', { after: 'bool' }),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Cumsum: cumsum,
};
