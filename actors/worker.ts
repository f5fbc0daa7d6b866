/**
 * A worker: holds z_j and its velocity v_j, steps on its own samples, and exchanges with the consensus node.
 *
 * An exchange point comes at the start and after every `localSteps` steps: the worker sends its copy z_j, or the update
 * that its method makes of it, at most one exchange being outstanding, and waits for the reply unless `overlap` lets it
 * go on. In a split exchange it asks for u first, and then sends what follows from it without waiting. A worker that is up
 * again, or joins later, begins by asking for u; where the consensus node is up again, it sends once more what is
 * unanswered.
 */
import type { Behaviour, Context, Effect, Message, Tensors, Transition } from '../src/kernel/effects.js';
import type { Stream } from '../src/kernel/streams.js';
import type { Vector } from '../src/vector.js';
import { consensusName } from './names.js';

export interface WorkerOptions {
  /** j, from 0. */
  readonly worker: number;
  /** u^0 = z_j^0, `[P]`. */
  readonly start: Float32Array;
  /** Steps between two exchanges, from 1; the first such period where that is adaptive. */
  readonly localSteps: number;
  /** Whether the period falls with the loss. */
  readonly adaptivePeriod: boolean;
  /** Whether steps go on while an exchange is outstanding. */
  readonly overlap: boolean;
  /** Whether it sends its copy, or updates, of which the first is zero. */
  readonly sends: 'copies' | 'updates';
  /** Whether it takes no part until a `rejoin` comes. */
  readonly joinsLater: boolean;
  /** Whether it asks for u before it sends, and the computation `elastic` says what. */
  readonly split: boolean;
  /** How many steps this worker may start ahead of the slowest; undefined for any number. */
  readonly stalenessMax: number | undefined;
  /** The samples of the next step. `state` is what the last draw returned. */
  readonly sampling: {
    readonly start: unknown;
    readonly draw: (state: unknown, stream: Stream) => { indices: Int32Array; state: unknown };
  };
  /** Whether the monitor measures how long steps take, and is shown when they start. */
  readonly showsStarts: boolean;
  /** Draws the duration of a step that starts now, in nanoseconds. */
  readonly stepNs: (context: Context) => number;
  /** sigma of step `step`, from 1. */
  readonly stepSize: (step: number) => number;
}

export interface WorkerState {
  readonly z: Vector;
  readonly v: Vector;
  /** What the next exchange sends, `[P]`. */
  readonly sent: Vector;
  /** The newest u received, and its version. */
  readonly u: Vector;
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
  /** What it has sent and has no reply to. */
  readonly awaiting: Message | undefined;
  /** An exchange point is reached and z_j not yet sent. */
  readonly due: boolean;
  /** It has been restarted without its memory, and takes the next u as its z_j. */
  readonly blank: boolean;
  readonly pace: Pace;
  /** Completed steps of the slowest worker, as far as known here. */
  readonly slowest: number;
  readonly sampling: unknown;
}

/** When the next exchange point comes. */
interface Pace {
  /** The step of the last one, and how many steps lie between it and the next. */
  readonly from: number;
  readonly period: number;
  /** The sum of the losses since then, and their mean in the first period. */
  readonly lossSum: number;
  readonly firstLoss: number | undefined;
}

export function worker(options: WorkerOptions): Behaviour<WorkerState> {
  return {
    init: (context) => {
      const state = initialState(options);
      return options.joinsLater
        ? { state: { ...state, awaiting: request(options, state), due: false }, effects: [] }
        : advance(options, state, context);
    },
    receive: (state, message, context) =>
      isForgotten(state, message)
        ? { state, effects: [] }
        : advance(options, accept(options, state, message), context, message),
    waiting: (state) => reasonToWait(options, state),
  };
}

function initialState({ start, sends, sampling, localSteps }: WorkerOptions): WorkerState {
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
    awaiting: undefined,
    due: true,
    blank: false,
    pace: { from: 0, period: localSteps, lossSum: 0, firstLoss: undefined },
    slowest: 0,
    sampling: sampling.start,
  };
}

/** What a spread would give, in a tenth of its time: this happens several times a step. */
function changed(state: WorkerState, changes: Partial<WorkerState>): WorkerState {
  const same = {
    z: state.z,
    v: state.v,
    sent: state.sent,
    u: state.u,
    version: state.version,
    steps: state.steps,
    usedVersion: state.usedVersion,
    computing: state.computing,
    fresh: state.fresh,
    pulling: state.pulling,
    awaiting: state.awaiting,
    due: state.due,
    blank: state.blank,
    pace: state.pace,
    slowest: state.slowest,
    sampling: state.sampling,
  };
  return Object.assign(same, changes);
}

/** A reply to what was sent before a crash, and has been asked for anew. */
function isForgotten({ awaiting }: WorkerState, { kind, answers }: Message): boolean {
  return kind === 'reply' && answers !== awaiting?.facts['step'];
}

/** What a message changes, before anything is done about it. */
function accept(options: WorkerOptions, state: WorkerState, { kind, facts, tensors }: Message): WorkerState {
  switch (kind) {
    case 'reply': {
      const version = facts['version'] as number;
      const u = tensors!['u']!;
      const own = state.blank ? changed(state, { z: u, v: new Float32Array(u.length), blank: false }) : state;
      return changed(own, { u, version, fresh: true, awaiting: undefined, pulling: options.split });
    }
    case 'rejoin':
      // What was computed is lost. Its step numbers go on: they number its messages.
      return {
        ...state,
        computing: false,
        pulling: false,
        awaiting: request(options, state),
        due: false,
        blank: state.blank || facts['memory'] === 'lost',
        pace: { ...state.pace, from: state.steps, lossSum: 0 },
      };
    case 'elastic':
      return { ...state, sent: tensors!['sent']!, usedVersion: state.version, pulling: false };
    case 'restarted':
      return state;
    case 'slowest':
      return { ...state, slowest: Math.max(state.slowest, facts['step'] as number) };
    case 'step': {
      const steps = facts['step'] as number;
      const { z, v = state.v, sent = z } = tensors as Partial<Tensors> & { z: Vector };
      const pace = nextPace(options, state.pace, { steps, loss: (tensors!['loss'] as Float32Array)[0]! });
      const due = pace.from === steps;
      const usedVersion = facts['version'] as number;
      return changed(state, { z, v, sent, steps, pace, usedVersion, computing: false, due });
    }
    default:
      throw new Error(`a worker does not understand ${kind}`);
  }
}

/**
 * The pace after a step. An adaptive period is tau_0 sqrt(F / F_0), rounded up, of the mean batch losses F in the last
 * period and F_0 in the first one (AdaComm: Wang and Joshi 2019, eq. 17): seldom at first, often towards the end.
 */
function nextPace(
  { localSteps, adaptivePeriod }: WorkerOptions,
  pace: Pace,
  { steps, loss }: { readonly steps: number; readonly loss: number },
): Pace {
  const lossSum = pace.lossSum + loss;
  const done = steps - pace.from;
  if (done < pace.period) return { ...pace, lossSum };
  const mean = lossSum / done;
  const firstLoss = pace.firstLoss ?? mean;
  const period = adaptivePeriod ? Math.max(1, Math.ceil(localSteps * Math.sqrt(mean / firstLoss))) : localSteps;
  return { from: steps, period, lossSum: 0, firstLoss };
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
  if (message?.kind === 'elastic') effects.push(toConsensus(deliver(options, state)));
  if (message?.kind === 'rejoin' || message?.kind === 'restarted') effects.push(...askAgain(options, state));
  if (state.due && state.awaiting === undefined) {
    const awaiting = options.split ? request(options, state) : deliver(options, state);
    effects.push(toConsensus(awaiting));
    state = changed(state, { due: false, awaiting });
  } else if (finished) {
    effects.push(...progress(options, state));
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
  if (state.blank) return `waits for u to start again from after step ${state.steps}`;
  if (state.awaiting !== undefined && (state.due || !overlap)) {
    return `waits for the reply to what it sent after step ${state.awaiting.facts['step'] as number}`;
  }
  if (stalenessMax !== undefined && state.steps - state.slowest > stalenessMax) {
    return `waits after step ${state.steps} for the slowest worker, last known at step ${state.slowest}`;
  }
  return undefined;
}

function startStep(options: WorkerOptions, state: WorkerState, context: Context): Transition<WorkerState> {
  const { indices, state: sampling } = options.sampling.draw(state.sampling, context.random('samples'));
  const durationNs = options.stepNs(context);
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
  const effects: Effect[] = [
    { effect: 'compute', computation: { task: 'workerStep', inputs }, durationNs, reply: { kind: 'step', facts } },
  ];
  if (options.showsStarts) effects.push(showStart(options, durationNs));
  return { state: changed(state, { computing: true, fresh: false, sampling }), effects };
}

function showStart({ worker }: WorkerOptions, durationNs: number): Effect {
  return { effect: 'observe', observation: { kind: 'start', facts: { worker, durationNs } } };
}

function showStep({ worker }: WorkerOptions, { steps }: WorkerState, { z, loss, truncations }: Tensors): Effect {
  const tensors = { z: z!, loss: loss!, ...(truncations === undefined ? {} : { truncations }) };
  return { effect: 'observe', observation: { kind: 'step', facts: { worker, step: steps }, tensors } };
}

function toConsensus(message: Message): Effect {
  return { effect: 'send', to: consensusName, message };
}

function deliver({ worker }: WorkerOptions, { sent, steps, usedVersion }: WorkerState): Message {
  return { kind: 'deliver', facts: { worker, step: steps, version: usedVersion }, tensors: { z: sent } };
}

/** Asks for u. */
function request({ worker }: WorkerOptions, { steps }: WorkerState): Message {
  return { kind: 'request', facts: { worker, step: steps } };
}

/** What may have been lost. */
function askAgain(options: WorkerOptions, state: WorkerState): Effect[] {
  return [...(state.awaiting === undefined ? [] : [toConsensus(state.awaiting)]), ...progress(options, state)];
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

/** How far it is, where workers must know that of each other. */
function progress({ worker, stalenessMax }: WorkerOptions, { steps }: WorkerState): Effect[] {
  return stalenessMax === undefined ? [] : [toConsensus({ kind: 'progress', facts: { worker, step: steps } })];
}
