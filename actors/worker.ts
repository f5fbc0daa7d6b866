/**
 * A worker: holds z_j and its velocity v_j, steps on its own samples, and exchanges with the consensus node.
 *
 * An exchange point comes at the start and after every `localSteps` steps: the worker sends its copy z_j, or the update
 * that its method makes of it, at most one exchange being outstanding, and waits for the reply unless `overlap` lets it
 * go on. In a split exchange it asks for u first, and then sends what follows from it without waiting.
 */
import type { Behaviour, Context, Effect, Message, Tensors, Transition } from '../src/kernel/effects.js';
import type { Stream } from '../src/kernel/streams.js';
import { consensusName } from './names.js';

export interface WorkerOptions {
  /** j, from 0. */
  readonly worker: number;
  /** u^0 = z_j^0, `[P]`. */
  readonly start: Float32Array;
  /** Steps between two exchanges, from 1. */
  readonly localSteps: number;
  /** Whether steps go on while an exchange is outstanding. */
  readonly overlap: boolean;
  /** Whether it sends its copy, or updates, of which the first is zero. */
  readonly sends: 'copies' | 'updates';
  /** Whether it asks for u before it sends, and the computation `elastic` says what. */
  readonly split: boolean;
  /** How many steps this worker may start ahead of the slowest; undefined for any number. */
  readonly stalenessMax: number | undefined;
  /** The samples of the next step. `state` is what the last draw returned. */
  readonly sampling: {
    readonly start: unknown;
    readonly draw: (state: unknown, stream: Stream) => { indices: Int32Array; state: unknown };
  };
  /** Draws the duration of a step, in nanoseconds. */
  readonly stepNs: (stream: Stream) => number;
  /** sigma of step `step`, from 1. */
  readonly stepSize: (step: number) => number;
}

export interface WorkerState {
  readonly z: Float32Array;
  readonly v: Float32Array;
  /** What the next exchange sends, `[P]`. */
  readonly sent: Float32Array;
  /** The newest u received, and its version. */
  readonly u: Float32Array;
  readonly version: number;
  /** Completed steps. */
  readonly steps: number;
  /** The version of the u that the last completed step used. */
  readonly usedVersion: number;
  readonly computing: boolean;
  /** u has come, and no step has used it yet. */
  readonly fresh: boolean;
  /** In a split exchange, what to send is being computed. */
  readonly pulling: boolean;
  /** An exchange is outstanding. */
  readonly awaiting: boolean;
  /** An exchange point is reached and z_j not yet sent. */
  readonly due: boolean;
  /** Completed steps of the slowest worker, as far as known here. */
  readonly slowest: number;
  readonly sampling: unknown;
}

export function worker(options: WorkerOptions): Behaviour<WorkerState> {
  return {
    init: (context) => advance(options, initialState(options), context),
    receive: (state, message, context) => advance(options, accept(options, state, message), context, message),
    waiting: (state) => reasonToWait(options, state),
  };
}

function initialState({ start, sends, sampling }: WorkerOptions): WorkerState {
  const zero = new Float32Array(start.length);
  return {
    z: start,
    v: zero,
    sent: sends === 'copies' ? start : zero,
    u: start,
    version: 0,
    steps: 0,
    usedVersion: 0,
    computing: false,
    fresh: false,
    pulling: false,
    awaiting: false,
    due: true,
    slowest: 0,
    sampling: sampling.start,
  };
}

/** What a message changes, before anything is done about it. */
function accept(
  { localSteps, split }: WorkerOptions,
  state: WorkerState,
  { kind, facts, tensors }: Message,
): WorkerState {
  switch (kind) {
    case 'reply': {
      const version = facts['version'] as number;
      return { ...state, u: tensors!['u']!, version, fresh: true, awaiting: false, pulling: split };
    }
    case 'elastic':
      return { ...state, sent: tensors!['sent']!, usedVersion: state.version, pulling: false };
    case 'slowest':
      return { ...state, slowest: Math.max(state.slowest, facts['step'] as number) };
    case 'step': {
      const steps = facts['step'] as number;
      const { z, v = state.v, sent = z } = tensors as Partial<Tensors> & { z: Float32Array };
      const due = steps % localSteps === 0;
      return { ...state, z, v, sent, steps, usedVersion: facts['version'] as number, computing: false, due };
    }
    default:
      throw new Error(`a worker does not understand ${kind}`);
  }
}

/** Does all that the state allows: shows a finished step, sends z_j, starts the next step. */
function advance(
  options: WorkerOptions,
  accepted: WorkerState,
  context: Context,
  message?: Message,
): Transition<WorkerState> {
  const effects: Effect[] = [];
  let state = accepted;
  const finished = message?.kind === 'step';
  if (finished) effects.push(showStep(options, state, message.tensors!));
  if (message?.kind === 'reply' && state.pulling) effects.push(computePull(options, state));
  if (message?.kind === 'elastic') effects.push(send(options, state));
  if (state.due && !state.awaiting) {
    effects.push(options.split ? request(options, state) : send(options, state));
    state = { ...state, due: false, awaiting: true };
  } else if (finished && options.stalenessMax !== undefined) {
    effects.push(sendProgress(options, state));
  }
  if (!state.computing && reasonToWait(options, state) === undefined) {
    const started = startStep(options, state, context);
    state = started.state;
    effects.push(...started.effects);
  }
  return { state, effects };
}

/** Why no step may start now; undefined where one may, or runs already. */
function reasonToWait({ overlap, stalenessMax }: WorkerOptions, state: WorkerState): string | undefined {
  if (state.computing) return undefined;
  if (state.pulling) return 'computes what it sends';
  if (state.awaiting && (state.due || !overlap)) return `waits for the reply to what it sent after step ${state.steps}`;
  if (stalenessMax !== undefined && state.steps - state.slowest > stalenessMax) {
    return `waits after step ${state.steps} for the slowest worker, last known at step ${state.slowest}`;
  }
  return undefined;
}

function startStep(options: WorkerOptions, state: WorkerState, context: Context): Transition<WorkerState> {
  const { indices, state: sampling } = options.sampling.draw(state.sampling, context.random('samples'));
  const durationNs = options.stepNs(context.random('stepTime'));
  const { z, v, u, version, fresh } = state;
  const step = state.steps + 1;
  const inputs = {
    z,
    v,
    u,
    sigma: Float32Array.of(options.stepSize(step)),
    fresh: Float32Array.of(fresh ? 1 : 0),
    inputs: { table: 'train/inputs', indices },
    targets: { table: 'train/targets', indices },
  };
  const facts = { worker: options.worker, step, version, samples: Array.from(indices) };
  return {
    state: { ...state, computing: true, fresh: false, sampling },
    effects: [
      { effect: 'compute', computation: { task: 'workerStep', inputs }, durationNs, reply: { kind: 'step', facts } },
      { effect: 'observe', observation: { kind: 'start', facts: { worker: options.worker, durationNs } } },
    ],
  };
}

function showStep({ worker }: WorkerOptions, { steps }: WorkerState, { z, loss, truncations }: Tensors): Effect {
  const tensors = { z: z!, loss: loss!, ...(truncations === undefined ? {} : { truncations }) };
  return { effect: 'observe', observation: { kind: 'step', facts: { worker, step: steps }, tensors } };
}

function send({ worker }: WorkerOptions, { sent, steps, usedVersion }: WorkerState): Effect {
  const facts = { worker, step: steps, version: usedVersion };
  return { effect: 'send', to: consensusName, message: { kind: 'deliver', facts, tensors: { z: sent } } };
}

/** Asks for u. */
function request({ worker }: WorkerOptions, { steps }: WorkerState): Effect {
  return { effect: 'send', to: consensusName, message: { kind: 'request', facts: { worker, step: steps } } };
}

/** In zero time, what a split exchange sends: its event in the log says with which u. */
function computePull({ worker }: WorkerOptions, { z, u, steps, version }: WorkerState): Effect {
  return {
    effect: 'compute',
    computation: { task: 'elastic', inputs: { z, u } },
    durationNs: 'instant',
    reply: { kind: 'elastic', facts: { worker, step: steps, version } },
  };
}

function sendProgress({ worker }: WorkerOptions, { steps }: WorkerState): Effect {
  return { effect: 'send', to: consensusName, message: { kind: 'progress', facts: { worker, step: steps } } };
}
