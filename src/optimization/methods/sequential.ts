/** SGD with Nesterov momentum on one worker: what distributed methods are held against. */
import { z } from 'zod';
import { keys, method } from '../method.js';
import { stepSize } from '../schedules.js';
import { workerStep, type StepRule } from '../workerStep.js';

export const msgd = method({
  description: 'SGD with Nesterov momentum on one worker (workers: 1); u follows it, one step behind',
  options: z.object({
    workerStep: keys.workerStep,
    momentum: keys.momentum(0.9),
    regularization: keys.regularization,
    gradient: keys.gradient,
  }),
  rules: (chosen, problem) => ({
    exchange: {
      quorum: 'all',
      combine: 'latest',
      localSteps: 1,
      overlap: false,
      stalenessMax: undefined,
      sends: 'copies',
      handsOut: 'moved',
      split: false,
    },
    workerStep: { whole: workerStep(problem, chosen, momentumStep(chosen.momentum)) },
    consensusMove: {
      whole: {
        name: 'consensusMove',
        inputs: { z: { shape: [1, problem.layout.count], dtype: 'float32' } },
        evaluate: ({ z: copy }) => ({ u: copy!.sum(0) }),
      },
    },
    consensusMomentum: false,
    workerStepSize: (step) => stepSize(chosen.workerStep, step),
    consensusStepSize: () => 1,
    coupling: undefined,
  }),
  check: (_, workers) =>
    workers === 1 ? undefined : { key: ['method'], message: `msgd has one worker, not ${workers}: set workers: 1` },
});

/** v <- kappa v - sigma (grad loss + nu)(z + kappa v), z <- z + v */
function momentumStep(momentum: number): StepRule<'z' | 'v' | 'sigma'> {
  return {
    takes: ['z', 'v', 'sigma'],
    step: ({ z: before, v, sigma }, lossAt) => {
      const inertia = v.mul(momentum);
      const { loss, gradient } = lossAt(before.add(inertia));
      const nextV = inertia.sub(gradient.mul(sigma));
      return { z: before.add(nextV), v: nextV, loss };
    },
  };
}
