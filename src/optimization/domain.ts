/**
 * Where a potential is finite, and how differences stay there (Laude, Wu, Cremers 2019, section 6, ask for a line search
 * and leave it open; this one is the project's own). Rows of differences are `[rows, P]`, and L is the number of layers.
 */
import * as tf from '@tensorflow/tfjs';
import type { Layer } from '../compute/layout.js';

/** Where phi0 is finite, as an open set of scaled differences x = w_l / eta of one layer. */
export interface Domain {
  /** All x; ||x|| < radius; or |x_i| < radius for every i. */
  readonly kind: 'everywhere' | 'ball' | 'box';
  /** Infinity for `everywhere`. */
  readonly radius: number;
}

export const everywhere: Domain = { kind: 'everywhere', radius: Infinity };

/** ||x|| < radius */
export function ball(radius: number): Domain {
  return { kind: 'ball', radius };
}

/** |x_i| < radius for every i */
export function box(radius: number): Domain {
  return { kind: 'box', radius };
}

/** What the shape of a domain decides. The radius is that of differences, not of scaled ones. */
export interface Geometry {
  /** The largest s of 1, 1/2, 1/4, ... with s <= `boundaryShare` s_max, where a + s_max d reaches the radius: `[1]`. */
  readonly share: (options: Room & { a: tf.Tensor2D; d: tf.Tensor2D }) => tf.Tensor1D;
  /** Pulls what is at or beyond the radius to `boundaryShare` of it. */
  readonly pull: (options: Room & { differences: tf.Tensor2D }) => Pulled;
  /** How many rows have something at or beyond the radius, in any of `points`, of as many rows each: `[1]`. */
  readonly count: (options: Room & { points: readonly tf.Tensor2D[] }) => tf.Tensor1D;
}

interface Room {
  readonly layers: readonly Layer[];
  readonly radius: number;
}

/** Differences of which some have been pulled inside. */
export interface Pulled {
  /** 1 where a difference was left alone, else 0: `[rows, P]`. */
  readonly kept: tf.Tensor2D;
  /** `[rows, P]` */
  readonly differences: tf.Tensor2D;
  /** How many rows had to be pulled: `[1]`. */
  readonly count: tf.Tensor1D;
}

/** A move goes at most this far towards the boundary, and what is pulled comes to rest there: no iterate sits on it. */
export const boundaryShare = 0.95;

/**
 * What is left to a difference on the boundary, as a share of the radius (of its square for balls): so that nothing is
 * divided by zero, and too little for a float32 of that size to move.
 */
const leastRoom = 1e-12;

/** The whole layer counts: ||w_l|| < radius. */
const ballGeometry: Geometry = {
  /**
   * With b = a.d and q = radius^2 - ||a||^2, the root of ||a + s d|| = radius is
   * s = (sqrt(b^2 + ||d||^2 q) - b) / ||d||^2 = q / (b + sqrt(b^2 + ||d||^2 q)).
   * For either sign of b, the form that adds two numbers of one sign. Where d = 0 both give Infinity, and the share is 1.
   */
  share: ({ layers, radius, a, d }) => {
    const room = tf.sub(radius * radius, layerSums(layers, a.square())).maximum(leastRoom * radius * radius);
    const along = layerSums(layers, a.mul(d));
    const length = layerSums(layers, d.square());
    const sum = along.square().add(length.mul(room)).sqrt().add(along.abs());
    const largest = tf.where(along.less(0), sum.div(length), room.div(sum));
    // NaN where ||d||^2 overflows: a move of no known length must not pass for one of length 0.
    return halvings(largest.min().mul(boundaryShare).minimum(1)).add(length.sum().mul(0)).reshape([1]);
  },
  pull: ({ layers, radius, differences }) => {
    const parts = perLayer(layers, differences);
    const squares = layerSums(layers, differences.square());
    const outside = squares.greaterEqual(radius * radius);
    // The second term is NaN where a square overflows: that has no length to divide by.
    const toBoundary = tf.div(boundaryShare * radius, squares.sqrt()).add(squares.mul(0));
    const factors = tf.where(outside, toBoundary, 1);
    const kept = outside.logicalNot().toFloat();
    const column = (values: tf.Tensor, index: number): tf.Tensor => values.slice([0, index], [-1, 1]);
    return {
      kept: concatenate(layers.map(({ size }, index) => tf.ones<tf.Rank.R2>([1, size]).mul(column(kept, index)))),
      differences: concatenate(parts.map((part, index) => part.mul(column(factors, index)))),
      count: rowsWith(outside),
    };
  },
  // Points one by one: to put them together would take as long as all else.
  count: ({ layers, radius, points }) =>
    rowsWith(concatenate(points.flatMap((point) => sumsOf(layers, point.square()))).greaterEqual(radius * radius)),
};

/** Every coordinate counts by itself: |w_li| < radius. */
const boxGeometry: Geometry = {
  /**
   * 1 / s_max = max_i |d_i| / (radius - sign(d_i) a_i), and each of these is the larger one of d_i / (radius - a_i) and
   * d_i / (-radius - a_i). Where d = 0 this is 0, and the share is 1.
   */
  share: ({ radius, a, d }) => {
    const least = leastRoom * radius;
    const above = tf.sub(radius, a).maximum(least);
    const below = tf.sub(-radius, a).minimum(-least);
    const most = d.div(above).maximum(d.div(below)).max().maximum(boundaryShare);
    return halvings(tf.div(boundaryShare, most)).reshape([1]);
  },
  pull: ({ radius, differences }) => {
    const outside: tf.Tensor2D = differences.abs<tf.Tensor2D>().greaterEqual(radius);
    const resting = boundaryShare * radius;
    const clipped = differences.clipByValue<tf.Tensor2D>(-resting, resting);
    return {
      kept: outside.logicalNot<tf.Tensor2D>().toFloat<tf.Tensor2D>(),
      differences: tf.where(outside, clipped, differences) as tf.Tensor2D,
      count: rowsWith(outside),
    };
  },
  // One comparison a row: conditions of every coordinate would take as long again.
  count: ({ radius, points }) =>
    rowsWith(concatenate(points.map((point) => point.abs().max(1, true))).greaterEqual(radius)),
};

export const geometries: Readonly<Record<Exclude<Domain['kind'], 'everywhere'>, Geometry>> = {
  ball: ballGeometry,
  box: boxGeometry,
};

/** In how many rows a condition holds somewhere: `[1]`. */
function rowsWith(condition: tf.Tensor): tf.Tensor1D {
  return condition.toFloat().max(1).sum().reshape([1]);
}

/**
 * The first of 1, 1/2, 1/4, ... that is at most `share`. A stiff force near the boundary overshoots the other side:
 * going as far as allowed would leave the difference there, to be thrown back and forth, where halving leaves it inside.
 */
function halvings(share: tf.Tensor): tf.Tensor {
  return share.log().div(Math.LN2).floor().mul(Math.LN2).exp();
}

/** The parts of `rows` that belong to each layer: `[rows, size]`. */
export function perLayer(layers: readonly Layer[], rows: tf.Tensor2D): tf.Tensor2D[] {
  if (layers.length === 1) return [rows];
  return layers.map(({ offset, size }) => rows.slice([0, offset], [-1, size]));
}

/** Sums over each layer: `[rows, L]`. */
function layerSums(layers: readonly Layer[], rows: tf.Tensor2D): tf.Tensor2D {
  return concatenate(sumsOf(layers, rows));
}

/** The same, layer by layer: `[rows, 1]`. */
function sumsOf(layers: readonly Layer[], rows: tf.Tensor2D): tf.Tensor2D[] {
  return perLayer(layers, rows).map((part) => part.sum<tf.Tensor2D>(1, true));
}

/** Columns of several tensors side by side. */
export function concatenate(parts: readonly tf.Tensor[]): tf.Tensor2D {
  return tf.concat(parts as tf.Tensor2D[], 1);
}
