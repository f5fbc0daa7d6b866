/**
 * The consensus move of Algorithm 1 (Laude, Wu, Cremers 2019):
 *
 *     u <- u - tau sum_j grad phihat(u - z_j)          literal, as printed
 *     u <- u - tau (1/lambda) sum_j grad phihat(u - z_j)   scaled
 *     u <- (1/K) sum_j z_j                             mean
 */
import type * as tf from '@tensorflow/tfjs';
import type { TensorFunction } from '../compute/tensorFunction.js';
import { penaltyGradient, type Penalty } from './penalty.js';

export interface ConsensusMove {
  readonly penalty: Penalty;
  readonly scaling: 'literal' | 'scaled' | 'mean';
  readonly lambda: number;
}

/** Takes `u` `[P]`, the copies `z` `[K, P]` in worker order and the step size `tau` `[1]`; gives `u`. */
export function consensusMove({ penalty, scaling, lambda }: ConsensusMove): TensorFunction {
  const { count } = penalty.layout;
  return {
    name: 'consensusMove',
    inputs: {
      u: { shape: [count], dtype: 'float32' },
      z: { shape: [null, count], dtype: 'float32' },
      tau: { shape: [1], dtype: 'float32' },
    },
    evaluate: ({ u, z, tau }) => {
      if (scaling === 'mean') return { u: z!.mean(0) };
      const differences = u!.expandDims<tf.Tensor2D>(0).sub<tf.Tensor2D>(z!);
      const force = penaltyGradient(penalty, differences).sum(0);
      return { u: u!.sub((scaling === 'scaled' ? force.div(lambda) : force).mul(tau!)) };
    },
  };
}
