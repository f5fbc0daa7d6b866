import type * as tf from '@tensorflow/tfjs';

export type DType = 'float32' | 'int32';

/** What a tensor function takes under a name. `null` stands for an extent that each call may choose. */
export interface InputSpec {
  readonly shape: readonly (number | null)[];
  readonly dtype: DType;
}

/**
 * A pure function from named tensors to named float32 tensors, written with TensorFlow.js operations, so
 * that `tf.grads` differentiates it. It must not read values (`dataSync`): it may run on symbols.
 */
export interface TensorFunction {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly evaluate: (inputs: Readonly<Record<string, tf.Tensor>>) => Record<string, tf.Tensor>;
}

/** A tensor with a place in memory: what a runner takes and gives. */
export interface Feed {
  readonly shape: readonly number[];
  readonly dtype: DType;
}
