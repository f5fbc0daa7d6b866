/**
 * The worker step of Algorithm 1 with Nesterov momentum (Laude, Wu, Cremers 2019; Sutskever's form).
 *
 *     y = z + kappa v
 *     Delta = grad loss(y) + nu y - (1/lambda) grad phihat(u - y)
 *     v <- kappa v - sigma Delta
 *     z <- z + v
 */
import * as tf from '@tensorflow/tfjs';
import { pack, unpack } from '../compute/layout.js';
import type { InputSpec, TensorFunction } from '../compute/tensorFunction.js';
import { penaltyGradient, type Penalty } from './penalty.js';

/** The loss of each sample of a batch, `[batch]`, as a function of the parameters in layout order. */
export type SampleLosses = (parameters: readonly tf.Tensor[], inputs: tf.Tensor, targets: tf.Tensor) => tf.Tensor1D;

export interface WorkerStep {
  readonly penalty: Penalty;
  readonly sampleLosses: SampleLosses;
  /** Shapes and types of a batch: `[null, ...]`. */
  readonly batch: { readonly inputs: InputSpec; readonly targets: InputSpec };
  /** The gradient of the batch mean, or of the batch sum. */
  readonly gradient: 'mean' | 'sum';
  readonly lambda: number;
  /** kappa, in [0, 1). */
  readonly momentum: number;
  /** nu, of R(z) = (nu/2) ||z||^2. */
  readonly regularization: number;
}

/**
 * Takes `z`, `v`, `u` `[P]`, the step size `sigma` `[1]` and a batch; gives `z`, `v` `[P]` and `loss` `[1]`,
 * the mean loss of the batch at y.
 */
export function workerStep(step: WorkerStep): TensorFunction {
  const { penalty, sampleLosses, batch, gradient, lambda, momentum, regularization } = step;
  const { layout } = penalty;
  const vector: InputSpec = { shape: [layout.count], dtype: 'float32' };
  return {
    name: 'workerStep',
    inputs: { z: vector, v: vector, u: vector, sigma: { shape: [1], dtype: 'float32' }, ...batch },
    evaluate: ({ z, v, u, sigma, inputs, targets }) => {
      const y = momentum === 0 ? z! : z!.add(v!.mul(momentum));
      const batchLoss = (...parameters: tf.Tensor[]): tf.Scalar => {
        const losses = sampleLosses(parameters, inputs!, targets!);
        return gradient === 'mean' ? losses.mean() : losses.sum();
      };
      const { value, grads } = tf.valueAndGrads(batchLoss)(unpack(y, layout));
      const lossGradient = pack(grads, layout);
      const force = penaltyGradient(penalty, u!.sub(y).expandDims<tf.Tensor2D>(0)).flatten().div(lambda);
      const delta = lossGradient.add(y.mul(regularization)).sub(force);
      const nextV = v!.mul(momentum).sub(delta.mul(sigma!));
      const loss = gradient === 'mean' ? value : value.div(inputs!.shape[0]);
      return { z: z!.add(nextV), v: nextV, loss: loss.reshape([1]) };
    },
  };
}
