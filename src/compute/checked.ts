/** Functions that tell whether what they give is finite, on devices: that is known soonest where it is computed. */
import type * as tf from '@tensorflow/tfjs';
import { sizeOf } from './table.js';
import type { TensorFunction } from './tensorFunction.js';

/** The name of the output that tells it `[1]`: 0 where all large outputs are finite, and perhaps only there. */
export const check = 'check';

// Small outputs are looked at by themselves. None that is large is packed with others, or comes from a device unasked, and
// no large feed goes to another thread other than in shared memory.
export const largeMin = 4097;

export const isLarge = (size: number): boolean => size >= largeMin;

/** The function, with what `measure` makes of its large outputs, each 0 where it is finite, added up as `check`. */
export function checked(definition: TensorFunction, measure: (tensor: tf.Tensor) => tf.Scalar): TensorFunction {
  return {
    ...definition,
    evaluate: (inputs) => {
      const outputs = definition.evaluate(inputs);
      const large = Object.values(outputs).filter(({ shape }) => isLarge(sizeOf(shape)));
      if (large.length === 0) return outputs;
      const total = large.map(measure).reduce((sum, measured) => sum.add(measured));
      return { ...outputs, [check]: total.reshape([1]) };
    },
  };
}

/** For devices, whose sums may be of any order and of any care for infinities: how many values are not finite. */
export const countNotFinite = (tensor: tf.Tensor): tf.Scalar =>
  tensor.abs().lessEqual(3.4028234663852886e38).logicalNot().toFloat().sum();
