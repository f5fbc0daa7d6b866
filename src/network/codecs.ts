/** The table of codecs: what a receiver decodes from a compressed vector x `[P]`, and the bytes that this takes. */
import { z } from 'zod';
import { choice, type Choice } from '../choice.js';
import type { Stream } from '../kernel/streams.js';

/** C(x), as the receiver sees it. */
export interface Encoded {
  /** `[P]`, dense, and always a new array. */
  readonly values: Float32Array;
  /** What a link carries: the payload, without names and lengths that both ends know. */
  readonly bytes: number;
}

/** One row: the keys beside `codec`, and C. What is not finite stays so: a run that diverges is not hidden. */
export interface CodecRow<Options extends z.ZodObject = z.ZodObject> {
  readonly description: string;
  readonly options: Options;
  /** Takes what `options` has parsed, and x, which it leaves as it is. */
  encode(options: z.output<Options>, vector: Float32Array, stream: Stream): Encoded;
}

/** The keys that go with every codec. */
const common = {
  threshold: z
    .number()
    .min(0)
    .optional()
    .describe('Nothing is sent where ||x|| is not above this: the receiver then goes on with what it has'),
};

export const codecs = {
  none: row({
    description: 'every entry as a float32',
    options: z.object({}),
    encode: (_, vector) => ({ values: vector.slice(), bytes: vector.byteLength }),
  }),
  // Stich, Cordonnier and Jaggi 2018. ||C(x) - x||^2 <= (1 - k / P) ||x||^2.
  'top-k': row({
    description: 'the entries of largest magnitude, each as its value and its index',
    options: z.object({
      share: z.number().gt(0).max(1).describe('The share of entries that are sent: k = ceil(share P), at least 1'),
    }),
    encode: ({ share }, vector) => {
      const count = Math.max(1, Math.ceil(share * vector.length));
      return { values: keepLargest(vector, count), bytes: count * (4 + 4) };
    },
  }),
  // Stochastic rounding is that of Alistarh et al. 2017 (QSGD), on a uniform grid up to the largest magnitude. It is
  // unbiased, but where most entries are far below the scale it is no contraction: its error can exceed ||x||.
  int8: row({
    description: 'a whole number from -127 to 127 for every entry, and the scale that they share as a float32',
    options: z.object({
      rounding: z
        .enum(['nearest', 'stochastic'])
        .default('nearest')
        .describe('To the nearest whole number, ties to the even one; or up or down at random, without a bias'),
    }),
    encode: ({ rounding }, vector, stream) => {
      const round = rounding === 'nearest' ? nearestEven : (x: number) => Math.floor(x + stream.double());
      return { values: quantized(vector, round), bytes: vector.length + 4 };
    },
  }),
  // Karimireddy et al. 2019. ||C(x) - x||^2 = ||x||^2 - ||x||_1^2 / P.
  sign: row({
    description: 'the sign of every entry, zero as positive, and their mean magnitude as a float32',
    options: z.object({}),
    encode: (_, vector) => ({ values: signs(vector), bytes: Math.ceil(vector.length / 8) + 4 }),
  }),
} as const;

/** A codec as a scenario gives it: `{ codec: top-k, share: 0.01 }`. */
export const codecSchema = choice('codec', codecs, { common, fallback: 'none' }) as z.ZodType<CodecChoice>;
export type CodecChoice = Choice<'codec', typeof codecs> & z.infer<z.ZodObject<typeof common>>;

/** What the receiver decodes where `vector` is sent with the chosen codec. */
export function encode({ codec, ...options }: CodecChoice, vector: Float32Array, stream: Stream): Encoded {
  if (options.threshold !== undefined && norm(vector) <= options.threshold) {
    return { values: new Float32Array(vector.length), bytes: 0 };
  }
  return codecs[codec].encode(options as never, vector, stream);
}

/** Ties what a row encodes with to the type that its own schema gives. */
function row<Options extends z.ZodObject>(typed: CodecRow<Options>): CodecRow<Options> {
  return typed;
}

/** The `count` entries of largest magnitude, of equal ones those of lower index, and zero elsewhere. */
function keepLargest(vector: Float32Array, count: number): Float32Array {
  // Magnitudes are ordered as their bits are, read as whole numbers.
  const bits = new Int32Array(vector.buffer, vector.byteOffset, vector.length);
  const { least, ties } = select(bits, count);
  const values = new Float32Array(vector.length);
  let tiesLeft = ties;
  for (let index = 0; index < vector.length; index += 1) {
    const magnitude = bits[index]! & magnitudeBits;
    if (magnitude < least || (magnitude === least && tiesLeft === 0)) continue;
    if (magnitude === least) tiesLeft -= 1;
    values[index] = vector[index]!;
  }
  return values;
}

/** All bits of a float32 but that of its sign. */
const magnitudeBits = 0x7fffffff;

/** The digits of a magnitude's 31 bits, highest first: how far each is shifted, and how many values it has. */
const digits = [
  { shift: 20, radix: 2048 },
  { shift: 10, radix: 1024 },
  { shift: 0, radix: 1024 },
] as const;

/**
 * The least of the `count` largest magnitudes, and how many that equal it are among them. Radix selection: three passes,
 * whatever the values are.
 */
function select(bits: Int32Array, count: number): { least: number; ties: number } {
  let [least, left] = [0, count];
  for (const { shift, radix } of digits) {
    const counts = countDigits(bits, { least, shift, radix });
    let digit = radix - 1;
    for (; counts[digit]! < left; digit -= 1) left -= counts[digit]!;
    least += digit << shift;
  }
  return { least, ties: left };
}

/** How many magnitudes that share the higher digits of `least` have each value of the digit at `shift`. */
function countDigits(
  bits: Int32Array,
  { least, shift, radix }: { least: number; shift: number; radix: number },
): Int32Array {
  const counts = new Int32Array(radix);
  for (let index = 0; index < bits.length; index += 1) {
    // The digits of `least` from here on are zero.
    const digit = ((bits[index]! & magnitudeBits) - least) >> shift;
    if (digit >= 0 && digit < radix) counts[digit]! += 1;
  }
  return counts;
}

/** scale round(x / scale), scale = max |x| / 127. */
function quantized(vector: Float32Array, round: (x: number) => number): Float32Array {
  const values = new Float32Array(vector.length);
  const scale = Math.fround(largestMagnitude(vector) / 127);
  // Zeros, or numbers whose scale is below the least float32.
  if (scale === 0) return values;
  for (let index = 0; index < vector.length; index += 1) {
    // A scale that was rounded down leaves the largest entry slightly above 127.
    values[index] = scale * Math.max(-127, Math.min(127, round(vector[index]! / scale)));
  }
  return values;
}

/** 1.5 2^52: near it only whole numbers are doubles, and sums are rounded to the nearest, ties to the even one. */
const wholeOnly = 6755399441055744;

function nearestEven(x: number): number {
  return x + wholeOnly - wholeOnly;
}

/** max |x|; NaN where an entry is. */
function largestMagnitude(vector: Float32Array): number {
  let largest = 0;
  for (let index = 0; index < vector.length; index += 1) largest = Math.max(largest, Math.abs(vector[index]!));
  return largest;
}

/** ||x||, in float64. */
function norm(vector: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < vector.length; index += 1) sum += vector[index]! * vector[index]!;
  return Math.sqrt(sum);
}

/** sign(x) ||x||_1 / P */
function signs(vector: Float32Array): Float32Array {
  const values = new Float32Array(vector.length);
  let sum = 0;
  for (let index = 0; index < vector.length; index += 1) sum += Math.abs(vector[index]!);
  const mean = sum / vector.length;
  for (let index = 0; index < vector.length; index += 1) values[index] = vector[index]! < 0 ? -mean : mean;
  return values;
}
