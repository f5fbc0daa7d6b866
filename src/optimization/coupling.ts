/** What the monitor measures of u and the z_j together. */
import * as tf from '@tensorflow/tfjs';
import type { TensorFunction } from '../compute/tensorFunction.js';
import type { Coupling } from './method.js';
import { countOutside, isBounded, penaltyGradient, penaltyValue, pullInside, type Penalty } from './penalty.js';

/**
 * Takes `u` `[P]` and `z` `[M, P]`; gives `gap` `[M]` (||u - z_j||), `gapMax`, `gapMean`,
 * `force` = ||sum_j (1/lambda) grad phihat(u - z_j)||, `meanForce`, which is 1/M of it, `penalty` = (1/lambda) sum_j phihat(u - z_j) and
 * `norms` = sum_j ||z_j||^2, each `[1]`. Where u has moved out of the domain around some z_j, `penalty` is Infinity, and
 * the force is that of the pulled copy, as in the next move.
 */
export function couplingMeasures({ penalty, lambda }: Coupling): TensorFunction {
  const { count } = penalty.layout;
  return {
    name: 'coupling',
    inputs: { u: { shape: [count], dtype: 'float32' }, z: { shape: [null, count], dtype: 'float32' } },
    evaluate: ({ u, z }) => {
      const differences = u!.expandDims<tf.Tensor2D>(0).sub<tf.Tensor2D>(z!);
      const gap = differences.square().sum(1).sqrt();
      const { differences: inside } = pullInside(penalty, differences);
      const force = penaltyGradient(penalty, inside).sum(0).div(lambda).square().sum().sqrt().reshape([1]);
      return {
        gap,
        gapMax: gap.max().reshape([1]),
        gapMean: gap.mean().reshape([1]),
        force,
        meanForce: force.div(z!.shape[0]),
        penalty: totalPenalty(penalty, differences).div(lambda),
        norms: z!.square().sum().reshape([1]),
      };
    },
  };
}

/** sum_j phihat of the rows `[1]`; Infinity where one lies outside the domain. */
function totalPenalty(penalty: Penalty, differences: tf.Tensor2D): tf.Tensor {
  const value = penaltyValue(penalty, differences).sum().reshape([1]);
  if (!isBounded(penalty)) return value;
  return tf.where(countOutside(penalty, differences).greater(0), tf.fill([1], Infinity), value);
}
