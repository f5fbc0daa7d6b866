/** Worker steps as tensor functions: a method's rule over the worker's vectors and the gradient of its batch. */
import * as tf from '@tensorflow/tfjs';
import { pack, unpack, type Layout } from '../compute/layout.js';
import type { InputSpec, TensorFunction } from '../compute/tensorFunction.js';

/** The loss of each sample of a batch, `[batch]`, as a function of the parameters in layout order. */
export type SampleLosses = (parameters: readonly tf.Tensor[], inputs: tf.Tensor, targets: tf.Tensor) => tf.Tensor1D;

/** What is minimised: losses of samples under a model. */
export interface Problem {
  readonly layout: Layout;
  readonly sampleLosses: SampleLosses;
  /** Shapes and types of a batch: `[null, ...]`. */
  readonly batch: { readonly inputs: InputSpec; readonly targets: InputSpec };
}

/** How a batch becomes a gradient. */
export interface GradientOptions {
  /** The gradient of the batch mean, or of the batch sum. */
  readonly gradient: 'mean' | 'sum';
  /** nu, of R(z) = (nu/2) ||z||^2. */
  readonly regularization: number;
}

/** What a rule may take: vectors `[P]`, and the numbers sigma and fresh `[1]`. */
const shapes = {
  /** The worker's parameters z_j, and their velocity v_j. */
  z: 'vector',
  v: 'vector',
  /** The newest u that the worker holds. */
  u: 'vector',
  /** The step size. */
  sigma: 'number',
  /** 1 in the first step after an exchange, else 0. */
  fresh: 'number',
} as const;

export type StepInput = keyof typeof shapes;

export interface StepResult {
  /** z_j after the step `[P]`. */
  readonly z: tf.Tensor;
  /** v_j after the step `[P]`; left out where it does not change. */
  readonly v?: tf.Tensor;
  /** What the next exchange sends `[P]`, where that is not z_j. */
  readonly sent?: tf.Tensor;
  /** Mean loss of the batch at the point of the gradient. */
  readonly loss: tf.Tensor;
  /** How often the step was shortened, or z_j pulled back, to stay in the domain of the potential `[1]`. */
  readonly truncations?: tf.Tensor;
  /** More than 0 where the step, taken whole, leaves the domain `[1]`. */
  readonly leaves?: tf.Tensor;
  /** More than 0 where z_j left the domain all the same, which is a bug `[1]`. */
  readonly outside?: tf.Tensor;
}

export interface StepRule<Takes extends StepInput> {
  /** The inputs of its tensor function, beside a batch. */
  readonly takes: readonly Takes[];
  readonly step: (
    inputs: Readonly<Record<Takes, tf.Tensor1D>>,
    /** Mean loss of the batch at y, and the gradient of the batch's loss plus nu y `[P]`. */
    lossAt: (y: tf.Tensor) => { loss: tf.Tensor; gradient: tf.Tensor },
  ) => StepResult;
}

/** The tensor function of `rule`: what it takes and a batch, to what it gives. */
export function workerStep<Takes extends StepInput>(
  { layout, sampleLosses, batch }: Problem,
  { gradient, regularization }: GradientOptions,
  { takes, step }: StepRule<Takes>,
): TensorFunction {
  const spec = (name: Takes): InputSpec => ({
    shape: [shapes[name] === 'vector' ? layout.count : 1],
    dtype: 'float32',
  });
  return {
    name: 'workerStep',
    inputs: { ...Object.fromEntries(takes.map((name) => [name, spec(name)])), ...batch },
    evaluate: ({ inputs, targets, ...vectors }) => {
      const lossAt = (y: tf.Tensor): { loss: tf.Tensor; gradient: tf.Tensor } => {
        const batchLoss = (...parameters: tf.Tensor[]): tf.Scalar => {
          const losses = sampleLosses(parameters, inputs!, targets!);
          return gradient === 'mean' ? losses.mean() : losses.sum();
        };
        const { value, grads } = tf.valueAndGrads(batchLoss)(unpack(y, layout));
        const lossGradient = pack(grads);
        return {
          loss: gradient === 'mean' ? value : value.div(inputs!.shape[0]),
          gradient: regularization === 0 ? lossGradient : lossGradient.add(y.mul(regularization)),
        };
      };
      const { loss, ...result } = step(vectors as Record<Takes, tf.Tensor1D>, lossAt);
      return { ...result, loss: loss.reshape([1]) };
    },
  };
}
