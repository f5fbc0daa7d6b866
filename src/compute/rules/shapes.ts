/** Rules that move or repeat elements without looking at them. */
import { util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import {
  arrange,
  commonOrder,
  converted,
  logicalOrder,
  physicalDims,
  splat,
  symbolOf,
  valueOf,
  type TraceSymbol,
} from '../symbol.js';
import { sizeOf } from '../table.js';
import { constantOf } from './creation.js';
import { cannotCompile, type Rule, type SingleRule } from './rule.js';

/** A list of whole numbers as an ONNX input. */
export const integers = (graph: OnnxGraph, values: readonly number[]): Value =>
  graph.constant('int64', [values.length], values);

/** The elements of `x` in logical order, under another shape. */
export function reshaped(graph: OnnxGraph, x: TraceSymbol, shape: readonly number[]): TraceSymbol {
  if (x.shape.join() === shape.join()) return x;
  if (x.constant !== undefined) return { ...x, shape, order: logicalOrder(shape.length) };
  return symbolOf(graph, graph.reshape(arrange(graph, x), shape), shape);
}

const reshape: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  return reshaped(graph, x, util.inferFromImplicitShape(attributes['shape'] as number[], sizeOf(x.shape)));
};

/** `x` with a new axis of extent 1 at `at`. It is the first physical one: nothing moves. */
export function withAxis(graph: OnnxGraph, x: TraceSymbol, at: number): TraceSymbol {
  const shape = [...x.shape.slice(0, at), 1, ...x.shape.slice(at)];
  if (x.constant !== undefined) return reshaped(graph, x, shape);
  const order = [at, ...x.order.map((old) => (old >= at ? old + 1 : old))];
  return symbolOf(graph, graph.reshape(valueOf(graph, x), physicalDims(shape, order)), shape, order);
}

const expandDims: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['input']!;
  const axis = attributes['dim'] as number;
  return withAxis(graph, x, axis < 0 ? x.shape.length + 1 + axis : axis);
};

/** Only the order changes: logical axis i of the result is logical axis `perm[i]` of the input. */
const transpose: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const permutation = attributes['perm'] as number[];
  const shape = permutation.map((axis) => x.shape[axis]!);
  const order = x.order.map((axis) => permutation.indexOf(axis));
  if (x.mask !== undefined) return { ...x, shape, order };
  return symbolOf(graph, valueOf(graph, x), shape, order);
};

/** Parts side by side along `axis`, in the type of the first. */
function concat(graph: OnnxGraph, parts: readonly TraceSymbol[], axis: number): TraceSymbol {
  const present = parts.filter((part) => sizeOf(part.shape) > 0);
  const first = present[0] ?? parts[0]!;
  if (present.length < 2) return first;
  const shape = first.shape.map((extent, at) =>
    at === axis ? present.reduce((sum, part) => sum + part.shape[at]!, 0) : extent,
  );
  const order = commonOrder(present, shape);
  const values = present.map((part) => arrange(graph, converted(graph, part, first.dtype), order));
  const value = graph.node('Concat', values, physicalDims(shape, order), { attributes: { axis: order.indexOf(axis) } });
  return symbolOf(graph, value, shape, order);
}

export const pack: Rule = ({ graph, list, attributes }) => {
  const axis = util.parseAxisParam(attributes['axis'] as number, [...list[0]!.shape, 1])[0]!;
  const rows = list.map((part) => withAxis(graph, part, axis));
  return concat(graph, rows, axis);
};

const tile: SingleRule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const repeats = attributes['reps'] as number[];
  if (repeats.every((count) => count === 1)) return x;
  const shape = x.shape.map((extent, axis) => extent * repeats[axis]!);
  const number = splat(x);
  if (number !== undefined) return constantOf(shape, x.dtype, () => number);
  const counts = x.order.map((axis) => repeats[axis]!);
  const value = graph.node('Tile', [valueOf(graph, x), integers(graph, counts)], physicalDims(shape, x.order));
  return symbolOf(graph, value, shape, x.order);
};

/** `copies` of `x` one after the other along a new first axis. */
export const expanded = (graph: OnnxGraph, x: TraceSymbol, copies: number): TraceSymbol =>
  tile({
    graph,
    list: [],
    inputs: { x: withAxis(graph, x, 0) },
    attributes: { reps: [copies, ...x.shape.map(() => 1)] },
  });

type Paddings = readonly (readonly [number, number])[];

const padded = ({ shape }: TraceSymbol, paddings: Paddings): number[] =>
  shape.map((extent, axis) => paddings[axis]![0] + extent + paddings[axis]![1]);

const pad: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const paddings = attributes['paddings'] as Paddings;
  const shape = padded(x, paddings);
  const pads = [...x.order.map((axis) => paddings[axis]![0]), ...x.order.map((axis) => paddings[axis]![1])];
  const value = graph.padded(valueOf(graph, x), pads, attributes['constantValue'] as number);
  return symbolOf(graph, value, shape, x.order);
};

/** Padding by reflection: along each axis, the indices of the elements to take are known. */
const mirrorPad: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const paddings = attributes['paddings'] as Paddings;
  // `symmetric` repeats the border, `reflect` does not.
  const repeated = attributes['mode'] === 'symmetric' ? 1 : 0;
  const value = x.order.reduce(
    (whole, axis, position) => {
      const [before, after] = paddings[axis]!;
      if (before === 0 && after === 0) return whole;
      const last = x.shape[axis]! - 1;
      const indices = Array.from({ length: before + last + 1 + after }, (_, place) => {
        const index = place - before;
        return index < 0 ? -index - repeated : index > last ? 2 * last - index + repeated : index;
      });
      const dims = graph.dims(whole).map((extent, at) => (at === position ? indices.length : extent));
      return graph.node('Gather', [whole, integers(graph, indices)], dims, { attributes: { axis: position } });
    },
    valueOf(graph, x),
  );
  return symbolOf(graph, value, padded(x, paddings), x.order);
};

/** Blocks of channels become blocks of pixels. */
const depthToSpace: Rule = ({ graph, inputs, attributes }) => {
  if (attributes['dataFormat'] !== 'NHWC') throw cannotCompile('DepthToSpace', 'in NCHW', 'use the format NHWC');
  const x = inputs['x']!;
  const blocksize = attributes['blockSize'] as number;
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const shape = [batch, height * blocksize, width * blocksize, channels / (blocksize * blocksize)];
  const order = [0, 3, 1, 2];
  const value = graph.node('DepthToSpace', [arrange(graph, x, order)], physicalDims(shape, order), {
    attributes: { blocksize, mode: 'DCR' },
  });
  return symbolOf(graph, value, shape, order);
};

export const shapeRules: Readonly<Record<string, Rule>> = {
  Identity: ({ inputs }) => inputs['x']!,
  Reshape: reshape,
  ExpandDims: expandDims,
  Transpose: transpose,
  Concat: ({ graph, list, attributes }) =>
    concat(graph, list, util.parseAxisParam(attributes['axis'] as number, [...list[0]!.shape])[0]!),
  Pack: pack,
  Tile: tile,
  PadV2: pad,
  MirrorPad: mirrorPad,
  DepthToSpace: depthToSpace,
};
