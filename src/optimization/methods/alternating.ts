/** Algorithm 1 of Laude, Wu, Cremers (AISTATS 2019): alternating steps on F(u, z). */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { choice } from '../../choice.js';
import type { TensorFunction } from '../../compute/tensorFunction.js';
import { keys, method, refuseWaiting, stalenessMax, type Attempt } from '../method.js';
import {
  countOutside,
  feasibleShare,
  isBounded,
  penaltyGradient,
  pullInside,
  wouldLeave,
  type Penalty,
} from '../penalty.js';
import type { Potential, PotentialRow } from '../potentials.js';
import { stepSize } from '../schedules.js';
import { workerStep, type StepRule } from '../workerStep.js';

export type Potentials = Readonly<Record<string, PotentialRow>>;

/** The row over a table of potentials. */
export function alternating(potentials: Potentials) {
  const options = z.object({
    potential: potentialSchema(potentials)
      .default('quad')
      .describe('The potential phi0 that couples u and z_j; quad is elastic averaging'),
    lambda: z.number().positive().default(0.1).describe('The coupling is phihat / lambda: smaller pulls harder'),
    eta: z.number().positive().default(1).describe('The scale of the potential: phi0(w / eta)'),
    workerStep: keys.workerStep,
    consensusStep: keys.consensusStep,
    momentum: keys.momentum(0),
    penaltyAt: z
      .enum(['lookahead', 'current'])
      .default('lookahead')
      .describe('Where workers take the force of the coupling: at the Nesterov point z + kappa v, or at z'),
    regularization: keys.regularization,
    gradient: keys.gradient,
    consensusScaling: z
      .enum(['literal', 'scaled', 'mean'])
      .default('literal')
      .describe(
        'literal: u <- u - tau sum grad phihat, as printed; scaled: with a factor 1/lambda; mean: u <- mean of the copies',
      ),
    coupling: z
      .enum(['gauss-seidel', 'jacobi'])
      .default('gauss-seidel')
      .describe('Whether workers step with the u that has just moved, or with the one before (quorum: all)'),
    quorum: keys.quorum('all'),
    combine: z
      .enum(['latest', 'arrived'])
      .default('latest')
      .describe("Whether a move uses every worker's newest copy, or those that arrived since the last move"),
    localSteps: keys.localSteps(1),
    overlap: z.boolean().default(false).describe('Whether a worker goes on while an exchange is outstanding'),
    staleness: keys.staleness,
  });
  return method({
    description:
      'alternating steps on sum_j f_j(z_j) + (1/lambda) phihat(u - z_j): Algorithm 1 of Laude, Wu, Cremers 2019',
    options,
    rules: (chosen, problem) => {
      const { eta, lambda, momentum, penaltyAt, consensusScaling } = chosen;
      const penalty = { potential: potentialOf(potentials, chosen.potential), eta, layout: problem.layout };
      return {
        exchange: {
          quorum: chosen.quorum,
          combine: chosen.combine,
          localSteps: chosen.localSteps,
          // Jacobi is overlap in the synchronous case: z^t is sent and the step with u^t starts at once.
          overlap: chosen.overlap || chosen.coupling === 'jacobi',
          stalenessMax: stalenessMax(chosen.staleness),
          sends: 'copies',
          handsOut: 'moved',
          split: false,
        },
        workerStep: attempt(penalty, (searched) =>
          workerStep(problem, chosen, (searched ? searchedStep : wholeStep)({ penalty, lambda, momentum, penaltyAt })),
        ),
        consensusMove: attempt(penalty, (searched) =>
          consensusMove({ penalty, lambda, scaling: consensusScaling, searched }),
        ),
        consensusMomentum: false,
        workerStepSize: (step) => stepSize(chosen.workerStep, step),
        consensusStepSize: (version) => stepSize(chosen.consensusStep, version),
        coupling: { penalty, lambda },
      };
    },
    check: (chosen, workers) => {
      const { coupling, quorum } = chosen;
      if (coupling === 'jacobi' && quorum !== 'all' && quorum !== workers) {
        return { key: ['coupling'], message: 'jacobi needs quorum: all; choose overlap: true for other quorums' };
      }
      return refuseWaiting(chosen, workers);
    },
  });
}

/** How a scenario names a potential: `tan`, or `{ kind: cubic, quadratic: 0.1 }`. */
export function potentialSchema(potentials: Potentials) {
  return z.union([z.enum(Object.keys(potentials) as [string, ...string[]]), choice('kind', potentials)]);
}

/** The potential that a scenario names. */
export function potentialOf(potentials: Potentials, chosen: string | { readonly kind: string }): Potential {
  const { kind, ...options } = typeof chosen === 'string' ? { kind: chosen } : chosen;
  const row = potentials[kind]!;
  return row.build(row.options.parse(options) as never);
}

/** Taken whole where the potential is finite everywhere. */
function attempt(penalty: Penalty, make: (searched: boolean) => TensorFunction): Attempt {
  return isBounded(penalty) ? { whole: make(false), searched: make(true) } : { whole: make(false) };
}

interface StepOptions {
  readonly penalty: Penalty;
  readonly lambda: number;
  readonly momentum: number;
  readonly penaltyAt: 'lookahead' | 'current';
}

/**
 * The worker step with Nesterov momentum (Sutskever's form).
 *
 *     y = z + kappa v
 *     Delta = grad loss(y) + nu y - (1/lambda) grad phihat(u - y)      (penaltyAt: current: grad phihat(u - z))
 *     v <- kappa v - sigma Delta
 *     z <- z + v
 */
function wholeStep({ penalty, lambda, momentum, penaltyAt }: StepOptions): StepRule<'z' | 'v' | 'u' | 'sigma'> {
  const ahead = momentum > 0 && penaltyAt === 'lookahead';
  return {
    takes: ['z', 'v', 'u', 'sigma'],
    step: ({ z, v, u, sigma }, lossAt) => {
      const inertia = v.mul(momentum);
      const y = momentum === 0 ? z : z.add(inertia);
      const { loss, gradient } = lossAt(y);
      const delta = gradient.sub(forceOf(penalty, lambda, u.sub(ahead ? y : z)));
      const nextV = inertia.sub(delta.mul(sigma));
      const result = { z: z.add(nextV), v: nextV, loss };
      if (!isBounded(penalty)) return result;
      // Domains are symmetric: z - u serves as well as u - z.
      return {
        ...result,
        leaves: wouldLeave(penalty, row(z.sub(u)), ahead ? [row(inertia), row(nextV)] : [row(nextV)]),
      };
    },
  };
}

/**
 * The same, kept inside the domain (ALGORITHMS 1.5): z is pulled back if u came from too far away, and both moves, to y
 * and to the new z, are shortened so that u - y and u - z stay inside.
 */
function searchedStep({ penalty, lambda, momentum, penaltyAt }: StepOptions): StepRule<'z' | 'v' | 'u' | 'sigma'> {
  const ahead = momentum > 0 && penaltyAt === 'lookahead';
  return {
    takes: ['z', 'v', 'u', 'sigma'],
    step: ({ z: given, v, u, sigma }, lossAt) => {
      const { kept, differences, count } = pullInside(penalty, row(given.sub(u)));
      const mask = kept.flatten();
      // z as it was wherever it was inside, to the bit; what was pulled comes to rest.
      const z = tf.where(mask.greater(0), given, u.add(differences.flatten()));
      const inertia = v.mul(mask).mul(momentum);
      const shareOf = (move: tf.Tensor): tf.Tensor => feasibleShare(penalty, differences, row(move));
      const aheadShare = ahead ? shareOf(inertia) : tf.ones([1]);
      const y = momentum === 0 ? z : z.add(inertia.mul(aheadShare));
      const { loss, gradient } = lossAt(y);
      const delta = gradient.sub(forceOf(penalty, lambda, u.sub(ahead ? y : z)));
      const fullV = inertia.sub(delta.mul(sigma));
      const share = shareOf(fullV);
      const nextV = fullV.mul(share);
      const nextZ = z.add(nextV);
      const truncations = count.add(shortened(aheadShare)).add(shortened(share));
      return { z: nextZ, v: nextV, loss, truncations, outside: countOutside(penalty, row(nextZ.sub(u))) };
    },
  };
}

/** (1/lambda) grad phihat of one difference `[P]`. */
function forceOf(penalty: Penalty, lambda: number, difference: tf.Tensor): tf.Tensor {
  return penaltyGradient(penalty, row(difference)).flatten().div(lambda);
}

/**
 * The consensus move.
 *
 *     u <- u - tau sum_j grad phihat(u - z_j)              literal, as printed
 *     u <- u - tau (1/lambda) sum_j grad phihat(u - z_j)   scaled
 *     u <- (1/K) sum_j z_j                                 mean
 *
 * Searched: copies that are too far away count as pulled back, and one share of the move is taken that keeps u inside
 * for all of them.
 */
function consensusMove({
  penalty,
  lambda,
  scaling,
  searched,
}: {
  readonly penalty: Penalty;
  readonly lambda: number;
  readonly scaling: 'literal' | 'scaled' | 'mean';
  readonly searched: boolean;
}): TensorFunction {
  const { count } = penalty.layout;
  const moveOf = (differences: tf.Tensor2D, tau: tf.Tensor): tf.Tensor => {
    const force = penaltyGradient(penalty, differences).sum(0);
    return (scaling === 'scaled' ? force.div(lambda) : force).mul(tau);
  };
  return {
    name: 'consensusMove',
    inputs: {
      u: { shape: [count], dtype: 'float32' },
      z: { shape: [null, count], dtype: 'float32' },
      tau: { shape: [1], dtype: 'float32' },
    },
    evaluate: ({ u, z, tau }) => {
      const given = row(u!).sub<tf.Tensor2D>(z!);
      if (!searched) {
        const next = scaling === 'mean' ? z!.mean(0) : u!.sub(moveOf(given, tau!));
        if (!isBounded(penalty)) return { u: next };
        return { u: next, leaves: wouldLeave(penalty, given, [row(next.sub(u!))]) };
      }
      const { differences, count: pulled } = pullInside(penalty, given);
      const move = row(scaling === 'mean' ? differences.mean(0) : moveOf(differences, tau!)).neg<tf.Tensor2D>();
      const share = feasibleShare(penalty, differences, move);
      const taken = move.mul<tf.Tensor2D>(share);
      return {
        u: u!.add(taken.flatten()),
        truncations: pulled.add(shortened(share)),
        outside: countOutside(penalty, differences.add(taken)),
      };
    },
  };
}

function row(vector: tf.Tensor): tf.Tensor2D {
  return vector.expandDims<tf.Tensor2D>(0);
}

/** 1 where a share of [0, 1] is not the whole. */
function shortened(share: tf.Tensor): tf.Tensor {
  return tf.sub(1, share).ceil();
}
