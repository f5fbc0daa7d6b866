/** The coupling phihat(w) = sum over learnable layers l of phi0(w_l / eta), and its gradient. */
import * as tf from '@tensorflow/tfjs';
import { layersOf, type Layout } from '../compute/layout.js';
import type { PotentialRow } from './potentials.js';

export interface Penalty {
  readonly potential: PotentialRow;
  readonly eta: number;
  readonly layout: Layout;
}

/** phihat of every row of differences `[workers, P]`: `[workers]`. */
export function penaltyValue({ potential, eta, layout }: Penalty, differences: tf.Tensor2D): tf.Tensor1D {
  const values = perLayer(layout, differences).map((layer) => potential.value(layer.div(eta)));
  return tf.addN(values);
}

/** grad phihat of every row of differences `[workers, P]`: `[workers, P]`. */
export function penaltyGradient({ potential, eta, layout }: Penalty, differences: tf.Tensor2D): tf.Tensor2D {
  // d/dw phi0(w / eta) = phi0'(w / eta) / eta
  const gradient = (layer: tf.Tensor2D): tf.Tensor2D => potential.gradient(layer.div(eta)).div(eta);
  if (potential.elementwise) return gradient(differences);
  return tf.concat(perLayer(layout, differences).map(gradient), 1);
}

function perLayer(layout: Layout, rows: tf.Tensor2D): tf.Tensor2D[] {
  const layers = layersOf(layout);
  if (layers.length === 1) return [rows];
  return layers.map(({ offset, size }) => rows.slice([0, offset], [-1, size]));
}
