/** What a method is: the rules of workers and consensus node, and how they exchange. */
import { z } from 'zod';
import type { TensorFunction } from '../compute/tensorFunction.js';
import type { Penalty } from './penalty.js';
import { scheduleSchema } from './schedules.js';
import type { Problem } from './workerStep.js';

/** How workers and consensus node exchange. DESIGN, section 4, in settings of the actors. */
export interface Exchange {
  /** Distinct workers that must arrive before u moves. */
  readonly quorum: number | 'all';
  /** Whether a move takes every worker's newest message, or those that arrived since the last move. */
  readonly combine: 'latest' | 'arrived';
  /** Steps between two exchanges. */
  readonly localSteps: number;
  /** Whether a worker goes on while an exchange is outstanding. */
  readonly overlap: boolean;
  /** How many steps a worker may start ahead of the slowest one. */
  readonly stalenessMax: number | undefined;
  /** What workers send: their copies of the parameters, or updates, of which the first is zero. */
  readonly sends: 'copies' | 'updates';
  /** Whether those that arrived get the u that has just moved, or the one before. */
  readonly handsOut: 'moved' | 'unmoved';
  /** Whether a worker first asks for u, and then sends what follows from it, to which there is no reply. */
  readonly split: boolean;
}

/** The coupling of a method that has one: (1/lambda) phihat. */
export interface Coupling {
  readonly penalty: Penalty;
  readonly lambda: number;
}

/**
 * A step under a potential that is finite only near 0. It is first taken whole, and gives `leaves`: 0 where that stays in
 * the domain. Else it is taken again, `searched`: pulled back and shortened where need be. That is rare, and the search
 * costs as much as a tenth of a step of LeNet-5. Where nothing need be changed both give the same bits.
 */
export interface Attempt {
  readonly whole: TensorFunction;
  readonly searched?: TensorFunction;
}

/** The rules of a run: tensor functions and their step sizes. */
export interface Rules {
  readonly exchange: Exchange;
  /** Takes what a `StepRule` takes and a batch; gives a `StepResult`. */
  readonly workerStep: Attempt;
  /**
   * Takes `u` `[P]`, the messages `z` `[K, P]` in worker order, the step size `tau` `[1]`, `weights` `[K]` (samples of
   * those workers) and, where it has one, the velocity `v` `[P]` of u; gives `u`, `v`, and `handed` where workers get
   * something else than u.
   */
  readonly consensusMove: Attempt;
  /** What a worker sends in a split exchange: takes `z` and `u` `[P]`, gives `sent` `[P]`. */
  readonly elastic?: TensorFunction;
  /** Whether u has a velocity. */
  readonly consensusMomentum: boolean;
  /** sigma of a worker's step, from 1. */
  readonly workerStepSize: (step: number) => number;
  /** tau of the move that forms a version, from 1. */
  readonly consensusStepSize: (version: number) => number;
  /** Undefined where the method minimises no F(u, z). */
  readonly coupling: Coupling | undefined;
}

/** What a key may not say beside the number of workers. */
export interface Refusal {
  readonly key: readonly string[];
  readonly message: string;
}

/**
 * A staleness bound with part of the workers as quorum, between whose exchanges workers step alone: the slowest can wait
 * for arrivals of workers that wait for it.
 */
export function refuseWaiting(
  options: {
    readonly quorum: number | 'all';
    readonly localSteps: number;
    readonly overlap?: boolean;
    readonly staleness: { readonly max: 'unbounded' | number };
  },
  workers: number,
): Refusal | undefined {
  const { quorum, localSteps, overlap = false, staleness } = options;
  const partial = quorum !== 'all' && quorum > 1 && quorum < workers;
  if (!partial || staleness.max === 'unbounded' || (localSteps === 1 && !overlap)) return undefined;
  const message = `a bound with a quorum of ${quorum} needs localSteps: 1 and overlap: false, else workers can wait for each other for ever`;
  return { key: ['staleness', 'max'], message };
}

export interface MethodRow<Options extends z.ZodObject = z.ZodObject> {
  readonly description: string;
  /** The keys under `algorithm` that belong to this method. */
  readonly options: Options;
  /** Fills in defaults that follow from the number of workers. */
  readonly complete?: (options: z.infer<Options>, workers: number) => z.infer<Options>;
  readonly rules: (options: z.infer<Options>, problem: Problem) => Rules;
  /** What is wrong with `options` for so many workers. */
  readonly check?: (options: z.infer<Options>, workers: number) => Refusal | undefined;
}

/** Ties a row's rules to the type that its own keys give. */
export function method<Options extends z.ZodObject>(row: MethodRow<Options>): MethodRow<Options> {
  return row;
}

/** Keys that several methods take. */
export const keys = {
  gradient: z.enum(['mean', 'sum']).default('mean').describe('The gradient of the batch mean, or of the batch sum'),
  regularization: z.number().min(0).default(0).describe('nu, of R(z) = (nu/2) ||z||^2'),
  workerStep: scheduleSchema.default(0.005).describe('sigma, the step size of workers: a number or a schedule'),
  consensusStep: scheduleSchema
    .default(0.005)
    .describe('tau, the step size of the consensus node: a number or a schedule'),
  momentum: (fallback: number) =>
    z.number().min(0).lt(1).default(fallback).describe('kappa, of Nesterov momentum, from 0 to below 1'),
  quorum: (fallback: number | 'all') =>
    z
      .union([z.literal('all'), z.int().min(1)])
      .default(fallback)
      .describe('Distinct workers that must arrive before u moves: all is synchronous, 1 asynchronous'),
  localSteps: (fallback: number) =>
    z.int().min(1).default(fallback).describe('Worker steps between two exchanges: the communication period'),
  staleness: z
    .strictObject({
      max: z
        .union([z.literal('unbounded'), z.int().min(0)])
        .default('unbounded')
        .describe('How many steps a worker may start ahead of the slowest one'),
    })
    .prefault({}),
} as const;

/** The bound that `staleness` sets. */
export function stalenessMax({ max }: { readonly max: 'unbounded' | number }): number | undefined {
  return max === 'unbounded' ? undefined : max;
}
