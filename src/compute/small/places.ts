/** Where the elements of one tensor lie in another, as lists of places. */
import { sizeOf } from '../table.js';

/** How far apart neighbours along each axis lie. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = dims.map(() => 1);
  for (let axis = dims.length - 2; axis >= 0; axis -= 1) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}

/** The places `offset + sum_k index_k strides_k` of all indices into `dims`, the last axis running fastest. */
export function placesOf(dims: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  const places = new Int32Array(sizeOf(dims));
  const index = dims.map(() => 0);
  let place = offset;
  for (let at = 0; at < places.length; at += 1) {
    places[at] = place;
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      index[axis]! += 1;
      place += strides[axis]!;
      if (index[axis]! < dims[axis]!) break;
      place -= dims[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return places;
}

/** Where the elements of a tensor `dims` come from that `from` is broadcast to. */
export function broadcastPlaces(from: readonly number[], dims: readonly number[]): Int32Array {
  const missing = dims.length - from.length;
  const own = stridesOf(from);
  const strides = dims.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : own[axis - missing]!));
  return placesOf(dims, strides);
}
