/** The table of models. */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { sizeOf } from '../compute/table.js';
import { BadInput } from '../conditions.js';
import type { ModelParameter, ModelRow } from './model.js';

/** The parameters of a dense layer, `[in, out]` and `[out]`. */
function denseParameters(layer: string, inputs: number, outputs: number): ModelParameter[] {
  return [
    { name: `${layer}/weight`, shape: [inputs, outputs], fanIn: inputs },
    { name: `${layer}/bias`, shape: [outputs], fanIn: inputs },
  ];
}

/** The parameters of a convolution, `[size, size, in, out]` and `[out]`. */
function convolutionParameters(layer: string, size: number, inputs: number, outputs: number): ModelParameter[] {
  const fanIn = size * size * inputs;
  return [
    { name: `${layer}/weight`, shape: [size, size, inputs, outputs], fanIn },
    { name: `${layer}/bias`, shape: [outputs], fanIn },
  ];
}

/** Dense layers with ReLU between them; `parameters` holds weight and bias of each in turn. */
function applyDense(parameters: readonly tf.Tensor[], inputs: tf.Tensor2D): tf.Tensor2D {
  let values = inputs;
  for (let index = 0; index < parameters.length; index += 2) {
    values = tf.matMul(values, parameters[index] as tf.Tensor2D).add(parameters[index + 1]!);
    if (index + 2 < parameters.length) values = values.relu();
  }
  return values;
}

function flatten(inputs: tf.Tensor): tf.Tensor2D {
  return inputs.reshape([inputs.shape[0], sizeOf(inputs.shape.slice(1))]);
}

interface LeNetOptions {
  readonly head?: number | undefined;
}

/** Conv20-5x5, ReLU, MaxPool2, Conv50-5x5, ReLU, MaxPool2, Dense (Laude, Wu, Cremers 2019, section 6). */
const lenet5: ModelRow<LeNetOptions> = {
  description: 'LeNet-5 as Caffe has it: 20 and 50 filters of 5x5, max pooling, one dense layer (two with a head)',
  options: z.object({
    head: z.int().min(1).optional().describe('Width of a hidden dense layer before the last one (500 in Caffe)'),
  }),
  build: ({ head }, { rowShape, outputs }) => {
    const [height, width, channels] = rowShape;
    // Each convolution takes 4 off, each pooling halves.
    const pooled = (extent: number): number => Math.floor((Math.floor((extent - 4) / 2) - 4) / 2);
    if (rowShape.length !== 3 || pooled(height!) < 1 || pooled(width!) < 1) {
      throw new BadInput(`lenet5 needs images of at least 16 x 16, not inputs of shape [${rowShape.join(', ')}]`, {
        path: ['model'],
        remedy: 'choose mlp or softmax',
      });
    }
    const flat = pooled(height!) * pooled(width!) * 50;
    const dense =
      head === undefined
        ? denseParameters('dense', flat, outputs)
        : [...denseParameters('dense1', flat, head), ...denseParameters('dense2', head, outputs)];
    return {
      parameters: [
        ...convolutionParameters('conv1', 5, channels!, 20),
        ...convolutionParameters('conv2', 5, 20, 50),
        ...dense,
      ],
      apply: ([weight1, bias1, weight2, bias2, ...rest], inputs) => {
        const block = (images: tf.Tensor4D, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor4D =>
          tf
            .conv2d(images, weight as tf.Tensor4D, 1, 'valid')
            .add<tf.Tensor4D>(bias)
            .relu()
            .maxPool<tf.Tensor4D>(2, 2, 'valid');
        const first = block(inputs as tf.Tensor4D, weight1!, bias1!);
        const second = block(first, weight2!, bias2!);
        return applyDense(rest, flatten(second));
      },
    };
  },
};

interface MlpOptions {
  readonly hidden: readonly number[];
}

const mlp: ModelRow<MlpOptions> = {
  description: 'dense layers with ReLU between them',
  options: z.object({
    hidden: z.array(z.int().min(1)).default([100]).describe('Widths of the hidden layers'),
  }),
  build: ({ hidden }, { rowShape, outputs }) => {
    const widths = [sizeOf(rowShape), ...hidden, outputs];
    return {
      parameters: widths
        .slice(1)
        .flatMap((width, index) => denseParameters(`dense${index + 1}`, widths[index]!, width)),
      apply: (parameters, inputs) => applyDense(parameters, flatten(inputs)),
    };
  },
};

const softmax: ModelRow<object> = {
  description: 'one dense layer: multinomial logistic regression with the cross-entropy loss',
  options: z.object({}),
  build: (_, { rowShape, outputs }) => ({
    parameters: denseParameters('dense', sizeOf(rowShape), outputs),
    apply: (parameters, inputs) => applyDense(parameters, flatten(inputs)),
  }),
};

/** The parameters are one vector z `[n]`; each input row, `[n]` or `[m, n]`, is a linear map applied to it. */
const vector: ModelRow<object> = {
  description: 'a vector z that each input row maps linearly (the synthetic problems)',
  options: z.object({}),
  build: (_, { rowShape, outputs }) => {
    const [rows, columns] = rowShape.length === 2 ? (rowShape as [number, number]) : [1, sizeOf(rowShape)];
    if (rows !== outputs || rowShape.length > 2) {
      throw new BadInput(
        `the model vector gives ${rows} outputs for inputs of shape [${rowShape.join(', ')}], and the data needs ${outputs}`,
        { path: ['model'], remedy: 'choose softmax or mlp' },
      );
    }
    return {
      parameters: [{ name: 'vector/weight', shape: [columns], fanIn: columns }],
      apply: ([weight], inputs) =>
        tf
          .matMul(
            inputs.reshape<tf.Tensor2D>([inputs.shape[0] * rows, columns]),
            weight!.reshape<tf.Tensor2D>([columns, 1]),
          )
          .reshape([inputs.shape[0], rows]),
    };
  },
};

export const models = { lenet5, mlp, softmax, vector } satisfies Record<string, ModelRow>;
