import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Stream } from '../../src/kernel/streams.js';
import { codecs, codecSchema, encode, type CodecChoice } from '../../src/network/codecs.js';
import { mean, streamOf } from '../learning/statistics.js';

const stream = streamOf('codecs');

/** Zeros of both signs, ties, and magnitudes so far apart that they need all digits of a radix selection. */
const entry = fc.oneof(
  fc.integer({ min: -3, max: 3 }).map(Math.fround),
  fc.float({ noNaN: true, min: -1e3, max: 1e3 }).filter((x) => x === 0 || Math.abs(x) > 1e-30),
  fc.double({ noNaN: true, min: -1e-3, max: 1e-3 }).map((x) => Math.fround(1 + x)),
);
const vectors = fc.array(entry, { minLength: 1, maxLength: 60 }).map((entries) => Float32Array.from(entries));
const shares = fc.double({ noNaN: true, min: 0.001, max: 1 });

/** The choice with its defaults, as a scenario gives it. */
function choiceOf(given: Record<string, unknown>): CodecChoice {
  return codecSchema.parse(given);
}

function squaredNorm(vector: ArrayLike<number>): number {
  return Array.from(vector).reduce((total, x) => total + x * x, 0);
}

function squaredError(x: Float32Array, decoded: Float32Array): number {
  return squaredNorm(Array.from(x, (value, index) => value - decoded[index]!));
}

function largest(x: Float32Array): number {
  return Math.max(...x.map(Math.abs));
}

/** Every way in which every codec works. */
const choices = [
  { codec: 'none' },
  { codec: 'top-k', share: 0.3 },
  { codec: 'int8' },
  { codec: 'int8', rounding: 'stochastic' },
  { codec: 'sign' },
].map((given) => ({ name: Object.values(given).join(' '), choice: choiceOf(given) }));

describe.each(choices)('$name', ({ choice }) => {
  it('leaves what it encodes as it is, and gives a new array each time', () => {
    fc.assert(
      fc.property(vectors, (x) => {
        const before = Float32Array.from(x);
        const { values } = encode(choice, x, stream);
        expect(x).toEqual(before);
        expect(values).toHaveLength(x.length);
        expect(values.buffer).not.toBe(x.buffer);
        expect(encode(choice, x, stream).values.buffer).not.toBe(values.buffer);
      }),
    );
  });

  it('decodes zeros as zeros', () => {
    expect(squaredNorm(encode(choice, new Float32Array(5), stream).values)).toBe(0);
  });

  it('reads a part of a larger buffer as that part', () => {
    const whole = Float32Array.of(9, 1, -2, 3, -4, 9);
    const draws = (): Stream => streamOf('part');
    expect(encode(choice, whole.subarray(1, 5), draws())).toEqual(encode(choice, whole.slice(1, 5), draws()));
  });

  it.each([NaN, Infinity])('does not hide that a vector holds %f', (bad) => {
    const { values } = encode(choice, Float32Array.of(1, bad, 0), stream);
    expect(values.every(Number.isFinite)).toBe(false);
  });

  it('gives the same for the same draws', () => {
    const x = Float32Array.from({ length: 100 }, () => stream.double() - 0.5);
    expect(encode(choice, x, streamOf('again'))).toEqual(encode(choice, x, streamOf('again')));
  });
});

describe('top-k', () => {
  const decode = (share: number, x: Float32Array): Float32Array =>
    encode(choiceOf({ codec: 'top-k', share }), x, stream).values;

  it('keeps just what a sort by magnitude, then by index, puts first', () => {
    fc.assert(
      fc.property(vectors, shares, (x, share) => {
        const count = Math.max(1, Math.ceil(share * x.length));
        const order = Array.from(x.keys()).sort((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b);
        const kept = new Set(order.slice(0, count));
        expect([...decode(share, x)]).toEqual(Array.from(x, (value, index) => (kept.has(index) ? value : 0)));
      }),
      { numRuns: 500 },
    );
  });

  it('of equal magnitudes keeps those of lower index', () => {
    expect([...decode(0.5, Float32Array.of(1, -2, 2, -2, 2, 1))]).toEqual([0, -2, 2, -2, 0, 0]);
  });

  it('tells magnitudes apart that differ in the last bit, or lie at the ends of float32', () => {
    const [one, next] = [1, 1 + 2 ** -23];
    expect([...decode(0.5, Float32Array.of(one, next, -next, one))]).toEqual([0, next, -next, 0]);
    const [least, most] = [2 ** -149, (2 - 2 ** -23) * 2 ** 127];
    expect([...decode(0.5, Float32Array.of(0, least, -most, 2 * least))]).toEqual([0, 0, -most, 2 * least]);
  });

  it('is a contraction: ||C(x) - x||^2 <= (1 - k / P) ||x||^2', () => {
    fc.assert(
      fc.property(vectors, shares, (x, share) => {
        const kept = Math.max(1, Math.ceil(share * x.length)) / x.length;
        expect(squaredError(x, decode(share, x))).toBeLessThanOrEqual((1 - kept) * squaredNorm(x) * (1 + 1e-12));
      }),
    );
  });

  it.each([
    { share: 0.01, P: 33_580, bytes: 336 * 8 },
    { share: 0.5, P: 7, bytes: 4 * 8 },
    { share: 1e-6, P: 10, bytes: 8 },
    { share: 1, P: 3, bytes: 24 },
  ])('of $share of $P entries takes $bytes bytes', ({ share, P, bytes }) => {
    expect(encode(choiceOf({ codec: 'top-k', share }), new Float32Array(P), stream).bytes).toBe(bytes);
  });
});

describe('int8', () => {
  const [nearest, stochastic] = [choiceOf({ codec: 'int8' }), choiceOf({ codec: 'int8', rounding: 'stochastic' })];

  it('rounds to whole multiples of the scale, ties to the even one', () => {
    const x = [254, 1, 3, 5, -1, -3, -5, 1.5, -252.9];
    const expected = [254, 0, 4, 4, 0, -4, -4, 2, -252];
    expect(Array.from(encode(nearest, Float32Array.from(x), stream).values, (value) => value + 0)).toEqual(expected);
  });

  it('is at most half a scale away, or a whole one where it rounds at random', () => {
    fc.assert(
      fc.property(vectors, (x) => {
        // A float32 has 24 bits: 127 (1 + 2^-24) of them are less than 1e-5 of a scale.
        const scale = (largest(x) / 127) * (1 + 1e-5);
        const distance = (decoded: Float32Array): number => largest(decoded.map((value, index) => value - x[index]!));
        expect(distance(encode(nearest, x, stream).values)).toBeLessThanOrEqual(scale / 2 + scale * 1e-5);
        expect(distance(encode(stochastic, x, stream).values)).toBeLessThanOrEqual(scale);
      }),
      { numRuns: 500 },
    );
  });

  it('is a contraction where it rounds to the nearest: no entry is further away than zero is, and the largest is exact', () => {
    fc.assert(
      fc.property(vectors, (x) => {
        const bound = squaredNorm(x) - largest(x) ** 2;
        const error = squaredError(x, encode(nearest, x, stream).values);
        expect(error).toBeLessThanOrEqual(bound * (1 + 1e-5) + largest(x) ** 2 * 1e-12);
      }),
    );
  });

  it('has no bias and the variance f (1 - f) of a coin where it rounds at random', () => {
    // Scale 1: fractions f above the whole numbers -3, -1, 0, 0, 12.
    const x = Float32Array.of(127, -2.75, -0.5, 0, 0.125, 12.9);
    const fractions = [0, 0.25, 0.5, 0, 0.125, 0.9];
    const draws = Array.from({ length: 20_000 }, () => encode(stochastic, x, stream).values);
    fractions.forEach((f, index) => {
      const sample = draws.map((values) => values[index]!);
      expect(new Set(sample).size).toBe(f === 0 ? 1 : 2);
      const variance = f * (1 - f);
      // Four standard errors of a mean, and of the variance of a coin, which is at most that of its mean.
      const error = 4 * Math.sqrt(variance / draws.length);
      expect(Math.abs(mean(sample) - x[index]!)).toBeLessThanOrEqual(error + 1e-6);
      const deviations = sample.map((value) => (value - x[index]!) ** 2);
      expect(Math.abs(mean(deviations) - variance)).toBeLessThanOrEqual(error + 1e-5);
    });
  });

  it('rounds each entry with a draw of its own', () => {
    const half = new Float32Array(10_001).fill(0.5).fill(127, 0, 1);
    const ups = encode(stochastic, half, stream).values.subarray(1);
    const both = mean(ups.map((up, index) => up * (ups[index + 1] ?? 0)));
    // P(two neighbours are both up) = 1/4; four standard errors of 10,000 pairs, each of which is in two.
    expect(Math.abs(both - 0.25)).toBeLessThan(4 * Math.sqrt(0.1875 / 5_000));
  });

  it('of nearest rounding draws nothing', () => {
    const [used, unused] = [streamOf('nearest'), streamOf('nearest')];
    encode(nearest, Float32Array.of(1, 2, 3), used);
    expect(used.double()).toBe(unused.double());
  });

  it('sends zeros where the scale would be below the least float32', () => {
    expect([...encode(nearest, Float32Array.of(2 ** -149, -(2 ** -148)), stream).values]).toEqual([0, 0]);
  });

  it('stays within a byte where the scale was rounded down and the draw is as high as it can be', () => {
    const highest: Stream = { double: () => 1 - 2 ** -53 };
    const maxima = Array.from({ length: 100 }, (_, index) => index + 1);
    // Else the scale gives the largest magnitude exactly, or is too large.
    expect(maxima.filter((x) => x / Math.fround(x / 127) > 127).length).toBeGreaterThan(20);
    for (const x of maxima) expect(encode(stochastic, Float32Array.of(x), highest).values[0]! / x).toBeCloseTo(1, 6);
  });

  it('takes a byte for each entry and four for the scale', () => {
    expect(encode(nearest, new Float32Array(33_580), stream).bytes).toBe(33_584);
    expect(encode(stochastic, Float32Array.of(1, 2, 3), stream).bytes).toBe(7);
  });
});

describe('sign', () => {
  const choice = choiceOf({ codec: 'sign' });

  it('gives every entry the mean magnitude and its sign, zeros as positive', () => {
    expect([...encode(choice, Float32Array.of(1, -5, 0, -0, 4), stream).values]).toEqual([2, -2, 2, 2, 2]);
  });

  it('is a contraction: ||C(x) - x||^2 = (1 - ||x||_1^2 / (P ||x||^2)) ||x||^2', () => {
    fc.assert(
      fc.property(vectors, (x) => {
        const sum = x.reduce((total, value) => total + Math.abs(value), 0);
        const expected = squaredNorm(x) - (sum * sum) / x.length;
        const error = squaredError(x, encode(choice, x, stream).values);
        // The mean is rounded to a float32.
        expect(Math.abs(error - expected)).toBeLessThanOrEqual(squaredNorm(x) * 1e-6);
      }),
    );
  });

  it.each([
    { P: 33_580, bytes: 4198 + 4 },
    { P: 8, bytes: 5 },
    { P: 9, bytes: 6 },
  ])('of $P entries takes $bytes bytes: a bit each, and a float32', ({ P, bytes }) => {
    expect(encode(choice, new Float32Array(P), stream).bytes).toBe(bytes);
  });
});

describe('the key of a codec', () => {
  it('gives every codec and its defaults, each of which is tested above', () => {
    expect(choiceOf({ codec: 'int8' })).toEqual({ codec: 'int8', rounding: 'nearest' });
    expect([...new Set(choices.map(({ choice }) => choice.codec))].sort()).toEqual(Object.keys(codecs).sort());
  });

  it.each([
    [{ codec: 'top-k' }, ['share']],
    [{ codec: 'top-k', share: 0 }, ['share']],
    [{ codec: 'top-k', share: 1.01 }, ['share']],
    [{ codec: 'int8', rounding: 'up' }, ['rounding']],
    [{ codec: 'topk', share: 0.1 }, ['codec']],
    [{ codec: 'sign', share: 0.1 }, []],
  ])('refuses %j', (given, path) => {
    expect(codecSchema.safeParse(given).error!.issues).toMatchObject([{ path }]);
  });

  it('is described, row by row and key by key', () => {
    for (const { description, options } of Object.values(codecs)) {
      expect(description).toMatch(/^\S.{10,}[^.]$/);
      for (const key of Object.values(options.shape)) {
        expect((key as z.ZodType).description).toMatch(/^\S.{10,}[^.]$/);
      }
    }
  });
});
