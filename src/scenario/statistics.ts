/** What a few independent values say of their mean. */

export interface Estimate {
  readonly count: number;
  readonly mean: number;
  /** Half the width of the 95% confidence interval of the mean; absent for a single value. */
  readonly halfWidth?: number;
}

/** The mean of `values`, which is not empty, with its 95% Student-t interval. */
export function estimate(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = average(values);
  if (count < 2) return { count, mean };
  const variance = values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0) / (count - 1);
  return { count, mean, halfWidth: studentQuantile(count - 1) * Math.sqrt(variance / count) };
}

/** What pairs of values, one pair a seed, say of a difference. */
export interface PairedEstimate {
  readonly a: Estimate;
  readonly b: Estimate;
  /** Of b - a within pairs: what both have in common, such as the luck of their seed, is not in its interval. */
  readonly difference: Estimate;
  /** In how many pairs b is lower than a. */
  readonly lower: number;
  /** In how many pairs both are the same. */
  readonly equal: number;
}

/** The means of `pairs` of values a and b, which are not empty, and of their differences b - a. */
export function pairedEstimate(pairs: readonly (readonly [number, number])[]): PairedEstimate {
  return {
    a: estimate(pairs.map(([a]) => a)),
    b: estimate(pairs.map(([, b]) => b)),
    difference: estimate(pairs.map(([a, b]) => b - a)),
    lower: pairs.filter(([a, b]) => b < a).length,
    equal: pairs.filter(([a, b]) => b === a).length,
  };
}

export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** t_{0.975} with 1 to 10 degrees of freedom. */
const quantiles = [12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139];

/** The normal quantile that t_{0.975} tends to. */
const normal = 1.959964;

/** t_{0.975} with `freedom` degrees of freedom, within 0.00012. */
export function studentQuantile(freedom: number): number {
  // Beyond the table an expansion in 1 / freedom will do (Abramowitz and Stegun, 26.7.5).
  const square = normal * normal;
  const first = (normal * (square + 1)) / 4;
  const second = (normal * ((5 * square + 16) * square + 3)) / 96;
  const third = (normal * (((3 * square + 19) * square + 17) * square - 15)) / 384;
  return quantiles[freedom - 1] ?? normal + (first + (second + third / freedom) / freedom) / freedom;
}
