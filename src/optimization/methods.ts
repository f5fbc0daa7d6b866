/** The table of methods: what a worker and the consensus node compute, with the method's own keys. */
import { z } from 'zod';
import type { TensorFunction } from '../compute/tensorFunction.js';
import { consensusMove } from './consensusMove.js';
import { potentials } from './potentials.js';
import type { Penalty } from './penalty.js';
import { scheduleSchema, stepSize } from './schedules.js';
import { workerStep, type SampleLosses, type WorkerStep } from './workerStep.js';

/** What a method is applied to. */
export interface Problem {
  readonly layout: Penalty['layout'];
  readonly sampleLosses: SampleLosses;
  readonly batch: WorkerStep['batch'];
}

/** The rules of a run: two tensor functions and their step sizes. */
export interface Rules {
  readonly penalty: Penalty;
  readonly workerStep: TensorFunction;
  readonly consensusMove: TensorFunction;
  /** sigma of a worker's step, from 1. */
  readonly workerStepSize: (step: number) => number;
  /** tau of the move that forms a version, from 1. */
  readonly consensusStepSize: (version: number) => number;
}

export interface MethodRow<Options extends z.ZodObject = z.ZodObject> {
  readonly description: string;
  /** The keys under `algorithm` that belong to this method. */
  readonly options: Options;
  readonly rules: (options: z.infer<Options>, problem: Problem) => Rules;
}

const alternatingOptions = z.object({
  potential: z
    .enum(Object.keys(potentials) as [keyof typeof potentials])
    .default('quad')
    .describe('The potential phi0 that couples u and z_j; quad is elastic averaging'),
  lambda: z.number().positive().default(0.1).describe('The coupling is phihat / lambda: smaller pulls harder'),
  eta: z.number().positive().default(1).describe('The scale of the potential: phi0(w / eta)'),
  workerStep: scheduleSchema.default(0.005).describe('sigma, the step size of workers: a number or a schedule'),
  consensusStep: scheduleSchema
    .default(0.005)
    .describe('tau, the step size of the consensus node: a number or a schedule (unused with consensusScaling: mean)'),
  momentum: z.number().min(0).lt(1).default(0).describe('kappa, of Nesterov momentum in the worker steps'),
  regularization: z.number().min(0).default(0).describe('nu, of R(z) = (nu/2) ||z||^2'),
  gradient: z.enum(['mean', 'sum']).default('mean').describe('The gradient of the batch mean, or of the batch sum'),
  consensusScaling: z
    .enum(['literal', 'scaled', 'mean'])
    .default('literal')
    .describe(
      'literal: u <- u - tau sum grad phihat, as printed; scaled: with a factor 1/lambda; mean: u <- mean of the copies',
    ),
});

/** Algorithm 1 of Laude, Wu, Cremers (AISTATS 2019). */
const alternating: MethodRow<typeof alternatingOptions> = {
  description:
    'alternating steps on sum_j f_j(z_j) + (1/lambda) phihat(u - z_j): Algorithm 1 of Laude, Wu, Cremers 2019',
  options: alternatingOptions,
  rules: (options, { layout, sampleLosses, batch }) => {
    const { potential, eta, lambda, gradient, momentum, regularization, consensusScaling } = options;
    const penalty = { potential: potentials[potential], eta, layout };
    return {
      penalty,
      workerStep: workerStep({ penalty, sampleLosses, batch, gradient, lambda, momentum, regularization }),
      consensusMove: consensusMove({ penalty, scaling: consensusScaling, lambda }),
      workerStepSize: (step) => stepSize(options.workerStep, step),
      consensusStepSize: (version) => stepSize(options.consensusStep, version),
    };
  },
};

export const methods = { alternating } as const;
