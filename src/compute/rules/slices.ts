/** Rules that cut parts out of a tensor. */
import { slice_util, util } from '@tensorflow/tfjs';
import type { OnnxGraph } from '../onnx.js';
import { physicalDims, symbolOf, valueOf, type TraceSymbol } from '../symbol.js';
import type { Rule } from './rule.js';
import { integers, reshaped } from './shapes.js';

/** Along every axis: `size` elements from `begin`, `strides` apart (1 unless given, backwards if negative). */
interface Cut {
  readonly begin: readonly number[];
  readonly size: readonly number[];
  readonly strides?: readonly number[];
}

// What ONNX reads as: to the first element and with it, when walking backwards.
const beforeAll = -2_147_483_648;

function cut(graph: OnnxGraph, x: TraceSymbol, { begin, size, strides }: Cut): TraceSymbol {
  const stride = (axis: number): number => strides?.[axis] ?? 1;
  const touched = x.order
    .map((axis, position) => ({ axis, position }))
    .filter(({ axis }) => begin[axis] !== 0 || size[axis] !== x.shape[axis] || stride(axis) !== 1);
  if (touched.length === 0) return x;
  const end = (axis: number): number => {
    const last = begin[axis]! + size[axis]! * stride(axis);
    return last < 0 ? beforeAll : last;
  };
  const operands = [
    touched.map(({ axis }) => begin[axis]!),
    touched.map(({ axis }) => end(axis)),
    touched.map(({ position }) => position),
    touched.map(({ axis }) => stride(axis)),
  ].map((list) => integers(graph, list));
  const value = graph.node('Slice', [valueOf(graph, x), ...operands], physicalDims(size, x.order));
  return symbolOf(graph, value, size, x.order);
}

/** All of `x` but for one axis, of which it takes `size` elements from `start`. */
function along(graph: OnnxGraph, x: TraceSymbol, axis: number, [start, size]: readonly [number, number]): TraceSymbol {
  return cut(graph, x, {
    begin: x.shape.map((_, at) => (at === axis ? start : 0)),
    size: x.shape.map((extent, at) => (at === axis ? size : extent)),
  });
}

const slice: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const [begin, size] = slice_util.parseSliceParams(
    { shape: [...x.shape] } as Parameters<typeof slice_util.parseSliceParams>[0],
    attributes['begin'] as number[],
    attributes['size'] as number[],
  ) as [number[], number[]];
  return cut(graph, x, { begin, size });
};

const stridedSlice: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const given = ['begin', 'end', 'strides'].map((name) => attributes[name] as number[]);
  const masks = ['beginMask', 'endMask', 'ellipsisMask', 'newAxisMask', 'shrinkAxisMask'];
  const info = slice_util.sliceInfo(
    [...x.shape],
    ...(given as [number[], number[], number[]]),
    ...(masks.map((name) => attributes[name] as number) as [number, number, number, number, number]),
  );
  const { begin, end, strides } = info;
  const size = slice_util.computeOutShape(begin, end, strides);
  return reshaped(graph, cut(graph, x, { begin, size, strides }), info.finalShape);
};

const reverse: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const axes = util.parseAxisParam(attributes['dims'] as number[], [...x.shape]);
  const turned = (axis: number): boolean => axes.includes(axis);
  return cut(graph, x, {
    begin: x.shape.map((extent, axis) => (turned(axis) ? extent - 1 : 0)),
    size: x.shape,
    strides: x.shape.map((_, axis) => (turned(axis) ? -1 : 1)),
  });
};

const splitV: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const axis = util.parseAxisParam(attributes['axis'] as number, [...x.shape])[0]!;
  const given = attributes['numOrSizeSplits'] as number | number[];
  const sizes = typeof given === 'number' ? Array.from({ length: given }, () => x.shape[axis]! / given) : given;
  let start = 0;
  return sizes.map((size) => {
    start += size;
    return along(graph, x, axis, [start - size, size]);
  });
};

export const unpack: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['value']!;
  const axis = util.parseAxisParam(attributes['axis'] as number, [...x.shape])[0]!;
  const shape = x.shape.filter((_, at) => at !== axis);
  return Array.from({ length: x.shape[axis]! }, (_, index) =>
    reshaped(graph, along(graph, x, axis, [index, 1]), shape),
  );
};

export const sliceRules: Readonly<Record<string, Rule>> = {
  Slice: slice,
  StridedSlice: stridedSlice,
  Reverse: reverse,
  SplitV: splitV,
  Unpack: unpack,
};
