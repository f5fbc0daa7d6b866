/** Layouts: how named parameters lie in one flat float32 vector `[P]`. */
import type * as tf from '@tensorflow/tfjs';
import { sizeOf } from './table.js';

/** One named tensor inside the flat vector: values `offset` ... `offset + size - 1`, row-major. */
export interface Parameter {
  /** `layer/name`, for example `conv1/weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
}

export interface Layout {
  readonly parameters: readonly Parameter[];
  /** P, the number of values in all. */
  readonly count: number;
}

/** A learnable layer: the contiguous segment that its weight and bias share. */
export interface Layer {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** Lays parameters one after the other. */
export function layoutOf(parameters: readonly Omit<Parameter, 'offset'>[]): Layout {
  let count = 0;
  const placed = parameters.map(({ name, shape }) => {
    const offset = count;
    count += sizeOf(shape);
    return { name, shape, offset };
  });
  return { parameters: placed, count };
}

/** The layers of a layout, in order: neighbours whose names agree before the slash. */
export function layersOf({ parameters }: Layout): Layer[] {
  const layers: { name: string; offset: number; size: number }[] = [];
  for (const { name, shape, offset } of parameters) {
    const layer = name.split('/')[0]!;
    const last = layers.at(-1);
    if (last?.name === layer) last.size += sizeOf(shape);
    else layers.push({ name: layer, offset, size: sizeOf(shape) });
  }
  return layers;
}

/** The tensors of a flat vector, in the order of the layout. */
export function unpack(flat: tf.Tensor, { parameters }: Layout): tf.Tensor[] {
  return parameters.map(({ shape, offset }) => flat.slice([offset], [sizeOf(shape)]).reshape([...shape]));
}

/** The flat vector of tensors in the order of the layout: the inverse of `unpack`. */
export function pack(tensors: readonly tf.Tensor[]): tf.Tensor1D {
  const parts = tensors.map((tensor) => tensor.flatten());
  return parts.length === 1 ? parts[0]! : parts[0]!.concat(parts.slice(1));
}
