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
export const duration = quantity(durationUnits, { what: 'a duration', example: '10ms', round: Math.round });

/** A rate in bytes a second, written `1Gbit/s` or `134kB/s`. */
export const rate = quantity(rateUnits, { what: 'a rate', example: '1Gbit/s', round: (bytes) => bytes });

/** A codec between the text of a quantity and its number in the base unit, whose factor is 1. */
function quantity(
  units: Readonly<Record<string, number>>,
  { what, example, round }: { what: string; example: string; round: (value: number) => number },
) {
  const factors = new Map(Object.entries(units).sort(([, a], [, b]) => b - a));
  const expectation = `expected ${what} such as ${example}`;
  return z.codec(z.union([z.string(), z.number()], { error: expectation }), z.number(), {
    decode: (text, context) => {
      const match = /^\s*(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*$/.exec(String(text));
      const [value, unit] = match === null ? [NaN, ''] : [Number(match[1]), match[2]!];
      const factor = unit === '' && value === 0 ? 0 : factors.get(unit);
      const refuse = (message: string): never => {
        context.issues.push({ code: 'custom', input: text, message });
        return z.NEVER;
      };
      if (match === null) return refuse(expectation);
      if (factor === undefined) return refuse(`${expectation}, with a unit (${Object.keys(units).join(', ')})`);
      const result = round(value * factor);
      if (result < 0) return refuse(`expected ${what} of at least 0`);
      if (result > Number.MAX_SAFE_INTEGER) return refuse(`expected a smaller ${what.replace('a ', '')}`);
      return result;
    },
    encode: (value) => {
      // The largest unit, not above the value, that gives the same value back; the base unit always does.
      const texts = [...factors].flatMap(([name, factor]) => {
        const text = `${value / factor}`;
        return factor <= value && round(Number(text) * factor) === value ? [`${text}${name}`] : [];
      });
      return texts[0] ?? `${value}${[...factors].find(([, factor]) => factor === 1)![0]}`;
    },
  });
}
