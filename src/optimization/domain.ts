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
  readonly share: (options: {
    layers: readonly Layer[];
    radius: number;
    a: tf.Tensor2D;
    d: tf.Tensor2D;
  }) => tf.Tensor1D;
  /** Pulls what is at or beyond the radius to `boundaryShare` of it. */
  readonly pull: (options: { layers: readonly Layer[]; radius: number; differences: tf.Tensor2D }) => Pulled;
  /** How many (row, layer) pairs lie at or beyond the radius: `[1]`. */
  readonly count: (options: { layers: readonly Layer[]; radius: number; differences: tf.Tensor2D }) => tf.Tensor1D;
}

/** Differences of which some have been pulled inside. */
export interface Pulled {
  /** 1 where a difference was left alone, else 0: `[rows, P]`. */
  readonly kept: tf.Tensor2D;
  /** `[rows, P]` */
  readonly differences: tf.Tensor2D;
  /** How many (row, layer) pairs had to be pulled: `[1]`. */
  readonly count: tf.Tensor1D;
}

/** A move goes at most this far towards the boundary, and what is pulled comes to rest there: no iterate sits on it. */
const boundaryShare = 0.95;

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
    const discriminant = along.square().add(length.mul(room));
    const sum = discriminant.sqrt().add(along.abs());
    const largest = tf.where(along.less(0), sum.div(length), room.div(sum));
    return halvings(largest.min().mul(boundaryShare).minimum(1)).add(poisonOf(discriminant)).reshape([1]);
  },
  pull: ({ layers, radius, differences }) => {
    const parts = perLayer(layers, differences);
    const squares = concatenate(parts.map((part) => part.square().sum(1, true)));
    const outside = squares.greaterEqual(radius * radius);
    // The second term is NaN where a square overflows: that has no length to divide by.
    const toBoundary = tf.div(boundaryShare * radius, squares.sqrt()).add(squares.mul(0));
    const factors = tf.where(outside, toBoundary, 1);
    const ones = outside.logicalNot().toFloat();
    const column = (values: tf.Tensor, index: number): tf.Tensor => values.slice([0, index], [-1, 1]);
    return {
      kept: concatenate(layers.map(({ size }, index) => tf.ones<tf.Rank.R2>([1, size]).mul(column(ones, index)))),
      differences: concatenate(parts.map((part, index) => part.mul(column(factors, index)))),
      count: outside.toFloat().sum().reshape([1]),
    };
  },
  count: ({ layers, radius, differences }) =>
    layerSums(layers, differences.square())
      .greaterEqual(radius * radius)
      .toFloat()
      .sum()
      .reshape([1]),
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
    const used = d.div(above).maximum(d.div(below));
    const most = used.max().maximum(boundaryShare);
    return halvings(tf.div(boundaryShare, most)).add(poisonOf(used)).reshape([1]);
  },
  pull: ({ layers, radius, differences }) => {
    const outside = differences.abs().greaterEqual<tf.Tensor2D>(radius);
    const resting = boundaryShare * radius;
    const kept = outside.logicalNot<tf.Tensor2D>().toFloat();
    return {
      kept,
      differences: tf.where(outside, tf.clipByValue(differences, -resting, resting), differences),
      count: tf
        .sub(1, layerReductions(layers, kept, 'min'))
        .sum()
        .reshape([1]),
    };
  },
  count: ({ layers, radius, differences }) =>
    layerReductions(layers, differences.abs(), 'max').greaterEqual(radius).toFloat().sum().reshape([1]),
};

export const geometries: Readonly<Record<Exclude<Domain['kind'], 'everywhere'>, Geometry>> = {
  ball: ballGeometry,
  box: boxGeometry,
};

/**
 * The first of 1, 1/2, 1/4, ... that is at most `share`. A stiff force near the boundary overshoots the other side:
 * going as far as allowed would leave the difference there, to be thrown back and forth, where halving leaves it inside.
 */
function halvings(share: tf.Tensor): tf.Tensor {
  return share.log().div(Math.LN2).floor().mul(Math.LN2).exp();
}

/** NaN where a value is infinite or NaN, else 0: minima and maxima may lose a NaN, a sum does not. */
function poisonOf(values: tf.Tensor): tf.Tensor {
  return values.sum().mul(0);
}

/** The parts of `rows` that belong to each layer: `[rows, size]`. */
export function perLayer(layers: readonly Layer[], rows: tf.Tensor2D): tf.Tensor2D[] {
  if (layers.length === 1) return [rows];
  return layers.map(({ offset, size }) => rows.slice([0, offset], [-1, size]));
}

/** Sums over each layer: `[rows, L]`. */
function layerSums(layers: readonly Layer[], rows: tf.Tensor2D): tf.Tensor2D {
  return layerReductions(layers, rows, 'sum');
}

function layerReductions(layers: readonly Layer[], rows: tf.Tensor2D, by: 'sum' | 'min' | 'max'): tf.Tensor2D {
  return concatenate(perLayer(layers, rows).map((part) => part[by]<tf.Tensor2D>(1, true)));
}

/** Columns of several tensors side by side. */
export function concatenate(parts: readonly tf.Tensor[]): tf.Tensor2D {
  return tf.concat(parts as tf.Tensor2D[], 1);
}
