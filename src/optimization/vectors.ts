/** Sums over long vectors, in float64 and in the order of their elements. */

type Vector = Float32Array | Float64Array;

/** a'b */
export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += a[index]! * b[index]!;
  return sum;
}

/** ||a|| */
export function norm(a: Vector): number {
  return Math.sqrt(dot(a, a));
}

/** target <- target + factor * vector */
export function addTo(target: Float64Array, factor: number, vector: Vector): void {
  for (let index = 0; index < target.length; index += 1) target[index]! += factor * vector[index]!;
}

/** a - b */
export function difference(a: Vector, b: Vector): Float64Array {
  const result = new Float64Array(a);
  addTo(result, -1, b);
  return result;
}
