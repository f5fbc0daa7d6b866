/**
 * Elastic averaging (Zhang, Choromanska, LeCun, NeurIPS 2015): at an exchange a worker and the centre move towards each
 * other by the same share alpha of their difference, with the u that the worker was handed. EASGD, its momentum form
 * EAMSGD, and AllReduceEA, where the pull comes before the gradient.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { Layout } from '../../compute/layout.js';
import type { TensorFunction } from '../../compute/tensorFunction.js';
import {
  keys,
  method,
  refuseWaiting,
  stalenessMax,
  type Coupling,
  type Exchange,
  type Refusal,
  type Rules,
} from '../method.js';
import { potentials } from '../potentials.js';
import { constantStep, stepSize, type Schedule } from '../schedules.js';
import { addUpdates } from './updates.js';
import { workerStep, type GradientOptions, type Problem, type StepRule } from '../workerStep.js';

const movingRate = z
  .number()
  .positive()
  .lt(1)
  .optional()
  .describe('alpha, the share of z_j - u by which both move at an exchange; by default 0.9 / workers, as in the paper');

/** The default that depends on how many workers there are. */
function withMovingRate<Options extends { movingRate?: number | undefined }>(
  options: Options,
  workers: number,
): Options {
  return { ...options, movingRate: options.movingRate ?? 0.9 / workers };
}

const easgdOptions = z.object({
  workerStep: keys.workerStep,
  movingRate,
  regularization: keys.regularization,
  gradient: keys.gradient,
  quorum: keys.quorum('all'),
  localSteps: keys.localSteps(1),
  exchange: z
    .enum(['atomic', 'split'])
    .default('atomic')
    .describe(
      'atomic: u moves as it is handed out; split: a worker asks for u, pulls, and sends the pull, and others may come between (quorum: 1)',
    ),
  staleness: keys.staleness,
});

/** A split exchange has no moment at which several workers have arrived. */
function checkExchange(options: z.infer<typeof easgdOptions>, workers: number): Refusal | undefined {
  if (options.exchange === 'split' && options.quorum !== 1) {
    return { key: ['exchange'], message: 'split needs quorum: 1; choose atomic for other quorums' };
  }
  return refuseWaiting(options, workers);
}

export const easgd = method({
  description: 'elastic averaging SGD: Zhang, Choromanska, LeCun 2015, synchronous (quorum: all) or asynchronous (1)',
  options: easgdOptions,
  complete: withMovingRate,
  rules: (options, problem) => elastic(problem, { ...options, momentum: 0, pull: 'beside' }),
  check: checkExchange,
});

export const eamsgd = method({
  description: 'elastic averaging SGD with Nesterov momentum in the workers, the elastic pull outside of it',
  options: easgdOptions.extend({ momentum: keys.momentum(0.99) }),
  complete: withMovingRate,
  rules: (options, problem) => elastic(problem, { ...options, pull: 'beside' }),
  check: checkExchange,
});

export const allReduceEa = method({
  description: 'AllReduceEA: synchronous elastic averaging every localSteps steps, each from the pulled parameters',
  options: z.object({
    workerStep: keys.workerStep,
    movingRate,
    regularization: keys.regularization,
    gradient: keys.gradient,
    localSteps: keys.localSteps(10),
  }),
  complete: withMovingRate,
  rules: (options, problem) =>
    elastic(problem, {
      ...options,
      momentum: 0,
      pull: 'before',
      quorum: 'all',
      exchange: 'atomic',
      staleness: { max: 'unbounded' },
    }),
});

interface ElasticOptions extends GradientOptions {
  readonly workerStep: Schedule;
  readonly movingRate?: number | undefined;
  readonly momentum: number;
  /** Whether the gradient is taken at z as it was, or after the pull. */
  readonly pull: 'beside' | 'before';
  readonly quorum: number | 'all';
  readonly localSteps: number;
  readonly exchange: 'atomic' | 'split';
  readonly staleness: { readonly max: 'unbounded' | number };
}

function elastic(problem: Problem, options: ElasticOptions): Rules {
  const { momentum, pull } = options;
  const rate = options.movingRate!; // filled in by now
  const split = options.exchange === 'split';
  const exchange: Exchange = {
    quorum: options.quorum,
    combine: 'arrived',
    localSteps: options.localSteps,
    overlap: false,
    stalenessMax: stalenessMax(options.staleness),
    sends: split ? 'updates' : 'copies',
    handsOut: 'unmoved',
    split,
  };
  return {
    exchange,
    workerStep: {
      whole: workerStep(problem, options, pull === 'before' ? pullThenStep(rate) : stepBeside(rate, momentum)),
    },
    consensusMove: { whole: split ? addUpdates(problem.layout) : pullCentre(problem.layout, rate) },
    ...(split ? { elastic: pullOf(problem.layout, rate) } : {}),
    consensusMomentum: false,
    workerStepSize: (step) => stepSize(options.workerStep, step),
    consensusStepSize: () => rate,
    coupling: couplingOf(options, rate, problem.layout),
  };
}

/**
 * Where a worker comes to rest, the T steps of a period, each of sigma g / (1 - kappa) in the end, undo the pull:
 *
 *     T sigma g / (1 - kappa) = alpha (u - z)
 *
 * and g = (2/lambda) (u - z) is what F(u, z) with the potential quad has there. Undefined where sigma changes.
 */
function couplingOf(options: ElasticOptions, rate: number, layout: Layout): Coupling | undefined {
  const sigma = constantStep(options.workerStep);
  if (sigma === undefined) return undefined;
  const descent = (options.localSteps * sigma) / (1 - options.momentum);
  return { penalty: { potential: potentials.quad.build(), eta: 1, layout }, lambda: (2 * descent) / rate };
}

/**
 *     v <- kappa v - sigma (grad loss + nu)(z + kappa v)
 *     z <- z + v - alpha (z - u)                          the pull only after an exchange
 */
function stepBeside(rate: number, momentum: number): StepRule<'z' | 'v' | 'u' | 'sigma' | 'fresh'> {
  return {
    takes: momentum === 0 ? ['z', 'u', 'sigma', 'fresh'] : ['z', 'v', 'u', 'sigma', 'fresh'],
    step: ({ z: before, v, u, sigma, fresh }, lossAt) => {
      const { loss, gradient } = lossAt(momentum === 0 ? before : before.add(v.mul(momentum)));
      const descent = gradient.mul(sigma);
      const nextV = momentum === 0 ? descent.neg() : v.mul(momentum).sub(descent);
      const pulled = before.sub(before.sub(u).mul(fresh.mul(rate)));
      return { z: pulled.add(nextV), ...(momentum === 0 ? {} : { v: nextV }), loss };
    },
  };
}

/** The pull, after an exchange, and then a gradient step from there (torch-distlearn's AllReduceEA). */
function pullThenStep(rate: number): StepRule<'z' | 'u' | 'sigma' | 'fresh'> {
  return {
    takes: ['z', 'u', 'sigma', 'fresh'],
    step: ({ z: before, u, sigma, fresh }, lossAt) => {
      const pulled = before.sub(before.sub(u).mul(fresh.mul(rate)));
      const { loss, gradient } = lossAt(pulled);
      return { z: pulled.sub(gradient.mul(sigma)), loss };
    },
  };
}

/** u <- u + alpha sum_j (z_j - u), over those that arrived. */
function pullCentre({ count }: Layout, rate: number): TensorFunction {
  return {
    name: 'consensusMove',
    inputs: { u: { shape: [count], dtype: 'float32' }, z: { shape: [null, count], dtype: 'float32' } },
    evaluate: ({ u, z }) => ({ u: u!.add(z!.sub(u!.expandDims(0)).sum(0).mul(rate)) }),
  };
}

/** e = alpha (z - u) */
function pullOf({ count }: Layout, rate: number): TensorFunction {
  const vector = { shape: [count], dtype: 'float32' } as const;
  return {
    name: 'elastic',
    inputs: { z: vector, u: vector },
    evaluate: ({ z, u }) => ({ sent: tf.mul(z!.sub(u!), rate) }),
  };
}
