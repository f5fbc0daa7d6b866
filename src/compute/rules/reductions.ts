import { util } from '@tensorflow/tfjs';
import { elementTypes } from '../onnx.js';
import { physicalDims, symbolOf, valueOf, type TraceSymbol } from '../symbol.js';
import type { Rule } from './rule.js';

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

function axesOf(attribute: number | number[] | undefined, shape: readonly number[]): number[] {
  return util.parseAxisParam(attribute ?? shape.map((_, axis) => axis), [...shape]);
}

/** A reduction whose ONNX operator takes its axes as an input (opset 18). */
function reduction(operator: string): Rule {
  return ({ graph, inputs, attributes }) => {
    const x = inputs['x']!;
    const axes = axesOf(attributes['axis'] as number | number[] | undefined, x.shape);
    const keepDims = attributes['keepDims'] === true;
    const { shape, order } = reduced(x, axes, keepDims);
    if (axes.length === 0) return x;
    const physicalAxes = axes.map((axis) => x.order.indexOf(axis)).sort((a, b) => a - b);
    const value = valueOf(graph, x);
    const axesValue = graph.constant('int64', [axes.length], physicalAxes);
    const dims = physicalDims(shape, order);
    graph.operations += x.shape.reduce((product, extent) => product * extent, 1);
    return symbolOf(graph, graph.node(operator, [value, axesValue], dims, { attributes: { keepdims: keepDims ? 1 : 0 } }), shape, order);
  };
}

/** The index of the largest (or smallest) element along one axis; the first of equals. */
function argument(operator: 'ArgMax' | 'ArgMin'): Rule {
  return ({ graph, inputs, attributes }) => {
    const x = inputs['x']!;
    const [axis] = axesOf(attributes['axis'] as number, x.shape);
    const { shape, order } = reduced(x, [axis!], false);
    const dims = physicalDims(shape, order);
    const index = graph.node(operator, [valueOf(graph, x)], dims, {
      type: 'int64',
      attributes: { axis: x.order.indexOf(axis!), keepdims: 0 },
    });
    const value = graph.node('Cast', [index], dims, { type: 'int32', attributes: { to: elementTypes.int32 } });
    return symbolOf(graph, value, shape, order);
  };
}

export const reductionRules: Readonly<Record<string, Rule>> = {
  Sum: reduction('ReduceSum'),
  Mean: reduction('ReduceMean'),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
};
