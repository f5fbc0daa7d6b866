/** The consensus move of methods whose workers send updates: they are added up. */
import type { Layout } from '../../compute/layout.js';
import type { TensorFunction } from '../../compute/tensorFunction.js';

/** u <- u + sum_j e_j */
export function addUpdates({ count }: Layout): TensorFunction {
  return {
    name: 'consensusMove',
    inputs: { u: { shape: [count], dtype: 'float32' }, z: { shape: [null, count], dtype: 'float32' } },
    evaluate: ({ u, z }) => ({ u: u!.add(z!.sum(0)) }),
  };
}
