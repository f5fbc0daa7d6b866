import { describe, expect, it } from 'vitest';
import {
  drawDirichlet,
  drawDistinct,
  drawExponential,
  drawLogGamma,
  drawNormal,
  shuffle,
} from '../../src/kernel/draws.js';
import {
  chiSquare,
  chiSquareLimit,
  kolmogorov,
  kolmogorovLimit,
  mean,
  normalDistribution,
  sampleOf,
  streamOf,
} from './statistics.js';

const count = 20_000;

describe('draws', () => {
  it('normal numbers follow the normal distribution', () => {
    const stream = streamOf('normal');
    expect(
      kolmogorov(
        sampleOf(count, () => drawNormal(stream)),
        normalDistribution,
      ),
    ).toBeLessThan(kolmogorovLimit);
  });

  it('neighbouring normal numbers are uncorrelated', () => {
    const stream = streamOf('normal');
    const sample = sampleOf(count, () => drawNormal(stream));
    const products = sample.slice(1).map((value, index) => value * sample[index]!);
    // The mean of n products of independent standard normal numbers has the standard deviation 1/sqrt(n).
    expect(Math.abs(mean(products))).toBeLessThan(4 / Math.sqrt(count));
  });

  it('exponential numbers follow 1 - exp(-x)', () => {
    const stream = streamOf('exponential');
    const sample = sampleOf(count, () => drawExponential(stream));
    expect(kolmogorov(sample, (x) => 1 - Math.exp(-x))).toBeLessThan(kolmogorovLimit);
  });

  it.each([
    // Gamma(1/2) is half the square of a normal number, Gamma(1) exponential, Gamma(3) a sum of three of those.
    { shape: 0.5, distribution: (x: number) => 2 * normalDistribution(Math.sqrt(2 * x)) - 1 },
    { shape: 1, distribution: (x: number) => 1 - Math.exp(-x) },
    { shape: 3, distribution: (x: number) => 1 - Math.exp(-x) * (1 + x + (x * x) / 2) },
  ])('gamma numbers of shape $shape follow their closed form', ({ shape, distribution }) => {
    const stream = streamOf(`gamma/${shape}`);
    const sample = sampleOf(count, () => Math.exp(drawLogGamma(stream, shape)));
    expect(kolmogorov(sample, distribution)).toBeLessThan(kolmogorovLimit);
  });

  it('the logarithm of a gamma number of shape 1/1000 is nearly -1000 times an exponential one', () => {
    const stream = streamOf('gamma/small');
    const sample = sampleOf(count, () => -drawLogGamma(stream, 1e-3) / 1000);
    // P(log Gamma(a) < -t) = exp(-a t) (1 + O(a)), so the statistic may be off by 1e-3 sqrt(n) = 0.14.
    expect(kolmogorov(sample, (x) => 1 - Math.exp(-Math.max(0, x)))).toBeLessThan(kolmogorovLimit + 0.14);
  });

  it('a part of a symmetric Dirichlet draw of two parts with alpha 1 is uniform', () => {
    const stream = streamOf('dirichlet');
    const sample = sampleOf(count, () => drawDirichlet(stream, { alpha: 1, count: 2 })[0]!);
    expect(kolmogorov(sample, (x) => x)).toBeLessThan(kolmogorovLimit);
  });

  it.each([0.05, 0.5, 5])(
    'Dirichlet parts with alpha %f have the mean and the variance of the closed form',
    (alpha) => {
      const stream = streamOf(`dirichlet/${alpha}`);
      const parts = 4;
      const sample = sampleOf(count, () => drawDirichlet(stream, { alpha, count: parts })[2]!);
      // Mean 1/k, variance (1/k)(1 - 1/k)/(k alpha + 1); the variance estimate of a part in [0, 1] errs by < 1/sqrt(n).
      const variance = ((1 / parts) * (1 - 1 / parts)) / (parts * alpha + 1);
      expect(Math.abs(mean(sample) - 1 / parts)).toBeLessThan(4 * Math.sqrt(variance / count));
      const squares = sample.map((value) => (value - 1 / parts) * (value - 1 / parts));
      expect(Math.abs(mean(squares) / variance - 1)).toBeLessThan(0.05);
    },
  );

  it('Dirichlet parts with alpha 1e-6 are numbers that sum to 1, nearly all in one part', () => {
    const stream = streamOf('dirichlet/tiny');
    let undecided = 0;
    for (let draw = 0; draw < 200; draw += 1) {
      const parts = drawDirichlet(stream, { alpha: 1e-6, count: 50 });
      expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(1, 12);
      if (Math.max(...parts) < 0.999) undecided += 1;
    }
    // The two largest logarithms are closer than log 999 with probability 49 log(999) 1e-6 = 0.0003.
    expect(undecided).toBeLessThan(3);
  });

  it('every order of four numbers is equally likely after a shuffle', () => {
    const stream = streamOf('shuffle');
    const counts = new Map<string, number>();
    for (let draw = 0; draw < 24_000; draw += 1) {
      const order = shuffle(stream, Int32Array.of(0, 1, 2, 3)).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()], Array<number>(24).fill(1000))).toBeLessThan(chiSquareLimit[23]!);
  });

  it('every pair of five numbers is equally likely to be drawn', () => {
    const stream = streamOf('distinct');
    const counts = new Map<string, number>();
    for (let draw = 0; draw < 10_000; draw += 1) {
      const pair = drawDistinct(stream, { count: 2, below: 5 }).sort().join('');
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    expect(counts.size).toBe(10);
    expect(chiSquare([...counts.values()], Array<number>(10).fill(1000))).toBeLessThan(chiSquareLimit[9]!);
  });

  it('drawing all of n distinct numbers gives each once', () => {
    const all = drawDistinct(streamOf('distinct'), { count: 100, below: 100 }).sort();
    expect([...all]).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});
