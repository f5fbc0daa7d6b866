/** The mean loss over a set of samples and its gradient, batch by batch. */
import * as tf from '@tensorflow/tfjs';
import { pack, unpack } from '../compute/layout.js';
import type { Runner } from '../compute/runner.js';
import type { TensorFunction } from '../compute/tensorFunction.js';
import { sampleLosses, type Learner } from './evaluation.js';

// Batches whose activations stay in the cache.
const batchSizeMax = 200;
// A batch gives a whole gradient: so many are held at a time.
const batchesHeldMax = 16;

/** Takes `parameters` `[P]` and a batch; gives `loss` `[1]`, the sum over samples, and its `gradient` `[P]`. */
export function batchGradient(learner: Learner): TensorFunction {
  const { layout, batch } = learner;
  const losses = sampleLosses(learner);
  return {
    name: 'gradient',
    inputs: { parameters: { shape: [layout.count], dtype: 'float32' }, ...batch },
    evaluate: ({ parameters, inputs, targets }) => {
      const total = (...tensors: tf.Tensor[]): tf.Scalar => losses(tensors, inputs!, targets!).sum();
      const { value, grads } = tf.valueAndGrads(total)(unpack(parameters!, layout));
      return { loss: value.reshape([1]), gradient: pack(grads) };
    },
  };
}

/** A mean loss and its gradient `[P]`. */
export interface MeanGradient {
  readonly loss: number;
  readonly gradient: Float64Array;
}

/**
 * The mean loss at `parameters` and its gradient over training samples `indices`. Batches are added up in float64 and
 * in their order, so that the bits do not depend on threads.
 */
export async function meanGradient(
  runner: Runner,
  definition: TensorFunction,
  { parameters, indices }: { readonly parameters: Float32Array; readonly indices: Int32Array },
): Promise<MeanGradient> {
  const gradient = new Float64Array(parameters.length);
  let loss = 0;
  const batches = cut(indices);
  for (let first = 0; first < batches.length; first += batchesHeldMax) {
    const calls = batches.slice(first, first + batchesHeldMax).map((rows) => {
      const inputs = { table: 'train/inputs', indices: rows };
      const targets = { table: 'train/targets', indices: rows };
      return runner.call(definition, { parameters, inputs, targets });
    });
    // Nobody else waits between one evaluation and the next: this thread works along.
    for (const result of await runner.wait(Promise.all(calls))) {
      loss += result['loss']![0]! / indices.length;
      result['gradient']!.forEach((value, index) => (gradient[index]! += value / indices.length));
    }
  }
  return { loss, gradient };
}

function cut(indices: Int32Array): Int32Array[] {
  const count = Math.ceil(indices.length / batchSizeMax);
  return Array.from({ length: count }, (_, batch) => indices.slice(batch * batchSizeMax, (batch + 1) * batchSizeMax));
}
