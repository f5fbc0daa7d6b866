/** The table of distributions of delays, in nanoseconds. */
import { z } from 'zod';
import { drawExponential, drawNormal } from '../kernel/draws.js';
import type { Stream } from '../kernel/streams.js';

/** One row: the keys beside `distribution`, and how a delay is drawn. */
export interface DistributionRow<Options extends z.ZodObject = z.ZodObject> {
  readonly description: string;
  readonly options: Options;
  /** Takes what `options` has parsed. A whole number of nanoseconds of at least 0; what a random tail gives beyond `delayNsMax` is cut to it. */
  draw(options: z.output<Options>, stream: Stream): number;
  /** The mean before rounding and cutting; Infinity where the distribution has none. */
  meanNs(options: z.output<Options>): number;
}

/** About 11 days: a heavy tail must not leave the safe integers of virtual time. */
export const delayNsMax = 1e15;

/** The rows, whose keys in nanoseconds are parsed by `duration` (`10ms`). */
export function distributionRows(duration: z.ZodType<number>) {
  return {
    constant: row({
      description: 'always the same delay',
      options: z.object({ value: duration.describe('The delay, with its unit: 2ms') }),
      draw: ({ value }) => Math.round(value),
      meanNs: ({ value }) => value,
    }),
    uniform: row({
      description: 'any delay between two bounds, all equally likely',
      options: z
        .object({
          minimum: duration.describe('The shortest delay, with its unit'),
          maximum: duration.describe('The longest delay, with its unit'),
        })
        .refine(({ minimum, maximum }) => minimum <= maximum, {
          path: ['maximum'],
          error: ({ input }) => {
            const { minimum, maximum } = input as { minimum: number; maximum: number };
            return `the maximum, ${maximum} ns, is below the minimum, ${minimum} ns: exchange them`;
          },
        }),
      draw: ({ minimum, maximum }, stream) => wholeNs(minimum + (maximum - minimum) * stream.double()),
      meanNs: ({ minimum, maximum }) => (minimum + maximum) / 2,
    }),
    normal: row({
      description: 'a normal distribution, of which only delays of at least 0 occur',
      options: z.object({
        mean: duration.describe('The mean before negative delays are left out, with its unit'),
        sd: duration.describe('The standard deviation before negative delays are left out, with its unit'),
      }),
      draw: ({ mean, sd }, stream) => wholeNs(drawNotNegative(mean, sd, stream)),
      // The mean of a normal number that is at least 0: mean + sd phi(a) / Phi(a), a = mean / sd.
      meanNs: ({ mean, sd }) => (sd === 0 ? mean : mean + sd * (normalDensity(mean / sd) / normalBelow(mean / sd))),
    }),
    lognormal: row({
      description: 'the exponential of a normal number: typical of step times',
      options: z.object({
        median: duration.describe('The median delay, with its unit'),
        sigma: z.number().min(0).describe('Standard deviation of the natural logarithm of the delay'),
      }),
      draw: ({ median, sigma }, stream) => wholeNs(stretched(median, sigma * drawNormal(stream))),
      meanNs: ({ median, sigma }) => median * Math.exp((sigma * sigma) / 2),
    }),
    exponential: row({
      description: 'the waiting time of events without memory',
      options: z.object({ mean: duration.describe('The mean delay, with its unit') }),
      draw: ({ mean }, stream) => wholeNs(mean * drawExponential(stream)),
      meanNs: ({ mean }) => mean,
    }),
    pareto: row({
      description: 'a heavy tail: P(delay > x) = (minimum / x)^shape',
      options: z.object({
        minimum: duration.describe('The shortest delay, with its unit'),
        shape: z
          .number()
          .gt(0)
          .describe('Exponent of the tail: the smaller, the heavier; up to 1 the mean is infinite'),
      }),
      // minimum U^(-1/shape), since -log U is exponential.
      draw: ({ minimum, shape }, stream) => wholeNs(stretched(minimum, drawExponential(stream) / shape)),
      meanNs: ({ minimum, shape }) => (shape > 1 ? (minimum * shape) / (shape - 1) : Infinity),
    }),
  } satisfies Record<string, DistributionRow>;
}

/** Ties what a row draws from to the type that its own schema gives. */
function row<Options extends z.ZodObject>(typed: DistributionRow<Options>): DistributionRow<Options> {
  return typed;
}

function wholeNs(delay: number): number {
  return Math.min(Math.round(delay), delayNsMax);
}

/** delay e^logarithm; a delay of 0 stays 0 whatever the factor. */
function stretched(delay: number, logarithm: number): number {
  return delay * Math.min(Math.exp(logarithm), Number.MAX_VALUE);
}

/** At least half of all draws are accepted, as the mean is not negative: so many never fail in a row. */
const normalDrawsMax = 64;

function drawNotNegative(mean: number, sd: number, stream: Stream): number {
  for (let tries = 0; tries < normalDrawsMax; tries += 1) {
    const delay = mean + sd * drawNormal(stream);
    if (delay >= 0) return delay;
  }
  return mean;
}

function normalDensity(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/** P(N <= x) for x >= 0, within 7.5e-8 (Abramowitz and Stegun 26.2.17). */
function normalBelow(x: number): number {
  const t = 1 / (1 + 0.2316419 * x);
  const series = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153].reduce(
    (sum, coefficient) => (sum + coefficient) * t,
    0,
  );
  return 1 - normalDensity(x) * series;
}
