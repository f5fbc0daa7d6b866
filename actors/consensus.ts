/**
 * The consensus node: holds u and the newest message of every worker. When `quorum` distinct workers have
 * arrived since the last move, or some have and the deadline is over, u moves in zero virtual time, and just those workers
 * get the reply.
 */
import type { Behaviour, Effect, Facts, Message, Tensors, Transition } from '../src/kernel/effects.js';
import type { Vector } from '../src/vector.js';
import { workerName } from './names.js';
import { appended, listOf, valueAt, valuesOf, withValue, type PersistentList } from './persistentList.js';

export interface ConsensusOptions {
  /** M */
  readonly workers: number;
  /** u^0 = z_j^0, `[P]`. Until its first copy arrives a worker counts with z_j^0, which all nodes know. */
  readonly start: Float32Array;
  /** Whether u has a velocity, which begins at zero. */
  readonly momentum: boolean;
  /** Distinct workers that must arrive before a move, 1 ... M. */
  readonly quorum: number;
  /** Whether a move uses every worker's newest copy, or only those that arrived since the last move. */
  readonly combine: 'latest' | 'arrived';
  /** What those that arrived get: the u that has just moved, the one before, or nothing, where they asked before. */
  readonly handsOut: 'moved' | 'unmoved' | 'nothing';
  /** How many samples each worker has. */
  readonly weights: readonly number[];
  /** Whether workers must be told how far the slowest is. */
  readonly staleness: boolean;
  /** How long after the first arrival u moves with those that are there. */
  readonly deadlineNs: number | undefined;
  /** a: where those that arrived are s versions old on average, tau becomes (1 + s)^-a tau. */
  readonly damping: number;
  /** tau of the move that forms `version`, from 1. */
  readonly stepSize: (version: number) => number;
}

interface Arrival {
  readonly worker: number;
  readonly step: number;
  /** The version of u that the copy was computed with. */
  readonly version: number;
}

interface Delivered {
  /** A copy, or an update. */
  readonly copy: Vector;
  /** The step after which it was sent, -1 before the first. */
  readonly step: number;
  /** The version of u when it arrived, -1 before the first. */
  readonly at: number;
}

export interface ConsensusState {
  readonly u: Vector;
  /** The velocity of u, where it has one. */
  readonly v: Vector | undefined;
  readonly version: number;
  /** What every worker has delivered last. */
  readonly delivered: PersistentList<Delivered>;
  /** Arrivals since the last move, in order; only the newest one of a worker that has been restarted. */
  readonly arrived: PersistentList<Arrival>;
  readonly progress: Progress;
}

/** How far workers are. */
interface Progress {
  /** The newest step known of every worker. */
  readonly steps: PersistentList<number>;
  /** The least of them, and how many workers are no further. */
  readonly slowest: number;
  readonly last: number;
}

const none: PersistentList<Arrival> = listOf<Arrival>([]);

export function consensus(options: ConsensusOptions): Behaviour<ConsensusState> {
  const { workers, start, momentum, quorum } = options;
  return {
    init: () => ({
      state: {
        u: start,
        v: momentum ? new Float32Array(start.length) : undefined,
        version: 0,
        delivered: listOf(Array.from({ length: workers }, () => ({ copy: start, step: -1, at: -1 }))),
        arrived: none,
        progress: progressOf(listOf(Array.from({ length: workers }, () => 0))),
      },
      effects: [],
    }),
    receive: (state, message) => {
      switch (message.kind) {
        case 'deliver':
          return deliver(options, state, message);
        case 'progress':
          return tellSlowest(options, state, message.facts);
        case 'move':
          return move(options, state, message);
        case 'request':
          return answer(options, state, message.facts);
        case 'deadline':
          return isDue(state, message.facts) ? { state, effects: [startMove(options, state)] } : { state, effects: [] };
        case 'rejoin':
          return restart(options, state);
        default:
          throw new Error(`the consensus node does not understand ${message.kind}`);
      }
    },
    waiting: ({ arrived }) => `has ${arrived.length} of ${quorum} workers for its next move`,
  };
}

/** A copy is in: keeps it, and moves if it completes the quorum. */
function deliver(
  options: ConsensusOptions,
  before: ConsensusState,
  { facts, tensors }: Message,
): Transition<ConsensusState> {
  const { worker, step, version } = facts as Facts & Arrival;
  const { u, v, version: present, progress } = before;
  const last = valueAt(before.delivered, worker);
  const hasArrived = last.at === present;
  if (step <= last.step) {
    // It was sent again, and is known: the next move answers it, or the last one has, but its reply was lost.
    return hasArrived ? { state: before, effects: [] } : answer(options, before, facts);
  }
  const delivered = withValue(before.delivered, worker, { copy: tensors!['z']!, step, at: present });
  const others = hasArrived ? without(before.arrived, worker) : before.arrived;
  const arrived = appended(others, { worker, step, version });
  const held = { u, v, version: present, delivered, arrived, progress };
  const { state, effects } = tellSlowest(options, held, facts);
  if (arrived.length >= options.quorum) return { state, effects: [...effects, startMove(options, state)] };
  return { state, effects: before.arrived.length === 0 ? [...effects, ...deadline(options, state)] : effects };
}

function without(arrived: PersistentList<Arrival>, worker: number): PersistentList<Arrival> {
  return listOf(valuesOf(arrived).filter((arrival) => arrival.worker !== worker));
}

/** The end of waiting for more arrivals. */
function deadline({ deadlineNs: delayNs }: ConsensusOptions, { version }: ConsensusState): Effect[] {
  return delayNs === undefined ? [] : [{ effect: 'after', delayNs, message: { kind: 'deadline', facts: { version } } }];
}

/** Whether u has not moved since the deadline was set. */
function isDue({ version, arrived }: ConsensusState, facts: Facts): boolean {
  return facts['version'] === version && arrived.length > 0;
}

/** It is up again, as it was: those from which nothing is there send once more what is unanswered. */
function restart(options: ConsensusOptions, state: ConsensusState): Transition<ConsensusState> {
  const heard = new Set(valuesOf(state.arrived).map(({ worker }) => worker));
  const workers = Array.from({ length: options.workers }, (_, worker) => worker).filter((worker) => !heard.has(worker));
  const tell = workers.map((worker) => toWorker(worker, { kind: 'restarted', facts: { worker } }));
  return { state, effects: [...tell, ...(heard.size > 0 ? deadline(options, state) : [])] };
}

function startMove(options: ConsensusOptions, state: ConsensusState): Effect {
  const { combine, weights } = options;
  const { u, v, version, delivered } = state;
  const next = version + 1;
  const arrived = valuesOf(state.arrived);
  // Sums over workers run in worker order, whatever order the copies came in.
  const members = combine === 'latest' ? undefined : inWorkerOrder(arrived).map(({ worker }) => worker);
  const inputs = {
    u,
    z:
      members === undefined
        ? valuesOf(delivered).map(({ copy }) => copy)
        : members.map((worker) => valueAt(delivered, worker).copy),
    weights: Float32Array.from(members === undefined ? weights : members.map((worker) => weights[worker]!)),
    tau: Float32Array.of(stepSizeOf(options, state)),
    ...(v === undefined ? {} : { v }),
  };
  const facts = { version: next, from: arrived.map(({ worker, step }) => [worker, step]) };
  return {
    effect: 'compute',
    computation: { task: 'consensusMove', inputs },
    durationNs: 'instant',
    reply: { kind: 'move', facts },
  };
}

/** tau, damped by how old what arrived is. */
function stepSizeOf({ stepSize, damping }: ConsensusOptions, { version, arrived }: ConsensusState): number {
  const tau = stepSize(version + 1);
  if (damping === 0) return tau;
  const sum = valuesOf(arrived).reduce((total, arrival) => total + version - arrival.version, 0);
  const staleness = sum / arrived.length;
  return tau * Math.exp(-damping * Math.log1p(staleness));
}

/** u has moved: those that arrived get it, or what the method hands out instead. */
function move(
  { handsOut }: ConsensusOptions,
  before: ConsensusState,
  { facts, tensors }: Message,
): Transition<ConsensusState> {
  const version = facts['version'] as number;
  const { u, v = before.v, handed = u, truncations } = tensors as Partial<Tensors> & { u: Vector };
  const { delivered, progress } = before;
  const arrived = inWorkerOrder(valuesOf(before.arrived));
  const handedOut = handsOut === 'unmoved' ? { version: before.version, u: before.u } : { version, u: handed };
  const replies = arrived.map((arrival) => reply(arrival, handedOut));
  const staleness = arrived.map((arrival) => [arrival.worker, before.version - arrival.version]);
  const shown = { u, ...(truncations === undefined ? {} : { truncations }) };
  const observation = { kind: 'move', facts: { version, staleness }, tensors: shown };
  return {
    state: { u, v, version, delivered, arrived: none, progress },
    effects: [...(handsOut === 'nothing' ? [] : replies), { effect: 'observe', observation }],
  };
}

/** A worker asks for u, perhaps because it was down. */
function answer(options: ConsensusOptions, state: ConsensusState, facts: Facts): Transition<ConsensusState> {
  const { worker, step } = facts as Facts & { worker: number; step: number };
  const slowest = options.staleness ? [tell(worker, state.progress.slowest)] : [];
  return { state, effects: [reply({ worker, step }, state), ...slowest] };
}

/** Hands out u to what `worker` sent after `step`. */
function reply(
  { worker, step }: { readonly worker: number; readonly step: number },
  { version, u }: { readonly version: number; readonly u: Vector },
): Effect {
  return toWorker(worker, { kind: 'reply', facts: { worker, version }, tensors: { u }, answers: step });
}

/** Tells a worker how far the slowest is. */
function tell(worker: number, step: number): Effect {
  return toWorker(worker, { kind: 'slowest', facts: { worker, step } });
}

function toWorker(worker: number, message: Message): Effect {
  return { effect: 'send', to: workerName(worker), message };
}

/** Notes how far a worker is; when the slowest has gained, and workers must know, tells them. */
function tellSlowest({ staleness }: ConsensusOptions, state: ConsensusState, facts: Facts): Transition<ConsensusState> {
  if (!staleness) return { state, effects: [] };
  const { worker, step } = facts as Facts & { worker: number; step: number };
  const progress = advanced(state.progress, worker, step);
  const { slowest, steps } = progress;
  const gained = slowest > state.progress.slowest;
  const all = gained ? Array.from({ length: steps.length }, (_, index) => tell(index, slowest)) : [];
  return { state: { ...state, progress }, effects: all };
}

function advanced(progress: Progress, worker: number, step: number): Progress {
  const known = valueAt(progress.steps, worker);
  if (step <= known) return progress;
  const steps = withValue(progress.steps, worker, step);
  if (known > progress.slowest) return { ...progress, steps };
  return progress.last > 1 ? { ...progress, steps, last: progress.last - 1 } : progressOf(steps);
}

function progressOf(steps: PersistentList<number>): Progress {
  const values = valuesOf(steps);
  const slowest = values.reduce((least, step) => Math.min(least, step));
  return { steps, slowest, last: values.filter((step) => step === slowest).length };
}

function inWorkerOrder(arrived: readonly Arrival[]): Arrival[] {
  return [...arrived].sort((a, b) => a.worker - b.worker);
}
