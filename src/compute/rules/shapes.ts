import { slice_util, util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import {
  arrange,
  commonOrder,
  logicalOrder,
  physicalDims,
  symbolOf,
  valueOf,
  type SymbolType,
  type TraceSymbol,
} from '../symbol.js';
import { sizeOf } from '../table.js';
import type { Rule } from './rule.js';

/** A list of whole numbers as an ONNX input. */
const integers = (graph: OnnxGraph, values: readonly number[]): Value => graph.constant('int64', [values.length], values);

function reshaped(graph: OnnxGraph, x: TraceSymbol, shape: readonly number[]): TraceSymbol {
  if (x.constant !== undefined) return { ...x, shape, order: logicalOrder(shape.length) };
  return symbolOf(graph, graph.reshape(arrange(graph, x), shape), shape);
}

const reshape: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  return reshaped(graph, x, util.inferFromImplicitShape(attributes['shape'] as number[], sizeOf(x.shape)));
};

const expandDims: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['input']!;
  const axis = attributes['dim'] as number;
  const at = axis < 0 ? x.shape.length + 1 + axis : axis;
  const shape = [...x.shape.slice(0, at), 1, ...x.shape.slice(at)];
  if (x.constant !== undefined) return reshaped(graph, x, shape);
  // The new axis is the first physical one: nothing moves.
  const order = [at, ...x.order.map((old) => (old >= at ? old + 1 : old))];
  return symbolOf(graph, graph.reshape(valueOf(graph, x), physicalDims(shape, order)), shape, order);
};

/** Only the order changes: logical axis i of the result is logical axis `perm[i]` of the input. */
const transpose: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const permutation = attributes['perm'] as number[];
  const shape = permutation.map((axis) => x.shape[axis]!);
  const order = x.order.map((axis) => permutation.indexOf(axis));
  if (x.mask !== undefined && x.value === undefined) return { ...x, shape, order };
  return symbolOf(graph, valueOf(graph, x), shape, order);
};

function sliceValue(
  graph: OnnxGraph,
  x: TraceSymbol,
  { begin, size, strides }: { begin: readonly number[]; size: readonly number[]; strides?: readonly number[] },
): TraceSymbol {
  const stride = (axis: number): number => strides?.[axis] ?? 1;
  const cut = x.order
    .map((axis, position) => ({ axis, position }))
    .filter(({ axis }) => begin[axis] !== 0 || size[axis] !== x.shape[axis] || stride(axis) !== 1);
  if (cut.length === 0) return x;
  const shape = x.shape.map((_, axis) => size[axis]!);
  const ends = cut.map(({ axis }) => {
    const end = begin[axis]! + size[axis]! * stride(axis);
    return stride(axis) < 0 && end < 0 ? -2_147_483_648 : end;
  });
  const operands = [
    valueOf(graph, x),
    integers(graph, cut.map(({ axis }) => begin[axis]!)),
    integers(graph, ends),
    integers(graph, cut.map(({ position }) => position)),
    integers(graph, cut.map(({ axis }) => stride(axis))),
  ];
  return symbolOf(graph, graph.node('Slice', operands, physicalDims(shape, x.order)), shape, x.order);
}

const slice: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const [begin, size] = slice_util.parseSliceParams(
    { shape: [...x.shape] } as Parameters<typeof slice_util.parseSliceParams>[0],
    attributes['begin'] as number[],
    attributes['size'] as number[],
  ) as [number[], number[]];
  return sliceValue(graph, x, { begin, size });
};

function concat(graph: OnnxGraph, parts: readonly TraceSymbol[], axis: number): TraceSymbol {
  const present = parts.filter((part) => sizeOf(part.shape) > 0);
  const first = present[0] ?? parts[0]!;
  const shape = first.shape.map((extent, at) =>
    at === axis ? present.reduce((sum, part) => sum + part.shape[at]!, 0) : extent,
  );
  const order = commonOrder(present, shape);
  const values = present.map((part) => arrange(graph, part, order));
  if (values.length === 1) return first;
  const value = graph.node('Concat', values, physicalDims(shape, order), { attributes: { axis: order.indexOf(axis) } });
  return symbolOf(graph, value, shape, order);
}

const pack: Rule = ({ graph, list, attributes }) => {
  const axis = util.parseAxisParam(attributes['axis'] as number, [...list[0]!.shape, 1])[0]!;
  const rows = list.map((part) => expandDims({ graph, inputs: { input: part }, list: [], attributes: { dim: axis } }));
  return concat(graph, rows as TraceSymbol[], axis);
};

const unpack: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['value']!;
  const axis = util.parseAxisParam(attributes['axis'] as number, [...x.shape])[0]!;
  const shape = x.shape.filter((_, at) => at !== axis);
  return Array.from({ length: x.shape[axis]! }, (_, index) => {
    const begin = x.shape.map((__, at) => (at === axis ? index : 0));
    const size = x.shape.map((extent, at) => (at === axis ? 1 : extent));
    return reshaped(graph, sliceValue(graph, x, { begin, size }), shape);
  });
};

const splitV: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const axis = util.parseAxisParam(attributes['axis'] as number, [...x.shape])[0]!;
  const sizes = attributes['numOrSizeSplits'] as number | number[];
  const parts =
    typeof sizes === 'number' ? Array.from({ length: sizes }, () => x.shape[axis]! / sizes) : sizes;
  let start = 0;
  return parts.map((extent) => {
    const begin = x.shape.map((_, at) => (at === axis ? start : 0));
    const size = x.shape.map((whole, at) => (at === axis ? extent : whole));
    start += extent;
    return sliceValue(graph, x, { begin, size });
  });
};

const tile: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const repeats = attributes['reps'] as number[];
  if (repeats.every((count) => count === 1)) return x;
  const shape = x.shape.map((extent, axis) => extent * repeats[axis]!);
  const operands = [valueOf(graph, x), integers(graph, x.order.map((axis) => repeats[axis]!))];
  return symbolOf(graph, graph.node('Tile', operands, physicalDims(shape, x.order)), shape, x.order);
};

const broadcastTo: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const shape = attributes['shape'] as number[];
  const value = graph.node('Expand', [arrange(graph, x), integers(graph, shape)], shape);
  return symbolOf(graph, value, shape);
};

const pad: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const paddings = attributes['paddings'] as [number, number][];
  const shape = x.shape.map((extent, axis) => extent + paddings[axis]![0] + paddings[axis]![1]);
  const pads = [...x.order.map((axis) => paddings[axis]![0]), ...x.order.map((axis) => paddings[axis]![1])];
  const constant = graph.constant(x.dtype, [], [attributes['constantValue'] as number]);
  const value = graph.node('Pad', [valueOf(graph, x), integers(graph, pads), constant], physicalDims(shape, x.order));
  return symbolOf(graph, value, shape, x.order);
};

const gather: Rule = ({ graph, inputs, attributes }) => {
  const { x, indices } = inputs as { x: TraceSymbol; indices: TraceSymbol };
  const axis = util.parseAxisParam(attributes['axis'] as number, [...x.shape])[0]!;
  if ((attributes['batchDims'] as number) > 0) throw new Error('GatherV2 with batchDims cannot be compiled to ONNX yet');
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const value = graph.node('Gather', [arrange(graph, x), arrange(graph, indices)], shape, { attributes: { axis } });
  return symbolOf(graph, value, shape);
};

const oneHot: Rule = ({ graph, inputs, attributes }) => {
  const indices = inputs['indices']!;
  const depth = attributes['depth'] as number;
  const shape = [...indices.shape, depth];
  const classes = graph.constant('int32', [depth], Array.from({ length: depth }, (_, index) => index));
  const column = graph.reshape(arrange(graph, indices), [...indices.shape, 1]);
  const hit = graph.node('Equal', [column, classes], shape, { type: 'bool' });
  const dtype = (attributes['dtype'] as SymbolType | undefined) ?? 'int32';
  const on = graph.constant(dtype, [], [(attributes['onValue'] as number | undefined) ?? 1]);
  const off = graph.constant(dtype, [], [(attributes['offValue'] as number | undefined) ?? 0]);
  return symbolOf(graph, graph.node('Where', [hit, on, off], shape, { type: dtype }), shape);
};

const fill: Rule = ({ attributes }) => {
  const shape = attributes['shape'] as number[];
  const constant = new Float32Array(sizeOf(shape)).fill(attributes['value'] as number);
  return { shape, order: logicalOrder(shape.length), constant, dtype: (attributes['dtype'] as SymbolType | null) ?? 'float32' };
};

const range: Rule = ({ attributes }) => {
  const { start, stop, step, dtype } = attributes as { start: number; stop: number; step: number; dtype: SymbolType };
  const count = Math.max(0, Math.ceil((stop - start) / step));
  const constant = Array.from({ length: count }, (_, index) => start + index * step);
  return { shape: [count], order: [0], constant, dtype };
};

export const shapeRules: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  ExpandDims: expandDims,
  Transpose: transpose,
  Slice: slice,
  Concat: ({ graph, list, attributes }) =>
    concat(graph, list, util.parseAxisParam(attributes['axis'] as number, [...list[0]!.shape])[0]!),
  Pack: pack,
  Unpack: unpack,
  SplitV: splitV,
  Tile: tile,
  BroadcastTo: broadcastTo,
  PadV2: pad,
  GatherV2: gather,
  OneHot: oneHot,
  Fill: fill,
  Range: range,
};
