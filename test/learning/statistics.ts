/** What tests of random draws compare with. Critical values are those of R: qchisq(0.999, df). */
import { Streams, type Stream } from '../../src/kernel/streams.js';

/** qchisq(0.999, df): a correct generator exceeds it once in a thousand seeds, and the seeds here are fixed. */
export const chiSquareLimit: Readonly<Record<number, number>> = {
  3: 16.266,
  4: 18.467,

  9: 27.877,

  23: 49.728,
};

/** sum (observed - expected)^2 / expected. */
export function chiSquare(observed: readonly number[], expected: readonly number[]): number {
  return observed.reduce((sum, count, cell) => {
    const difference = count - expected[cell]!;
    return sum + (difference * difference) / expected[cell]!;
  }, 0);
}

/** sqrt(n) sup |F_n - F|, Kolmogorov's statistic; it exceeds 1.95 once in a thousand seeds. */
export function kolmogorov(sample: readonly number[], distribution: (x: number) => number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  const n = sorted.length;
  const largest = sorted.reduce((max, x, rank) => {
    const probability = distribution(x);
    return Math.max(max, probability - rank / n, (rank + 1) / n - probability);
  }, 0);
  return Math.sqrt(n) * largest;
}

export const kolmogorovLimit = 1.95;

/** P(N <= x), by the series Phi(x) = 1/2 + phi(x) (x + x^3/3 + x^5/15 + ...). */
export function normalDistribution(x: number): number {
  if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
  let term = x;
  let sum = x;
  for (let k = 3; Math.abs(term) > 1e-17; k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

export function streamOf(purpose: string, seed = 7): Stream {
  return new Streams(seed).stream('data', purpose);
}

export function sampleOf(count: number, draw: () => number): number[] {
  return Array.from({ length: count }, draw);
}

export function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}
