/**
 * Packing: small float32 tensors cross into ONNX Runtime and back as parts of one array. It takes some microseconds for
 * each tensor of a call, as much as ten nodes of a small graph. Copies of large ones would cost more than that.
 */
import type { OnnxGraph, Value } from './onnx.js';
import { sizeOf } from './table.js';
import type { Feed } from './tensorFunction.js';

type Feeds = Readonly<Record<string, Feed>>;

/** How many values are packed at most. */
const packedMax = 4096;
/** How many values one has that is packed while others are too large. */
const smallMax = 1024;

export interface Packing {
  /** Where a tensor begins in the array, and how many values it has, in the order of the array. */
  readonly places: ReadonlyMap<string, { readonly offset: number; readonly size: number }>;
  readonly length: number;
}

/** How `feeds` are packed: all that are float32, or, where these are too large, those that are small; never one alone. */
export function packingOf(feeds: Feeds): Packing {
  const real = Object.entries(feeds).flatMap(([name, { dtype, shape }]) =>
    dtype === 'float32' ? [{ name, size: sizeOf(shape) }] : [],
  );
  return placed(real) ?? placed(real.filter(({ size }) => size <= smallMax)) ?? { places: new Map(), length: 0 };
}

function placed(tensors: readonly { readonly name: string; readonly size: number }[]): Packing | undefined {
  const places = new Map<string, { offset: number; size: number }>();
  let length = 0;
  for (const { name, size } of tensors) {
    places.set(name, { offset: length, size });
    length += size;
  }
  return places.size > 1 && length <= packedMax ? { places, length } : undefined;
}

/** Adds the inputs to `graph`; gives the value of each, by name, in its shape. */
export function addInputs(graph: OnnxGraph, feeds: Feeds): Map<string, Value> {
  const { places, length } = packingOf(feeds);
  const packed = [...places];
  const sizes = packed.map(([, { size }]) => size);
  const parts =
    packed.length === 0
      ? []
      : graph.nodeOf(
          'Split',
          [graph.input('in', 'float32', [length]), graph.constant('int64', [sizes.length], sizes)],
          sizes.map((size) => ({ type: 'float32', dims: [size] })),
          { axis: 0 },
        );
  const part = new Map(packed.map(([name], index) => [name, parts[index]!]));
  return new Map(
    Object.entries(feeds).map(([name, { dtype, shape }]) => {
      const value = part.get(name);
      return [name, value === undefined ? graph.input(`in_${name}`, dtype, shape) : graph.reshape(value, shape)];
    }),
  );
}

/** Makes `values`, by name, the outputs of `graph`; `feeds` are their shapes. */
export function addOutputs(graph: OnnxGraph, feeds: Feeds, values: ReadonlyMap<string, Value>): void {
  const { places, length } = packingOf(feeds);
  if (places.size > 0) {
    const parts = [...places].map(([name, { size }]) => graph.reshape(values.get(name)!, [size]));
    graph.output('out', graph.node('Concat', parts, [length], { attributes: { axis: 0 } }));
  }
  for (const [name, value] of values) if (!places.has(name)) graph.output(`out_${name}`, value);
}
