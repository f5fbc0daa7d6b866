/**
 * The coupling phihat(w) = sum over learnable layers l of phi0(w_l / eta), its gradient, and its domain: the w whose
 * every layer w_l lies within rho = eta times the radius of phi0's domain.
 */
import * as tf from '@tensorflow/tfjs';
import { layersOf, type Layout } from '../compute/layout.js';
import { boundaryShare, concatenate, geometries, perLayer, type Geometry, type Pulled } from './domain.js';
import type { Potential } from './potentials.js';

export interface Penalty {
  readonly potential: Potential;
  readonly eta: number;
  readonly layout: Layout;
}

/** phihat of every row of differences `[workers, P]`: `[workers]`. */
export function penaltyValue({ potential, eta, layout }: Penalty, differences: tf.Tensor2D): tf.Tensor1D {
  const layers = perLayer(layersOf(layout), differences.div(eta));
  return tf.addN(layers.map((layer) => potential.value(layer)));
}

/** grad phihat of every row of differences `[workers, P]`: `[workers, P]`. */
export function penaltyGradient({ potential, eta, layout }: Penalty, differences: tf.Tensor2D): tf.Tensor2D {
  const x = differences.div<tf.Tensor2D>(eta);
  const gradient = potential.elementwise
    ? potential.gradient(x)
    : concatenate(perLayer(layersOf(layout), x).map((layer) => potential.gradient(layer)));
  // d/dw phi0(w / eta) = phi0'(w / eta) / eta
  return gradient.div(eta);
}

/**
 * Iterates are kept within this share of rho, so that float32 roundings never cross rho itself, where tan changes its
 * sign and log ends: a norm over a layer is off by some 1e-6 of itself, and u - z by 6e-8 of u, which is less than the
 * margin unless u is 10,000 times as long as rho.
 */
const innerShare = 0.999;

/** False where the domain is everything, so that callers can leave the search out. */
export function isBounded({ potential }: Penalty): boolean {
  return potential.domain.kind !== 'everywhere';
}

/**
 * The share s of the move `d` that keeps every difference a + s d inside: the first of 1, 1/2, 1/4, ... up to 0.95 s_max,
 * where s_max reaches 0.999 rho; one s for all rows and layers. `a` `[rows, P]` lies inside; `d` is `[rows, P]`, or `[1, P]` for all
 * rows alike. Gives `[1]`, which means nothing where `d` is not finite.
 */
export function feasibleShare(penalty: Penalty, a: tf.Tensor2D, d: tf.Tensor2D): tf.Tensor1D {
  const geometry = geometryOf(penalty);
  if (geometry === undefined) return tf.ones([1]);
  return geometry.share({ layers: layersOf(penalty.layout), radius: innerShare * rhoOf(penalty), a, d });
}

/**
 * Brings differences `[rows, P]` that are at or beyond 0.999 rho back to 0.95 of that. `kept` is 1 where a row's layer
 * (ball) or coordinate (box) was left alone, and there `differences` are exactly the given ones; NaN is left alone.
 */
export function pullInside(penalty: Penalty, differences: tf.Tensor2D): Pulled {
  const geometry = geometryOf(penalty);
  if (geometry === undefined) return { kept: tf.onesLike(differences), differences, count: tf.zeros([1]) };
  return geometry.pull({ layers: layersOf(penalty.layout), radius: innerShare * rhoOf(penalty), differences });
}

/**
 * Whether `pullInside` or `feasibleShare` would change something: 0 where all differences `a` `[rows, P]` and the whole of
 * every one of `moves` (as for `feasibleShare`) are inside `[1]`. NaN counts as inside.
 */
export function wouldLeave(penalty: Penalty, a: tf.Tensor2D, moves: readonly tf.Tensor2D[]): tf.Tensor1D {
  // a + d / 0.95 lies beyond a radius where 0.95 a + d lies beyond 0.95 of it, which is one pass over d less.
  const scaled = a.mul<tf.Tensor2D>(boundaryShare);
  const points = [scaled, ...moves.map((move) => scaled.add<tf.Tensor2D>(move))];
  return countBeyond(penalty, boundaryShare * innerShare, points);
}

/** How many rows of differences `[rows, P]` lie outside the domain: `[1]`. NaN counts as inside. */
export function countOutside(penalty: Penalty, differences: tf.Tensor2D): tf.Tensor1D {
  return countBeyond(penalty, 1, [differences]);
}

function countBeyond(penalty: Penalty, share: number, points: readonly tf.Tensor2D[]): tf.Tensor1D {
  const geometry = geometryOf(penalty);
  if (geometry === undefined) return tf.zeros([1]);
  return geometry.count({ layers: layersOf(penalty.layout), radius: share * rhoOf(penalty), points });
}

function geometryOf({ potential }: Penalty): Geometry | undefined {
  const { kind } = potential.domain;
  return kind === 'everywhere' ? undefined : geometries[kind];
}

function rhoOf({ potential, eta }: Penalty): number {
  return potential.domain.radius * eta;
}
