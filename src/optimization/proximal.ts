/**
 * Inexact proximal steps: minimises a smooth function of a float32 vector with L-BFGS (Nocedal and Wright, Numerical
 * Optimization, Algorithm 7.4). The step along a direction is bracketed as by Lewis and Overton (2013), to whom a
 * point outside the domain is a point of infinite value.
 */
import { addTo, difference, dot, norm } from './vectors.js';

/** The function at a point of its domain. */
export interface Evaluated {
  readonly value: number;
  /** `[P]` */
  readonly gradient: Float64Array;
  /** What the norm of the gradient is held against, for example that of the penalty's gradient. */
  readonly reference: number;
}

/** The function at `x` `[P]`, or undefined where x is not in its domain. */
export type Oracle<Point extends Evaluated> = (x: Float32Array) => Promise<Point | undefined>;

/** A point and what the oracle said of it. */
export interface Iterate<Point extends Evaluated> {
  readonly x: Float32Array;
  readonly point: Point;
}

/** When to stop, and where to begin. */
export interface ProximalOptions<Point extends Evaluated> {
  readonly start: Iterate<Point>;
  /** The first step is gradient / curvature. It may be far off, at the cost of some evaluations. */
  readonly curvature: number;
  /** Stops where ||gradient|| <= tolerance * reference. */
  readonly tolerance: number;
  /** How many steps are taken at most. */
  readonly iterations: number;
}

/** The best point found, and why there is none better. */
export interface ProximalResult<Point extends Evaluated> extends Iterate<Point> {
  /** `rounding`: no step in float32 improves, or the value at the start is not finite. */
  readonly ended: 'tolerance' | 'iterations' | 'rounding';
  readonly iterations: number;
  /** Calls of the oracle, less the one for the start. */
  readonly evaluations: number;
}

/** A step s and the change y of the gradient over it. */
interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly product: number;
}

// Pairs kept.
const memory = 10;
// s'y must exceed this share of ||s|| ||y||, or the pair says nothing about the curvature.
const curvatureShareMin = 1e-8;

/** Minimises the function that `evaluate` tells. Equal calls give equal bits. */
export async function solveProximal<Point extends Evaluated>(
  evaluate: Oracle<Point>,
  { start, curvature, tolerance, iterations: iterationsMax }: ProximalOptions<Point>,
): Promise<ProximalResult<Point>> {
  let evaluations = 0;
  const counted: Oracle<Point> = (x) => {
    evaluations += 1;
    return evaluate(x);
  };
  let pairs: Pair[] = [];
  let [current, best] = [start, start];
  let iterations = 0;
  const end = (ended: ProximalResult<Point>['ended']): ProximalResult<Point> => {
    return { ...best, ended, iterations, evaluations };
  };
  if (!isFinite(start.point)) return end('rounding');
  for (;;) {
    const { gradient, reference } = current.point;
    if (norm(gradient) <= tolerance * reference) return { ...end('tolerance'), ...current };
    if (iterations === iterationsMax) return end('iterations');
    const next = await search(counted, current, descent(gradient, pairs, curvature));
    if (next === undefined) return end('rounding');
    pairs = extended(pairs, current, next);
    current = next;
    if (isBetter(current.point, best.point)) best = current;
    iterations += 1;
  }
}

/** -H gradient, where H is what the pairs, oldest first, say of the inverse of the second derivative. */
function descent(gradient: Float64Array, pairs: readonly Pair[], curvature: number): Float64Array {
  const direction = gradient.map((value) => -value);
  const weights = new Float64Array(pairs.length);
  for (let index = pairs.length - 1; index >= 0; index -= 1) {
    const { s, y, product } = pairs[index]!;
    weights[index] = dot(s, direction) / product;
    addTo(direction, -weights[index]!, y);
  }
  // The newest pair's curvature stands for that of directions in which no step was taken.
  const newest = pairs.at(-1);
  const inverse = newest === undefined ? 1 / curvature : newest.product / dot(newest.y, newest.y);
  for (let index = 0; index < direction.length; index += 1) direction[index]! *= inverse;
  pairs.forEach(({ s, y, product }, index) => {
    addTo(direction, weights[index]! - dot(y, direction) / product, s);
  });
  return direction;
}

function extended<Point extends Evaluated>(pairs: Pair[], from: Iterate<Point>, to: Iterate<Point>): Pair[] {
  // Of what x became in float32, not of what was asked for.
  const s = difference(to.x, from.x);
  const y = difference(to.point.gradient, from.point.gradient);
  const product = dot(s, y);
  if (!(product > curvatureShareMin * norm(s) * norm(y))) return pairs;
  return [...pairs, { s, y, product }].slice(-memory);
}

// A step must lower the value by this share of what the slope promises,
const decreaseShare = 1e-4;
// and leave less than this share of the slope.
const slopeShare = 0.9;
// What sums in float32 may do to a value, relative to it.
const rounding = 1e-6;
const trialsMax = 40;

/** The iterate a good step along `direction` away, or undefined where float32 has none. */
async function search<Point extends Evaluated>(
  evaluate: Oracle<Point>,
  from: Iterate<Point>,
  direction: Float64Array,
): Promise<Iterate<Point> | undefined> {
  const slope0 = dot(from.point.gradient, direction);
  if (!(slope0 < 0)) return undefined;
  let low = { step: 0, slope: slope0 };
  let high: { step: number; slope: number } | undefined;
  let accepted: Iterate<Point> | undefined;
  let step = 1;
  for (let trial = 0; trial < trialsMax; trial += 1) {
    const x = from.x.map((value, index) => value + step * direction[index]!);
    if (isSame(x, (accepted ?? from).x)) break;
    const point = await evaluate(x);
    if (point === undefined || !isFinite(point)) {
      high = { step, slope: NaN };
    } else {
      const slope = dot(point.gradient, direction);
      if (descends(from.point, point, { step, slope0, slope })) {
        accepted = { x, point };
        if (slope >= slopeShare * slope0) break;
        low = { step, slope };
      } else {
        high = { step, slope };
      }
    }
    // A step that leaves nine tenths of the slope is about ten times too short.
    step = high === undefined ? 10 * step : between(low, high);
  }
  return accepted;
}

/**
 * Whether `to` is lower than `from` by enough. Where rounding hides the difference of the values, slopes tell: on a
 * parabola the second condition is the same as the first (Hager and Zhang 2005).
 */
function descends(
  from: Evaluated,
  to: Evaluated,
  { step, slope0, slope }: { step: number; slope0: number; slope: number },
): boolean {
  const change = to.value - from.value;
  if (change <= decreaseShare * step * slope0) return true;
  return change <= room(from) && slope <= (2 * decreaseShare - 1) * slope0;
}

/** A step between the two, nearer to `low`: where the slope would vanish on a parabola. */
function between(low: { step: number; slope: number }, high: { step: number; slope: number }): number {
  const share = high.slope > 0 ? low.slope / (low.slope - high.slope) : 0.5;
  return low.step + Math.min(0.5, Math.max(0.1, share)) * (high.step - low.step);
}

/** Whether `a` is lower than `b`, or as low as rounding can tell and with a smaller gradient. */
function isBetter(a: Evaluated, b: Evaluated): boolean {
  return a.value < b.value - room(b) || (a.value <= b.value + room(b) && norm(a.gradient) < norm(b.gradient));
}

function room({ value }: Evaluated): number {
  return rounding * Math.abs(value);
}

function isFinite({ value, gradient }: Evaluated): boolean {
  return Number.isFinite(value) && Number.isFinite(dot(gradient, gradient));
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a.every((value, index) => value === b[index]);
}
