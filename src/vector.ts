/** Float32 vectors, wherever they lie. */

/** A vector in the memory of a device, which computed it. Immutable. */
export interface DeviceVector {
  readonly length: number;
  readonly byteLength: number;
  /** Its values, brought here. */
  readonly values: () => Promise<Float32Array>;
}

export type Vector = Float32Array | DeviceVector;

export const isHere = (vector: Vector): vector is Float32Array => vector instanceof Float32Array;

/** The values of a vector. */
export async function valuesOf(vector: Vector): Promise<Float32Array> {
  return isHere(vector) ? vector : vector.values();
}

/** The values of named vectors. */
export async function valuesOfAll(vectors: Readonly<Record<string, Vector>>): Promise<Record<string, Float32Array>> {
  const values = Object.entries(vectors).map(async ([name, vector]) => [name, await valuesOf(vector)] as const);
  return Object.fromEntries(await Promise.all(values));
}

/** The values of vectors that are known to be here, as single numbers and what the processor computes are. */
export function here(vector: Vector): Float32Array {
  if (isHere(vector)) return vector;
  throw new Error('a vector was looked at that lies on a device');
}
