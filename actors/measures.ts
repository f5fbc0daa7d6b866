/**
 * The table of measures: what the monitor can record, by the names of the contract. A row is either
 * `evaluated`, an output of a computation over u and all z_j, or `observed`, read off what the monitor saw.
 */
import type { Context, Measurement } from '../src/kernel/effects.js';
import { valuesOf } from './persistentList.js';
import type { MonitorState } from './view.js';

/** The computations that measures ask for. Each takes `u` `[P]` and `z` `[M, P]`. */
export type MeasureTask =
  | 'coupling'
  | 'evaluateTrain'
  | 'evaluateTest'
  | 'splitting'
  | 'optimality'
  | 'envelope'
  | 'lossGradient'
  | 'workerResiduals';

export type MeasureRow = {
  readonly description: string;
  readonly perWorker: boolean;
} & (
  | {
      readonly from: 'evaluated';
      readonly task: MeasureTask;
      readonly output: string;
      /** Whether it is about the coupling of u and z_j, which not every method has. */
      readonly couples: boolean;
    }
  | {
      readonly from: 'observed';
      /** Whether it must be known when steps start. */
      readonly timed?: boolean;
      /** One value a worker, or one in all; undefined where it is not defined yet. */
      readonly read: (state: MonitorState, context: Context) => readonly (number | undefined)[];
    }
  | { readonly from: 'moves' }
);

const evaluated = (
  task: MeasureTask,
  output: string,
  description: string,
  { perWorker = false, couples = false } = {},
): MeasureRow => ({ from: 'evaluated', task, output, description, perWorker, couples });

export const measures = {
  gap: evaluated('coupling', 'gap', '||u - z_j||, per worker', { perWorker: true }),
  gap_max: evaluated('coupling', 'gapMax', 'the largest ||u - z_j||'),
  gap_mean: evaluated('coupling', 'gapMean', 'the mean of ||u - z_j|| over workers'),
  penalty_force: evaluated('coupling', 'meanForce', '||(1/M) sum_j (1/lambda) grad phihat(u - z_j)||', {
    couples: true,
  }),
  objective: evaluated('evaluateTrain', 'objective', 'summed loss at u over the training set, plus (nu/2)||u||^2'),
  train_loss: evaluated('evaluateTrain', 'loss', 'summed loss at u over the training set'),
  train_error: evaluated('evaluateTrain', 'error', 'share of the training set that u classifies wrongly'),
  test_loss: evaluated('evaluateTest', 'loss', 'summed loss at u over the test set'),
  test_error: evaluated('evaluateTest', 'error', 'share of the test set that u classifies wrongly'),
  splitting_objective: evaluated('splitting', 'value', 'F(u, z) = sum_j f_j(z_j) + (1/lambda) phihat(u - z_j)', {
    couples: true,
  }),
  optimality_gap: evaluated('optimality', 'value', 'F(u, z) less its minimum (synthetic problems)', { couples: true }),
  envelope_gradient: evaluated(
    'envelope',
    'gradient',
    '||sum_j (1/lambda) grad phihat(u - z*_j)||, the gradient of the summed envelopes, by proximal solves for z*_j',
  ),
  envelope_loss_gradient: evaluated(
    'envelope',
    'lossGradient',
    '||sum_j grad f_j(z*_j)||: equal to envelope_gradient up to envelope_residual',
  ),
  envelope_residual: evaluated('envelope', 'residual', '||sum_j r_j||, what the proximal solves leave'),
  loss_gradient: evaluated('lossGradient', 'value', '||sum_j grad f_j(u)||, over monitor.envelope.samples'),
  residual_5a: evaluated('coupling', 'force', '||(1/lambda) sum_j grad phihat(u - z_j)||', { couples: true }),
  residual_5b: evaluated(
    'workerResiduals',
    'value',
    '||grad f_j(z_j) - (1/lambda) grad phihat(u - z_j)||, per worker, over monitor.envelope.samples',
    { perWorker: true, couples: true },
  ),
  minibatch_loss: {
    from: 'observed',
    description: 'mean loss of the batch of the last completed step, per worker',
    perWorker: true,
    read: ({ workers }) => valuesOf(workers).map(({ loss }) => loss),
  },
  staleness: {
    from: 'moves',
    description: 'version of u before the move less the version that the applied copy used, at every move',
    perWorker: true,
  },
  truncations: {
    from: 'observed',
    description: 'steps and moves shortened, and copies pulled back, to stay in the domain of the potential, so far',
    perWorker: false,
    read: ({ truncations }) => [truncations],
  },
  busy_fraction: {
    from: 'observed',
    description: 'share of virtual time spent in steps, per worker',
    perWorker: true,
    timed: true,
    read: (state, { timeNs }) => busyFractions(state, timeNs),
  },
  wait_fraction: {
    from: 'observed',
    description: 'share of virtual time spent waiting, per worker',
    perWorker: true,
    timed: true,
    read: (state, { timeNs }) =>
      busyFractions(state, timeNs).map((busy) => (busy === undefined ? undefined : 1 - busy)),
  },
  bytes_sent: {
    from: 'observed',
    description: 'bytes given to the network so far',
    perWorker: false,
    read: (_, { totals }) => [totals.bytes],
  },
  messages_lost: {
    from: 'observed',
    description: 'messages given to the network so far that will never arrive; every copy and attempt counts',
    perWorker: false,
    read: (_, { totals }) => [totals.lost],
  },
  worker_steps: {
    from: 'observed',
    description: 'steps that workers have completed so far, all together',
    perWorker: false,
    read: ({ steps }) => [steps],
  },
} as const satisfies Record<string, MeasureRow>;

export type MeasureName = keyof typeof measures;

/** Undefined while no virtual time has passed. */
function busyFractions({ workers }: MonitorState, timeNs: number): (number | undefined)[] {
  return valuesOf(workers).map(({ busyNs, startedNs, endsNs }) => {
    const running = startedNs === undefined ? 0 : Math.min(timeNs, endsNs) - startedNs;
    return timeNs === 0 ? undefined : (busyNs + running) / timeNs;
  });
}

/** The lines of one measure whose values are known. */
export function rowsOf(
  measure: MeasureName,
  iteration: number,
  values: readonly (number | undefined)[],
): Measurement[] {
  return values.flatMap((value, worker) => {
    if (value === undefined) return [];
    return [{ iteration, measure, ...(measures[measure].perWorker ? { worker } : {}), value }];
  });
}
