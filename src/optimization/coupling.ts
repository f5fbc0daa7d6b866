/** What the monitor measures of u and the z_j together. */
import type * as tf from '@tensorflow/tfjs';
import type { TensorFunction } from '../compute/tensorFunction.js';
import { penaltyGradient, penaltyValue, type Penalty } from './penalty.js';

/**
 * Takes `u` `[P]` and `z` `[M, P]`; gives `gap` `[M]` (||u - z_j||), `gapMax`, `gapMean`,
 * `force` = ||(1/M) sum_j (1/lambda) grad phihat(u - z_j)||, `penalty` = (1/lambda) sum_j phihat(u - z_j) and
 * `norms` = sum_j ||z_j||^2, each `[1]`.
 */
export function coupling(penalty: Penalty, lambda: number): TensorFunction {
  const { count } = penalty.layout;
  return {
    name: 'coupling',
    inputs: { u: { shape: [count], dtype: 'float32' }, z: { shape: [null, count], dtype: 'float32' } },
    evaluate: ({ u, z }) => {
      const differences = u!.expandDims<tf.Tensor2D>(0).sub<tf.Tensor2D>(z!);
      const gap = differences.square().sum(1).sqrt();
      const meanForce = penaltyGradient(penalty, differences).mean(0).div(lambda);
      return {
        gap,
        gapMax: gap.max().reshape([1]),
        gapMean: gap.mean().reshape([1]),
        force: meanForce.square().sum().sqrt().reshape([1]),
        penalty: penaltyValue(penalty, differences).sum().div(lambda).reshape([1]),
        norms: z!.square().sum().reshape([1]),
      };
    },
  };
}
