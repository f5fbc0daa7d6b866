/**
 * The envelope of f under the coupling, and its gradient at z*, where Q is smallest (Laude, Wu, Cremers 2019,
 * Theorem 4.3):
 *
 *     e(u) = min over z of Q(z)    Q(z) = f(z) + (1/lambda) phihat(u - z)
 *     grad e(u) = (1/lambda) grad phihat(u - z*) = grad f(z*)
 *
 * z* is found inexactly, and the last two then differ by the residual: the pair is an error bar. The search runs over
 * w = u - z, of which float32 keeps all digits where z is close to u.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Runner } from '../compute/runner.js';
import type { TensorFunction } from '../compute/tensorFunction.js';
import type { Coupling } from './method.js';
import { countOutside, penaltyGradient, penaltyValue } from './penalty.js';
import { solveProximal, type Evaluated, type Iterate, type Oracle, type ProximalResult } from './proximal.js';
import { addTo, difference, norm } from './vectors.js';

/** The value of f and its gradient at z `[P]`. Equal calls must give equal bits. */
export type Objective = (z: Float32Array) => Promise<{ readonly value: number; readonly gradient: Float64Array }>;

/** f(z) = loss(z) + (nu/2) ||z||^2 */
export function regularised(loss: Objective, nu: number): Objective {
  if (nu === 0) return loss;
  return async (z) => {
    const { value, gradient } = await loss(z);
    const sum = gradient.slice();
    addTo(sum, nu, z);
    const length = norm(z);
    return { value: value + (nu / 2) * length * length, gradient: sum };
  };
}

// Points so close to the boundary count as outside: float32 sums there are off by up to 1e-6, and tan changes its sign.
const margin = 1e-4;

/** Takes `w` `[P]`; gives `value` `[1]` and `gradient` `[P]` of (1/lambda) phihat(w), and the layers `outside` `[1]`. */
export function scaledPenalty({ penalty, lambda }: Coupling): TensorFunction {
  const { count } = penalty.layout;
  return {
    name: 'penalty',
    inputs: { w: { shape: [count], dtype: 'float32' } },
    evaluate: ({ w }) => {
      const rows = w!.reshape<tf.Tensor2D>([1, count]);
      return {
        value: penaltyValue(penalty, rows).div(lambda),
        gradient: penaltyGradient(penalty, rows).div(lambda).reshape([count]),
        outside: countOutside(penalty, rows.mul(1 + margin)),
      };
    },
  };
}

/** How envelopes are measured: made once a run, because the runner compiles `penalty` once. */
export interface Measurer {
  readonly penalty: TensorFunction;
  /** Roughly the curvature of (1/lambda) phihat. */
  readonly curvature: number;
  /** ||residual|| <= tolerance ||(1/lambda) grad phihat(u - z)|| ends the search for z*. */
  readonly tolerance: number;
  /** So do this many steps. */
  readonly iterations: number;
}

/** A measurer under `coupling`. */
export function envelopeMeasurer(
  coupling: Coupling,
  limits: { readonly tolerance: number; readonly iterations: number },
): Measurer {
  const { lambda, penalty } = coupling;
  // That of the potential quad; all others but cubic, whose force is none at 0, are like it there.
  return { penalty: scaledPenalty(coupling), curvature: 2 / (lambda * penalty.eta * penalty.eta), ...limits };
}

/** One f, where its envelope is measured, and a second point to start from. */
export interface EnvelopeQuery {
  readonly objective: Objective;
  /** `[P]` */
  readonly u: Float32Array;
  /** For example the workers' mean. The search starts there if Q is lower there than at u. */
  readonly alternative?: Float32Array | undefined;
}

/** The gradient of an envelope, in two ways. */
export interface EnvelopeGradient {
  /** Q(z*), which is e(u). */
  readonly value: number;
  /** z*, the proximal point of u `[P]`. */
  readonly z: Float32Array;
  /** (1/lambda) grad phihat(u - z*) `[P]` */
  readonly penaltyGradient: Float32Array;
  /** grad f(z*) `[P]` */
  readonly lossGradient: Float64Array;
  /** The latter less the former `[P]`. */
  readonly residual: Float64Array;
  readonly ended: ProximalResult<Evaluated>['ended'];
  readonly iterations: number;
  /** How often f was evaluated; points outside the domain do not cost that. */
  readonly evaluations: number;
}

/** Q at a point, in parts. */
interface Parts extends Evaluated {
  readonly z: Float32Array;
  readonly penaltyGradient: Float32Array;
  readonly lossGradient: Float64Array;
}

/** The gradient of the envelope of one f at u. */
export async function envelopeGradient(
  runner: Runner,
  { penalty, ...options }: Measurer,
  { objective, u, alternative }: EnvelopeQuery,
): Promise<EnvelopeGradient> {
  let evaluations = 0;
  const evaluate: Oracle<Parts> = async (w) => {
    const { value, gradient: penaltyGradient, outside } = await runner.call(penalty, { w });
    if (outside![0]! > 0) return undefined;
    const z = u.map((component, index) => component - w[index]!);
    evaluations += 1;
    const loss = await objective(z);
    return {
      value: loss.value + value![0]!,
      // d/dw Q(u - w)
      gradient: difference(penaltyGradient!, loss.gradient),
      reference: norm(penaltyGradient!),
      z,
      penaltyGradient: penaltyGradient!,
      lossGradient: loss.gradient,
    };
  };
  const atU = await iterateAt(evaluate, new Float32Array(u.length));
  if (atU === undefined) throw new Error('u lies outside the domain around itself');
  const other =
    alternative === undefined
      ? undefined
      : await iterateAt(
          evaluate,
          u.map((component, index) => component - alternative[index]!),
        );
  const start = other !== undefined && other.point.value < atU.point.value ? other : atU;
  const { point, ended, iterations } = await solveProximal(evaluate, { start, ...options });
  // Where f(u) is not a number the search ends at u, whose penalty is 0: that must not pass for a stationary point.
  const known = Number.isFinite(point.value) && Number.isFinite(norm(point.lossGradient));
  return {
    value: point.value,
    z: point.z,
    penaltyGradient: known ? point.penaltyGradient : point.penaltyGradient.map(() => NaN),
    lossGradient: point.lossGradient,
    residual: difference(point.lossGradient, point.penaltyGradient),
    ended,
    iterations,
    evaluations,
  };
}

async function iterateAt(evaluate: Oracle<Parts>, x: Float32Array): Promise<Iterate<Parts> | undefined> {
  const point = await evaluate(x);
  return point === undefined ? undefined : { x, point };
}

/** An f that `count` workers have in common: it is solved for once, and counts that often. */
export interface Term extends Omit<EnvelopeQuery, 'u'> {
  readonly count: number;
}

/** Norms of sums over all workers j. */
export interface EnvelopeNorms {
  /** ||sum_j (1/lambda) grad phihat(u - z*_j)|| */
  readonly gradient: number;
  /** ||sum_j grad f_j(z*_j)|| */
  readonly lossGradient: number;
  /** ||sum_j r_j||, where r_j is grad f_j(z*_j) less (1/lambda) grad phihat(u - z*_j) */
  readonly residual: number;
  /** Over all terms. */
  readonly evaluations: number;
}

/** The norm of the gradient of the summed envelopes at u. */
export async function envelopeNorms(
  runner: Runner,
  measurer: Measurer,
  { u, terms }: { readonly u: Float32Array; readonly terms: readonly Term[] },
): Promise<EnvelopeNorms> {
  const sum = (): Float64Array => new Float64Array(u.length);
  const [gradient, lossGradient, residual] = [sum(), sum(), sum()];
  let evaluations = 0;
  // One after the other: each holds the memory of its search, and its batches keep the threads busy.
  for (const { count, ...query } of terms) {
    const found = await envelopeGradient(runner, measurer, { u, ...query });
    addTo(gradient, count, found.penaltyGradient);
    addTo(lossGradient, count, found.lossGradient);
    addTo(residual, count, found.residual);
    evaluations += found.evaluations;
  }
  return {
    gradient: norm(gradient),
    lossGradient: norm(lossGradient),
    residual: norm(residual),
    evaluations,
  };
}

/** ||sum_j grad f_j(u)|| */
export async function lossGradientNorm(
  u: Float32Array,
  terms: readonly Pick<Term, 'objective' | 'count'>[],
): Promise<number> {
  const sum = new Float64Array(u.length);
  for (const { objective, count } of terms) addTo(sum, count, (await objective(u)).gradient);
  return norm(sum);
}
