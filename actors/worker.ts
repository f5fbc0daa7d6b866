/**
 * A worker: holds z_j and its velocity v_j, steps on its own samples, and exchanges copies with the
 * consensus node.
 *
 * An exchange point comes at the start and after every `localSteps` steps: the worker sends z_j, at most one
 * exchange being outstanding, and waits for the reply unless `overlap` lets it go on.
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
  /** The newest u received, and its version. */
  readonly u: Float32Array;
  readonly version: number;
  /** Completed steps. */
  readonly steps: number;
  /** The version of the u that the last completed step used. */
  readonly usedVersion: number;
  readonly computing: boolean;
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

function initialState({ start, sampling }: WorkerOptions): WorkerState {
  return {
    z: start,
    v: new Float32Array(start.length),
    u: start,
    version: 0,
    steps: 0,
    usedVersion: 0,
    computing: false,
    awaiting: false,
    due: true,
    slowest: 0,
    sampling: sampling.start,
  };
}

/** What a message changes, before anything is done about it. */
function accept({ localSteps }: WorkerOptions, state: WorkerState, { kind, facts, tensors }: Message): WorkerState {
  switch (kind) {
    case 'reply':
      return { ...state, u: tensors!['u']!, version: facts['version'] as number, awaiting: false };
    case 'slowest':
      return { ...state, slowest: Math.max(state.slowest, facts['step'] as number) };
    case 'step': {
      const steps = facts['step'] as number;
      const { z, v } = tensors as Tensors & { z: Float32Array; v: Float32Array };
      const due = steps % localSteps === 0;
      return { ...state, z, v, steps, usedVersion: facts['version'] as number, computing: false, due };
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
  if (finished) effects.push(showStep(options, state, message.tensors!['loss']!));
  if (state.due && !state.awaiting) {
    effects.push(sendCopy(options, state));
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
  if (state.awaiting && (state.due || !overlap)) return `waits for the reply to its copy of step ${state.steps}`;
  if (stalenessMax !== undefined && state.steps - state.slowest > stalenessMax) {
    return `waits after step ${state.steps} for the slowest worker, last known at step ${state.slowest}`;
  }
  return undefined;
}

function startStep(options: WorkerOptions, state: WorkerState, context: Context): Transition<WorkerState> {
  const { indices, state: sampling } = options.sampling.draw(state.sampling, context.random('samples'));
  const durationNs = options.stepNs(context.random('stepTime'));
  const { z, v, u, version } = state;
  const step = state.steps + 1;
  const inputs = {
    z,
    v,
    u,
    sigma: Float32Array.of(options.stepSize(step)),
    inputs: { table: 'train/inputs', indices },
    targets: { table: 'train/targets', indices },
  };
  const facts = { worker: options.worker, step, version, samples: Array.from(indices) };
  return {
    state: { ...state, computing: true, sampling },
    effects: [
      { effect: 'compute', computation: { task: 'workerStep', inputs }, durationNs, reply: { kind: 'step', facts } },
      { effect: 'observe', observation: { kind: 'start', facts: { worker: options.worker, durationNs } } },
    ],
  };
}

function showStep({ worker }: WorkerOptions, { z, steps }: WorkerState, loss: Float32Array): Effect {
  return { effect: 'observe', observation: { kind: 'step', facts: { worker, step: steps }, tensors: { z, loss } } };
}

function sendCopy({ worker }: WorkerOptions, { z, steps, usedVersion }: WorkerState): Effect {
  const facts = { worker, step: steps, version: usedVersion };
  return { effect: 'send', to: consensusName, message: { kind: 'deliver', facts, tensors: { z } } };
}

function sendProgress({ worker }: WorkerOptions, { steps }: WorkerState): Effect {
  return { effect: 'send', to: consensusName, message: { kind: 'progress', facts: { worker, step: steps } } };
}
