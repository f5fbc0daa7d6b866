/** The tensor functions that a case stands for: its values, and its gradients. */
import * as tf from '@tensorflow/tfjs';
import type { Feeds } from '../../../src/compute/feeds.js';
import type { TensorFunction } from '../../../src/compute/tensorFunction.js';
import { spread, type Case, type Tensors } from './case.js';

export const shapesOf = ({ inputs }: Case): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));

export const feedsOf = ({ inputs }: Case): Feeds =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, values }]) => [
      name,
      dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values),
    ]),
  );

export const valuesOf = ({ name, inputs, evaluate }: Case): TensorFunction => ({ name, inputs, evaluate });

/** The gradients, by every float32 input, of a sum of the outputs in which every element has a weight of its own. */
export function gradientsOf({ name, inputs, evaluate }: Case): TensorFunction {
  const variables = Object.keys(inputs).filter((input) => inputs[input]!.dtype === 'float32');
  return {
    name: `gradients of ${name}`,
    inputs,
    evaluate: (tensors) => {
      const total = (...values: tf.Tensor[]): tf.Scalar =>
        weightedSum(
          evaluate({ ...tensors, ...Object.fromEntries(values.map((value, index) => [variables[index]!, value])) }),
        );
      const gradients = tf.grads(total)(variables.map((variable) => tensors[variable]!));
      return Object.fromEntries(gradients.map((gradient, index) => [variables[index]!, gradient]));
    },
  };
}

/** The sum of all real outputs; no two elements count alike, so that a transposed gradient shows. */
function weightedSum(outputs: Tensors): tf.Scalar {
  const real = Object.values(outputs).filter(({ dtype }) => dtype === 'float32');
  const parts = real.map((output, index) => {
    const { values } = spread(output.shape, 0.5, 2, index);
    return output.mul<tf.Tensor>(tf.tensor([...values], output.shape)).sum<tf.Scalar>();
  });
  return parts.reduce((sum, part) => sum.add(part));
}
