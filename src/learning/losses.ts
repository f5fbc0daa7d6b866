/** The table of losses. */
import * as tf from '@tensorflow/tfjs';

/**
 * A loss maps a model's outputs `[batch, outputs]` and the targets of a batch to one loss a sample,
 * `[batch]`, with differentiable TensorFlow.js operations.
 */
export interface LossRow {
  readonly description: string;
  /** `classes`: targets are int32 classes; `values`: float32 rows `[batch, outputs]`. */
  readonly targets: 'classes' | 'values';
  readonly perSample: (outputs: tf.Tensor2D, targets: tf.Tensor) => tf.Tensor1D;
}

export type LossName = 'cross-entropy' | 'squared-error';

/** -log softmax(outputs)[class]. With one output, of two classes: log(1 + exp(-s output)), s = -1 or 1. */
function crossEntropy(outputs: tf.Tensor2D, classes: tf.Tensor): tf.Tensor1D {
  const count = outputs.shape[1];
  if (count === 1) {
    const sign = classes.toFloat().mul(-2).add(1); // 1 for class 0, -1 for class 1
    return outputs.reshape<tf.Tensor1D>([-1]).mul<tf.Tensor1D>(sign).softplus();
  }
  const logits = outputs.sub(outputs.max(1, true));
  const chosen = logits.mul(tf.oneHot(classes as tf.Tensor1D, count).toFloat()).sum(1);
  return logits.exp().sum<tf.Tensor1D>(1).log().sub(chosen);
}

export const losses: Readonly<Record<LossName, LossRow>> = {
  'cross-entropy': {
    description: 'the negative log-likelihood of the class, in nats; with one output, of two classes',
    targets: 'classes',
    perSample: crossEntropy,
  },
  'squared-error': {
    description: 'half the squared distance between outputs and targets',
    targets: 'values',
    perSample: (outputs, targets) => outputs.sub(targets.reshape(outputs.shape)).square().sum<tf.Tensor1D>(1).mul(0.5),
  },
};
