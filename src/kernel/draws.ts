/**
 * Draws beyond the uniform one of a stream. Nothing is kept between two calls (no cached second normal),
 * so the stream's own state is the whole state.
 */
import { drawIndex, type Stream } from './streams.js';

/** A uniform number in (0, 1], whose logarithm is finite. */
function drawPositive(stream: Stream): number {
  return 1 - stream.double();
}

/** A standard normal number, by Box and Muller: two uniform draws each. */
export function drawNormal(stream: Stream): number {
  const radius = Math.sqrt(-2 * Math.log(drawPositive(stream)));
  return radius * Math.cos(2 * Math.PI * stream.double());
}

/** `count` standard normal numbers. */
export function drawNormals(stream: Stream, count: number): Float64Array {
  return Float64Array.from({ length: count }, () => drawNormal(stream));
}

/** An exponential number of mean 1. */
export function drawExponential(stream: Stream): number {
  return -Math.log(drawPositive(stream));
}

/**
 * The logarithm of a gamma number of the given shape and scale 1 (Marsaglia and Tsang 2000). The logarithm,
 * because a gamma number of shape 1e-3 is usually too small for a double.
 */
export function drawLogGamma(stream: Stream, shape: number): number {
  // Gamma(shape) has the law of Gamma(shape + 1) U^(1/shape).
  if (shape < 1) return drawLogGamma(stream, shape + 1) + Math.log(drawPositive(stream)) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  // At least 95 of 100 rounds accept, for every shape of at least 1.
  for (;;) {
    const x = drawNormal(stream);
    const root = 1 + c * x;
    const logU = Math.log(drawPositive(stream));
    if (root <= 0) continue;
    const v = root * root * root;
    if (logU < x * x * 0.5 + d * (1 - v + Math.log(v))) return Math.log(d * v);
  }
}

/** Proportions from the symmetric Dirichlet distribution Dir(alpha, ..., alpha) of `count` parts; they sum to 1. */
export function drawDirichlet(stream: Stream, { alpha, count }: { alpha: number; count: number }): Float64Array {
  const logs = Float64Array.from({ length: count }, () => drawLogGamma(stream, alpha));
  const largest = logs.reduce((a, b) => Math.max(a, b));
  const weights = logs.map((log) => Math.exp(log - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Shuffles in place (Fisher and Yates) and returns its argument. */
export function shuffle<Values extends Int32Array | Float64Array>(stream: Stream, values: Values): Values {
  for (let last = values.length - 1; last > 0; last -= 1) {
    const other = drawIndex(stream, last + 1);
    const kept = values[last]!;
    values[last] = values[other]!;
    values[other] = kept;
  }
  return values;
}

/**
 * `count` distinct whole numbers in 0 ... `below` - 1, every set equally likely (Floyd's algorithm: `count`
 * draws, whatever `below` is). Their order is not uniform.
 */
export function drawDistinct(stream: Stream, { count, below }: { count: number; below: number }): Int32Array {
  const chosen = new Set<number>();
  for (let last = below - count; last < below; last += 1) {
    const candidate = drawIndex(stream, last + 1);
    chosen.add(chosen.has(candidate) ? last : candidate);
  }
  return Int32Array.from(chosen);
}
