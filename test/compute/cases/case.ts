/** What a case of the conformance suite is, and the numbers that cases start from. */
import type * as tf from '@tensorflow/tfjs';
import seedrandom from 'seedrandom';
import { sizeOf } from '../../../src/compute/table.js';

export interface CaseInput {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
  readonly values: readonly number[];
}

export type Tensors = Readonly<Record<string, tf.Tensor>>;

/** A small tensor function at given inputs. */
export interface Case {
  readonly name: string;
  readonly inputs: Readonly<Record<string, CaseInput>>;
  readonly evaluate: (inputs: Tensors) => Record<string, tf.Tensor>;
  /** `none` where TensorFlow.js itself cannot differentiate the function, `wrong` where it makes a mess of it. */
  readonly gradients?: 'none' | 'wrong';
  /** The same function in other words, for gradients that the eager `cpu` backend gets wrong. */
  readonly gradientOracle?: (inputs: Tensors) => Record<string, tf.Tensor>;
  /** Only for devices that compute functions near zero to full relative precision. */
  readonly only?: 'cpu';
}

type Evaluate = (inputs: Record<string, tf.Tensor>) => tf.Tensor | readonly tf.Tensor[] | Record<string, tf.Tensor>;

interface Options {
  readonly gradients?: 'none' | 'wrong';
  readonly gradientOracle?: Evaluate;
  readonly only?: 'cpu';
}

/** One row of a table of cases. */
export function row(
  name: string,
  inputs: Readonly<Record<string, CaseInput>>,
  evaluate: Evaluate,
  { gradientOracle, ...options }: Options = {},
): Case {
  const oracle = gradientOracle && { gradientOracle: named(gradientOracle) };
  return { name, inputs, evaluate: named(evaluate), ...options, ...oracle };
}

const named =
  (evaluate: Evaluate): Case['evaluate'] =>
  (inputs) => {
    const outputs = evaluate(inputs);
    if (isTensor(outputs)) return { y: outputs };
    return Array.isArray(outputs)
      ? Object.fromEntries(outputs.map((output: tf.Tensor, index) => [`y${index}`, output]))
      : (outputs as Record<string, tf.Tensor>);
  };

const isTensor = (outputs: ReturnType<Evaluate>): outputs is tf.Tensor => 'dataId' in outputs;

/** Float32 numbers spread over (low, high). The same arguments give the same numbers; `seed` gives others. */
export function spread(shape: readonly number[], low = -2, high = 2, seed = 0): CaseInput {
  const random = seedrandom(`${shape.join()}/${low}/${high}/${seed}`);
  const values = Array.from({ length: sizeOf(shape) }, () => Math.fround(low + (high - low) * random.quick()));
  return { shape, dtype: 'float32', values };
}

/** 1 where x >= 0. TensorFlow.js differentiates a function that contains GreaterEqual, but no other comparison. */
export const above = (x: tf.Tensor): tf.Tensor => x.greaterEqual(0);

/** Amounts before and after along every axis: `around(1, 0, 0, 2)` is [[1, 0], [0, 2]]. */
export const around = (...amounts: number[]): [number, number][] =>
  Array.from({ length: amounts.length / 2 }, (_, axis) => [amounts[2 * axis]!, amounts[2 * axis + 1]!]);

/** Given float32 numbers. */
export function numbers(shape: readonly number[], values: readonly number[]): CaseInput {
  return { shape, dtype: 'float32', values };
}

/** Given int32 numbers. */
export function whole(shape: readonly number[], values: readonly number[]): CaseInput {
  return { shape, dtype: 'int32', values };
}
