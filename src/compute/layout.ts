/** Layouts: how named parameters lie in one flat float32 vector `[P]`. */
import type * as tf from '@tensorflow/tfjs';
import { sizeOf } from './table.js';

/** One named tensor inside the flat vector: values `offset` ... `offset + size - 1`, row-major. */
export interface Parameter {
  /** `layer/name`, for example `conv1/weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  /** The order in which the axes lie in the flat vector, if it is not that of `shape`: axis `order[0]` varies slowest. */
  readonly order?: readonly number[];
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
  const placed = parameters.map(({ name, shape, order }) => {
    const offset = count;
    count += sizeOf(shape);
    return { name, shape, offset, ...(order === undefined ? {} : { order }) };
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
  return parameters.map(({ shape, offset, order }) => {
    const part = flat.slice([offset], [sizeOf(shape)]);
    if (order === undefined) return part.reshape([...shape]);
    const places = order.map((_, axis) => order.indexOf(axis));
    return part.reshape(order.map((axis) => shape[axis]!)).transpose(places);
  });
}

/** The flat vector of tensors in the order of the layout: the inverse of `unpack`. */
export function pack(tensors: readonly tf.Tensor[], { parameters }: Layout): tf.Tensor1D {
  const parts = tensors.map((tensor, index) => {
    const { order } = parameters[index]!;
    return (order === undefined ? tensor : tensor.transpose([...order])).flatten();
  });
  return parts.length === 1 ? parts[0]! : parts[0]!.concat(parts.slice(1));
}

/** For each value of a parameter in row-major order of `shape`, its place in the flat vector, counted from `offset`. */
export function placesOf({ shape, order = shape.map((_, axis) => axis) }: Parameter): Int32Array {
  const strides = new Array<number>(shape.length).fill(1);
  for (let position = order.length - 2; position >= 0; position -= 1) {
    strides[order[position]!] = strides[order[position + 1]!]! * shape[order[position + 1]!]!;
  }
  return Int32Array.from({ length: sizeOf(shape) }, (_, value) => {
    let [rest, place] = [value, 0];
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      place += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return place;
  });
}
