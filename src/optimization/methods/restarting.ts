/**
 * Methods whose workers go on from u after each exchange: DOWNPOUR (Dean et al., NeurIPS 2012) and local SGD, which is
 * federated averaging (McMahan et al., AISTATS 2017).
 */
import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { Layout } from '../../compute/layout.js';
import type { TensorFunction } from '../../compute/tensorFunction.js';
import { keys, method, refuseWaiting, stalenessMax } from '../method.js';
import { stepSize } from '../schedules.js';
import { workerStep, type StepRule } from '../workerStep.js';
import { addUpdates } from './updates.js';

const options = {
  workerStep: keys.workerStep,
  regularization: keys.regularization,
  gradient: keys.gradient,
  staleness: keys.staleness,
};

export const downpour = method({
  description: 'DOWNPOUR: workers send the sum of their steps since they got u, and u adds it up; asynchronous',
  options: z.object({ ...options, quorum: keys.quorum(1), localSteps: keys.localSteps(1) }),
  rules: (chosen, problem) => ({
    exchange: {
      quorum: chosen.quorum,
      combine: 'arrived',
      localSteps: chosen.localSteps,
      overlap: false,
      stalenessMax: stalenessMax(chosen.staleness),
      sends: 'updates',
      handsOut: 'moved',
      split: false,
    },
    workerStep: { whole: workerStep(problem, chosen, accumulate) },
    consensusMove: { whole: addUpdates(problem.layout) },
    consensusMomentum: false,
    workerStepSize: (step) => stepSize(chosen.workerStep, step),
    consensusStepSize: () => 1,
    coupling: undefined,
  }),
  check: refuseWaiting,
});

export const localSgd = method({
  description: 'local SGD, federated averaging: workers step alone, then u is the mean of their copies; synchronous',
  options: z.object({
    ...options,
    momentum: keys.momentum(0),
    quorum: keys.quorum('all'),
    localSteps: keys.localSteps(10),
    average: z
      .enum(['samples', 'uniform'])
      .default('samples')
      .describe('Whether a copy counts by the number of its samples, |I_j|, or all copies count the same'),
  }),
  rules: (chosen, problem) => ({
    exchange: {
      quorum: chosen.quorum,
      combine: 'arrived',
      localSteps: chosen.localSteps,
      overlap: false,
      stalenessMax: stalenessMax(chosen.staleness),
      sends: 'copies',
      handsOut: 'moved',
      split: false,
    },
    workerStep: { whole: workerStep(problem, chosen, restart(chosen.momentum)) },
    consensusMove: { whole: average(problem.layout, chosen.average) },
    consensusMomentum: false,
    workerStepSize: (step) => stepSize(chosen.workerStep, step),
    consensusStepSize: () => 1,
    coupling: undefined,
  }),
  check: refuseWaiting,
});

/** u after an exchange, to the bit, else z. */
function restarted(before: tf.Tensor, u: tf.Tensor, fresh: tf.Tensor): tf.Tensor {
  return u.mul(fresh).add(before.mul(kept(fresh)));
}

/** 1 - fresh */
function kept(fresh: tf.Tensor): tf.Tensor {
  return fresh.neg().add(1);
}

/** z <- u after an exchange; z <- z - sigma (grad loss + nu)(z); what is sent is z - u, the sum of these steps. */
const accumulate: StepRule<'z' | 'u' | 'sigma' | 'fresh'> = {
  takes: ['z', 'u', 'sigma', 'fresh'],
  step: ({ z: before, u, sigma, fresh }, lossAt) => {
    const from = restarted(before, u, fresh);
    const { loss, gradient } = lossAt(from);
    const next = from.sub(gradient.mul(sigma));
    return { z: next, sent: next.sub(u), loss };
  },
};

/** z <- u, v <- 0 after an exchange; then a step with Nesterov momentum. */
function restart(momentum: number): StepRule<'z' | 'v' | 'u' | 'sigma' | 'fresh'> {
  return {
    takes: momentum === 0 ? ['z', 'u', 'sigma', 'fresh'] : ['z', 'v', 'u', 'sigma', 'fresh'],
    step: ({ z: before, v, u, sigma, fresh }, lossAt) => {
      const from = restarted(before, u, fresh);
      if (momentum === 0) {
        const { loss, gradient } = lossAt(from);
        return { z: from.sub(gradient.mul(sigma)), loss };
      }
      const inertia = v.mul(kept(fresh).mul(momentum));
      const { loss, gradient } = lossAt(from.add(inertia));
      const nextV = inertia.sub(gradient.mul(sigma));
      return { z: from.add(nextV), v: nextV, loss };
    },
  };
}

/** u <- sum_j w_j z_j / sum_j w_j, over those that arrived. */
function average({ count }: Layout, by: 'samples' | 'uniform'): TensorFunction {
  const copies = { z: { shape: [null, count], dtype: 'float32' } } as const;
  if (by === 'uniform') {
    return { name: 'consensusMove', inputs: copies, evaluate: ({ z }) => ({ u: z!.mean(0) }) };
  }
  return {
    name: 'consensusMove',
    inputs: { ...copies, weights: { shape: [null], dtype: 'float32' } },
    evaluate: ({ z, weights }) => {
      const shares = weights!.div(weights!.sum()).expandDims(1);
      return { u: z!.mul(shares).sum(0) };
    },
  };
}
