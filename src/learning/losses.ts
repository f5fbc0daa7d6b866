import * as tf from '@tensorflow/tfjs';

/**
 * A loss maps a model's outputs and the targets of a batch to one loss a sample, `[batch]`, with
 * differentiable TensorFlow.js operations.
 */
export interface LossRow {
  readonly description: string;
  /** `classes`: targets are int32 classes; `values`: float32 rows. */
  readonly targets: 'classes' | 'values';
  readonly perSample: (outputs: tf.Tensor2D, targets: tf.Tensor) => tf.Tensor1D;
}

export type LossName = 'cross-entropy' | 'squared-error' | 'quadratic' | 'logistic';
