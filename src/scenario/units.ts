/** Quantities with units, as people write them in scenarios: `10ms`, `1Gbit/s`. */
import { z } from 'zod';

const durationUnits = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, min: 60e9, h: 3600e9 } as const;
const rateUnits = {
  'bit/s': 1 / 8,
  'kbit/s': 1e3 / 8,
  'Mbit/s': 1e6 / 8,
  'Gbit/s': 1e9 / 8,
  'B/s': 1,
  'kB/s': 1e3,
  'MB/s': 1e6,
  'GB/s': 1e9,
} as const;

/** A duration in whole nanoseconds, written `10ms`; zero needs no unit. */
export const duration = quantity(durationUnits, 'a duration such as 10ms, 2us or 1.5s', Math.round);

/** A rate in bytes a second, written `1Gbit/s` or `134kB/s`. */
export const rate = quantity(rateUnits, 'a rate such as 1Gbit/s or 100MB/s', (bytes) => bytes);

/** A codec between the text of a quantity and its number in the base unit. */
function quantity(units: Readonly<Record<string, number>>, expectation: string, round: (value: number) => number) {
  const names = Object.keys(units);
  return z.codec(z.union([z.string(), z.number()]), z.number(), {
    decode: (text, context) => {
      const match = /^\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(.*?)\s*$/.exec(String(text));
      const [value, unit] = match === null ? [NaN, ''] : [Number(match[1]), match[2]!];
      const factor = unit === '' && value === 0 ? 0 : units[unit];
      const refuse = (message: string): never => {
        context.issues.push({ code: 'custom', input: text, message });
        return z.NEVER;
      };
      if (match === null) return refuse(`expected ${expectation}`);
      if (factor === undefined) return refuse(`expected ${expectation}, with one of the units ${names.join(', ')}`);
      const result = round(value * factor);
      if (result < 0) return refuse(`expected ${expectation}, not a negative one`);
      if (!Number.isSafeInteger(Math.round(result))) return refuse(`expected ${expectation}; this one is too large`);
      return result;
    },
    encode: (value) => {
      // The largest unit that leaves a number of few digits.
      const [name, factor] = Object.entries(units).reduce((best, next) =>
        next[1] <= value && next[1] > best[1] ? next : best,
      );
      return value === 0 ? `0${names[0]!}` : `${value / factor}${name}`;
    },
  });
}
