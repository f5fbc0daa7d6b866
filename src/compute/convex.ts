/** A smooth convex function of z `[dimension]` in float64, with two derivatives. */
export interface ConvexFunction {
  readonly dimension: number;
  readonly value: (z: Float64Array) => number;
  /** `[dimension]` */
  readonly gradient: (z: Float64Array) => Float64Array;
  /** `[dimension, dimension]`, row-major. */
  readonly hessian: (z: Float64Array) => Float64Array;
}
