/** The loss and the errors of a model over a set of samples, batch by batch. */
import * as tf from '@tensorflow/tfjs';
import { unpack, type Layout } from '../compute/layout.js';
import type { Runner } from '../compute/runner.js';
import type { InputSpec, TensorFunction } from '../compute/tensorFunction.js';
import type { Vector } from '../vector.js';
import type { LossRow } from './losses.js';
import type { Model } from './model.js';

// Batches whose activations stay in the cache.
const batchSizeMax = 200;

/** A model with its loss, over inputs and targets of given shapes. */
export interface Learner {
  readonly model: Model;
  readonly layout: Layout;
  readonly loss: LossRow;
  readonly batch: { readonly inputs: InputSpec; readonly targets: InputSpec };
}

/** The loss of each sample of a batch, `[batch]`, as a function of the parameters in layout order. */
export function sampleLosses({ model, loss }: Pick<Learner, 'model' | 'loss'>) {
  return (parameters: readonly tf.Tensor[], inputs: tf.Tensor, targets: tf.Tensor): tf.Tensor1D =>
    loss.perSample(model.apply(parameters, inputs), targets);
}

/** The sum of losses over a set, and how many samples are classified wrongly. */
export interface Evaluation {
  readonly loss: number;
  readonly errors: number;
}

/** Takes `parameters` `[P]` and a batch; gives `loss` (its sum) and `errors` (their number), each `[1]`. */
export function batchEvaluation({ model, layout, loss, batch }: Learner): TensorFunction {
  return {
    name: 'evaluation',
    inputs: { parameters: { shape: [layout.count], dtype: 'float32' }, ...batch },
    evaluate: ({ parameters, inputs, targets }) => {
      const outputs = model.apply(unpack(parameters!, layout), inputs!);
      const errors = loss.targets === 'classes' ? wrong(outputs, targets!).toFloat().sum().reshape([1]) : tf.zeros([1]);
      return { loss: loss.perSample(outputs, targets!).sum().reshape([1]), errors };
    },
  };
}

/** Where the most likely class is not the target; one output tells class 1 from class 0 by its sign. */
function wrong(outputs: tf.Tensor2D, classes: tf.Tensor): tf.Tensor {
  const chosen = outputs.shape[1] === 1 ? outputs.greater(0).reshape([-1]).toInt() : outputs.argMax(1);
  return chosen.notEqual(classes);
}

/** Evaluates `parameters` over rows `indices` of the tables `<set>/inputs` and `<set>/targets`. */
export async function evaluateSet(
  runner: Runner,
  definition: TensorFunction,
  request: { readonly parameters: Vector; readonly set: 'train' | 'test'; readonly indices: Int32Array },
): Promise<Evaluation> {
  const { parameters, set, indices } = request;
  const batches: Promise<Record<string, Float32Array>>[] = [];
  for (let start = 0; start < indices.length; start += batchSizeMax) {
    const rows = indices.slice(start, start + batchSizeMax);
    const inputs = { table: `${set}/inputs`, indices: rows };
    const targets = { table: `${set}/targets`, indices: rows };
    batches.push(runner.call(definition, { parameters, inputs, targets }));
  }
  const results = await Promise.all(batches);
  const total = (output: string): number => results.reduce((sum, result) => sum + result[output]![0]!, 0);
  return { loss: total('loss'), errors: total('errors') };
}
