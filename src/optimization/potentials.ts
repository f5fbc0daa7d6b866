/** The table of potentials phi0 (Laude, Wu, Cremers 2019, Table 2). */
import type * as tf from '@tensorflow/tfjs';

/**
 * A potential phi0 of one layer's scaled difference x = w_l / eta. Rows of `x` are the differences of
 * several workers, `[workers, size]`.
 */
export interface PotentialRow {
  readonly description: string;
  /** phi0 of every row: `[workers]`. */
  readonly value: (x: tf.Tensor2D) => tf.Tensor1D;
  /** The gradient of phi0 at every row: `[workers, size]`. */
  readonly gradient: (x: tf.Tensor2D) => tf.Tensor2D;
  /** True where the gradient acts element by element, so that layers need not be told apart. */
  readonly elementwise: boolean;
}

export type PotentialName = 'quad';

export const potentials: Readonly<Record<PotentialName, PotentialRow>> = {
  quad: {
    description: '||x||^2, without a half: elastic averaging',
    value: (x) => x.square().sum(1),
    gradient: (x) => x.mul(2),
    elementwise: true,
  },
};
