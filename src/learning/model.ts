import type * as tf from '@tensorflow/tfjs';
import type { z } from 'zod';

/** A parameter that a model asks for. Its first values are uniform in +-1/sqrt(fanIn). */
export interface ModelParameter {
  /** `layer/name`; a layer's parameters follow one another. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly fanIn: number;
}

/** A network as a pure function of its parameters. */
export interface Model {
  readonly parameters: readonly ModelParameter[];
  /**
   * Maps parameters (in the order above) and a batch of inputs `[batch, ...rowShape]` to outputs
   * `[batch, outputs]`, with differentiable TensorFlow.js operations.
   */
  readonly apply: (parameters: readonly tf.Tensor[], inputs: tf.Tensor) => tf.Tensor2D;
}

/** What a model must fit. */
export interface ModelContext {
  /** The shape of one input: `[28, 28, 1]` for an MNIST image. */
  readonly rowShape: readonly number[];
  readonly outputs: number;
}

/** One row of the table of models: its keys beside `kind`, and how it is built. */
export interface ModelRow<Options = never> {
  readonly description: string;
  readonly options: z.ZodObject;
  /** Throws BadInput where the model does not fit the data. */
  readonly build: (options: Options, context: ModelContext) => Model;
}
