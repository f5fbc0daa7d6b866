/**
 * How far the z_j are from a stationary point of F(u, z) = sum_j [ f_j(z_j) + (1/lambda) phihat(u - z_j) ], at which (Laude,
 * Wu, Cremers 2019, equation 5b)
 *
 *     grad f_j(z_j) - (1/lambda) grad phihat(u - z_j) = 0 for every j
 */
import type * as tf from '@tensorflow/tfjs';
import type { Runner } from '../compute/runner.js';
import type { TensorFunction } from '../compute/tensorFunction.js';
import type { Objective } from './envelope.js';
import type { Coupling } from './method.js';
import { penaltyGradient, pullInside } from './penalty.js';
import { difference, norm } from './vectors.js';

/**
 * Takes `u` and `z` `[P]`; gives `force` `[P]`, (1/lambda) grad phihat(u - z). Where u has moved out of the domain
 * around z, it is the force of the pulled copy, as in the next move.
 */
export function couplingForce({ penalty, lambda }: Coupling): TensorFunction {
  const { count } = penalty.layout;
  return {
    name: 'force',
    inputs: { u: { shape: [count], dtype: 'float32' }, z: { shape: [count], dtype: 'float32' } },
    evaluate: ({ u, z }) => {
      const differences = u!.sub(z!).reshape<tf.Tensor2D>([1, count]);
      const { differences: inside } = pullInside(penalty, differences);
      return { force: penaltyGradient(penalty, inside).div(lambda).reshape([count]) };
    },
  };
}

/** u, and z_j of every worker, all `[P]`. */
interface Point {
  readonly u: Float32Array;
  readonly z: readonly Float32Array[];
}

/** ||grad f_j(z_j) - (1/lambda) grad phihat(u - z_j)|| of every worker j, with `force` from `couplingForce`. */
export async function workerResiduals(
  runner: Runner,
  force: TensorFunction,
  { u, z, objectives }: Point & { readonly objectives: readonly Objective[] },
): Promise<Float64Array> {
  const residuals = new Float64Array(z.length);
  for (const [worker, zj] of z.entries()) {
    const { gradient } = await objectives[worker]!(zj);
    residuals[worker] = norm(difference(gradient, await forceAt(runner, force, u, zj)));
  }
  return residuals;
}

async function forceAt(runner: Runner, force: TensorFunction, u: Float32Array, z: Float32Array): Promise<Float32Array> {
  return (await runner.call(force, { u, z }))['force']!;
}
