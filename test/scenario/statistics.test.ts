import { describe, expect, it } from 'vitest';
import { estimate, studentQuantile } from '../../src/scenario/statistics.js';

describe("Student's t quantile", () => {
  // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2, column 0.975.
  it.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [5, 2.571],
    [9, 2.262],
    [10, 2.228],
    [11, 2.201],
    [12, 2.179],
    [15, 2.131],
    [20, 2.086],
    [30, 2.042],
    [60, 2.0],
    [100, 1.984],
  ])('with %i degrees of freedom is %f, as tables have it', (freedom, quantile) => {
    expect(Math.abs(studentQuantile(freedom) - quantile)).toBeLessThan(0.0008);
  });

  it('tends to the normal quantile', () => {
    expect(studentQuantile(1e9)).toBeCloseTo(1.959964, 6);
  });
});

describe('an estimate', () => {
  it('of one value has no interval', () => {
    expect(estimate([294.1])).toEqual({ count: 1, mean: 294.1 });
  });

  it('of three values has the interval of two degrees of freedom', () => {
    // The deviations are -1, 0 and 1: a variance of 1, and 4.302653 / sqrt(3).
    const { count, mean, halfWidth } = estimate([9, 10, 11]);
    expect({ count, mean }).toEqual({ count: 3, mean: 10 });
    expect(halfWidth).toBeCloseTo(2.484138, 6);
  });

  it('of equal values is certain', () => {
    expect(estimate([0.5, 0.5])).toEqual({ count: 2, mean: 0.5, halfWidth: 0 });
  });
});
