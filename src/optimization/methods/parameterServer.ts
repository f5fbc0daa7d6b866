/**
 * The parameter server: workers send gradients at the u that they were handed, and the server steps. Asynchronous SGD,
 * and MDOWNPOUR, whose server has Nesterov momentum (Zhang, Choromanska, LeCun 2015).
 */
import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { Layout } from '../../compute/layout.js';
import type { InputSpec, TensorFunction } from '../../compute/tensorFunction.js';
import { keys, method, stalenessMax, type Rules } from '../method.js';
import { stepSize, type Schedule } from '../schedules.js';
import { workerStep, type GradientOptions, type Problem, type StepRule } from '../workerStep.js';

const options = z.object({
  consensusStep: keys.consensusStep,
  regularization: keys.regularization,
  gradient: keys.gradient,
  quorum: keys.quorum(1),
  staleness: keys.staleness,
});

export const asyncSgd = method({
  description: 'asynchronous SGD with a parameter server: it steps with each gradient as it arrives',
  options,
  rules: (chosen, problem) => server(problem, { ...chosen, momentum: 0 }),
});

export const momentumDownpour = method({
  description: 'momentum DOWNPOUR: the server steps with Nesterov momentum and hands out the look-ahead point',
  options: options.extend({ momentum: keys.momentum(0.99) }),
  rules: (chosen, problem) => server(problem, chosen),
});

interface ServerOptions extends GradientOptions {
  readonly consensusStep: Schedule;
  readonly momentum: number;
  readonly quorum: number | 'all';
  readonly staleness: { readonly max: 'unbounded' | number };
}

function server(problem: Problem, options: ServerOptions): Rules {
  return {
    exchange: {
      quorum: options.quorum,
      combine: 'arrived',
      localSteps: 1,
      overlap: false,
      stalenessMax: stalenessMax(options.staleness),
      sends: 'updates',
      handsOut: 'moved',
      split: false,
    },
    workerStep: { whole: workerStep(problem, options, gradientAtU) },
    consensusMove: { whole: serverStep(problem.layout, options.momentum) },
    consensusMomentum: options.momentum > 0,
    workerStepSize: () => 0,
    consensusStepSize: (version) => stepSize(options.consensusStep, version),
    coupling: undefined,
  };
}

/** z <- u; what is sent is grad loss + nu there. */
const gradientAtU: StepRule<'u'> = {
  takes: ['u'],
  step: ({ u }, lossAt) => {
    const { loss, gradient } = lossAt(u);
    return { z: u.mul(1), sent: gradient, loss };
  },
};

/**
 * With g the mean of the gradients that arrived:
 *
 *     v <- kappa v - tau g,  u <- u + v,  handed out is u + kappa v
 */
function serverStep({ count }: Layout, momentum: number): TensorFunction {
  const vector: InputSpec = { shape: [count], dtype: 'float32' };
  const inputs = {
    u: vector,
    z: { shape: [null, count], dtype: 'float32' },
    tau: { shape: [1], dtype: 'float32' },
  } as const;
  const descent = (gradients: tf.Tensor, tau: tf.Tensor): tf.Tensor => gradients.mean(0).mul(tau);
  if (momentum === 0) {
    return { name: 'consensusMove', inputs, evaluate: ({ u, z, tau }) => ({ u: u!.sub(descent(z!, tau!)) }) };
  }
  return {
    name: 'consensusMove',
    inputs: { ...inputs, v: vector },
    evaluate: ({ u, z, tau, v }) => {
      const nextV = v!.mul(momentum).sub(descent(z!, tau!));
      const next = u!.add(nextV);
      return { u: next, v: nextV, handed: next.add(nextV.mul(momentum)) };
    },
  };
}
