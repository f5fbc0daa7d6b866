import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { delayNsMax, distributionRows, type DistributionRow } from '../../src/network/distributions.js';
import { Streams } from '../../src/kernel/streams.js';
import { kolmogorov, kolmogorovLimit, mean, normalDistribution } from '../learning/statistics.js';

const distributions = distributionRows(z.number().min(0));

function sample(name: keyof typeof distributions, keys: Record<string, number>, count = 20_000): number[] {
  const row: DistributionRow = distributions[name];
  const options = row.options.parse(keys);
  const stream = new Streams(7).stream('worker-0', name);
  return Array.from({ length: count }, () => row.draw(options, stream));
}

const ms = 1e6;

/** Each with its closed form P(delay <= x), x in ns, and its mean. */
const cases: {
  name: keyof typeof distributions;
  keys: Record<string, number>;
  distribution: (x: number) => number;
  meanNs: number;
}[] = [
  {
    name: 'uniform',
    keys: { minimum: 2 * ms, maximum: 6 * ms },
    distribution: (x) => (x - 2 * ms) / (4 * ms),
    meanNs: 4 * ms,
  },
  {
    name: 'normal',
    keys: { mean: 5 * ms, sd: 0.5 * ms },
    distribution: (x) => normalDistribution((x - 5 * ms) / (0.5 * ms)),
    meanNs: 5 * ms,
  },
  {
    // A half-normal number: mean sqrt(2/pi).
    name: 'normal',
    keys: { mean: 0, sd: 3 * ms },
    distribution: (x) => 2 * normalDistribution(x / (3 * ms)) - 1,
    meanNs: 3 * ms * Math.sqrt(2 / Math.PI),
  },
  {
    name: 'normal',
    keys: { mean: 1 * ms, sd: 1 * ms },
    distribution: (x) => 1 - normalDistribution(1 - x / ms) / normalDistribution(1),
    // 1 + phi(1) / Phi(1), with phi(1) = 0.24197072 and Phi(1) = 0.84134475 from tables.
    meanNs: ms * (1 + 0.24197072 / 0.84134475),
  },
  {
    name: 'lognormal',
    keys: { median: 10 * ms, sigma: 0.5 },
    distribution: (x) => normalDistribution(Math.log(x / (10 * ms)) / 0.5),
    meanNs: 10 * ms * Math.exp(0.125),
  },
  { name: 'exponential', keys: { mean: 3 * ms }, distribution: (x) => 1 - Math.exp(-x / (3 * ms)), meanNs: 3 * ms },
  {
    name: 'pareto',
    keys: { minimum: 2 * ms, shape: 3 },
    distribution: (x) => 1 - ((2 * ms) / x) * ((2 * ms) / x) * ((2 * ms) / x),
    meanNs: 3 * ms,
  },
];

describe('distributions', () => {
  it.each(cases)('$name $keys follows its closed form in whole nanoseconds', ({ name, keys, distribution }) => {
    const delays = sample(name, keys);
    expect(delays.every((delay) => Number.isSafeInteger(delay) && delay >= 0)).toBe(true);
    expect(kolmogorov(delays, distribution)).toBeLessThan(kolmogorovLimit);
  });

  it.each(cases)('$name $keys has the mean that it says', ({ name, keys, meanNs }) => {
    const row: DistributionRow = distributions[name];
    expect(row.meanNs(row.options.parse(keys)) / meanNs).toBeCloseTo(1, 6);
    // Four standard errors: every case has a standard deviation below its mean.
    expect(Math.abs(mean(sample(name, keys)) / meanNs - 1)).toBeLessThan(4 / Math.sqrt(20_000));
  });

  it('constant is always its value', () => {
    expect(new Set(sample('constant', { value: 2 * ms }, 5))).toEqual(new Set([2 * ms]));
    expect(distributions.constant.meanNs({ value: 2 * ms })).toBe(2 * ms);
  });

  it('every row is tested above', () => {
    expect([...new Set(['constant', ...cases.map(({ name }) => name)])].sort()).toEqual(
      Object.keys(distributions).sort(),
    );
  });

  it('without spread every distribution is its location', () => {
    expect(sample('normal', { mean: 5, sd: 0 }, 3)).toEqual([5, 5, 5]);
    expect(distributions.normal.meanNs({ mean: 5, sd: 0 })).toBe(5);
    expect(sample('lognormal', { median: 5, sigma: 0 }, 3)).toEqual([5, 5, 5]);
    expect(sample('uniform', { minimum: 5, maximum: 5 }, 3)).toEqual([5, 5, 5]);
  });

  it('tails that would leave virtual time are cut, and zero stays zero', () => {
    const heavy = sample('pareto', { minimum: ms, shape: 0.01 }, 1000);
    expect(Math.max(...heavy)).toBe(delayNsMax);
    expect(Math.min(...heavy)).toBeGreaterThanOrEqual(ms);
    expect(sample('pareto', { minimum: 0, shape: 1e-4 }, 100)).toEqual(Array(100).fill(0));
    expect(sample('lognormal', { median: 0, sigma: 1e4 }, 100)).toEqual(Array(100).fill(0));
    expect(distributions.pareto.meanNs({ minimum: ms, shape: 1 })).toBe(Infinity);
  });

  it('a maximum below the minimum is refused at the key maximum', () => {
    const { error } = distributions.uniform.options.safeParse({ minimum: 5, maximum: 3 });
    expect(error!.issues).toMatchObject([
      { path: ['maximum'], message: 'the maximum, 3 ns, is below the minimum, 5 ns: exchange them' },
    ]);
  });

  it('keys of each row are described', () => {
    for (const { description, options } of Object.values(distributions)) {
      expect(description).toMatch(/^\S.{10,}[^.]$/);
      for (const key of Object.values(options.shape)) {
        expect((key as z.ZodType).description).toMatch(/^\S.{10,}[^.]$/);
      }
    }
  });
});
