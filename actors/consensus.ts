/**
 * The consensus node: holds u and the newest message of every worker. When `quorum` distinct workers have
 * arrived since the last move, u moves in zero virtual time, and just those workers get the reply.
 */
import type { Behaviour, Effect, Facts, Message, Tensors, Transition } from '../src/kernel/effects.js';
import { workerName } from './names.js';

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
  /** tau of the move that forms `version`, from 1. */
  readonly stepSize: (version: number) => number;
}

interface Arrival {
  readonly worker: number;
  readonly step: number;
  /** The version of u that the copy was computed with. */
  readonly version: number;
}

export interface ConsensusState {
  readonly u: Float32Array;
  /** The velocity of u, where it has one. */
  readonly v: Float32Array | undefined;
  readonly version: number;
  /** The newest delivered copy, or update, of every worker. */
  readonly copies: readonly Float32Array[];
  /** Arrivals since the last move, in order. */
  readonly arrived: readonly Arrival[];
  /** The newest step known of every worker. */
  readonly progress: readonly number[];
}

export function consensus(options: ConsensusOptions): Behaviour<ConsensusState> {
  const { workers, start, momentum, quorum } = options;
  return {
    init: () => ({
      state: {
        u: start,
        v: momentum ? new Float32Array(start.length) : undefined,
        version: 0,
        copies: Array.from({ length: workers }, () => start),
        arrived: [],
        progress: Array.from({ length: workers }, () => 0),
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
          return answer(state, message.facts);
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
  const arrival = facts as Facts & Arrival;
  const copies = before.copies.with(arrival.worker, tensors!['z']!);
  const { worker, step, version } = arrival;
  const told = tellSlowest(
    options,
    { ...before, copies, arrived: [...before.arrived, { worker, step, version }] },
    facts,
  );
  if (told.state.arrived.length < options.quorum) return told;
  return { state: told.state, effects: [...told.effects, startMove(options, told.state)] };
}

function startMove(options: ConsensusOptions, { u, v, version, copies, arrived }: ConsensusState): Effect {
  const { combine, stepSize, weights } = options;
  const next = version + 1;
  // Sums over workers run in worker order, whatever order the copies came in.
  const members = combine === 'latest' ? undefined : inWorkerOrder(arrived).map(({ worker }) => worker);
  const inputs = {
    u,
    ...(v === undefined ? {} : { v }),
    z: members === undefined ? copies : members.map((worker) => copies[worker]!),
    weights: Float32Array.from(members === undefined ? weights : members.map((worker) => weights[worker]!)),
    tau: Float32Array.of(stepSize(next)),
  };
  const facts = { version: next, from: arrived.map(({ worker, step }) => [worker, step]) };
  return {
    effect: 'compute',
    computation: { task: 'consensusMove', inputs },
    durationNs: 'instant',
    reply: { kind: 'move', facts },
  };
}

/** u has moved: those that arrived get it, or what the method hands out instead. */
function move(
  { handsOut }: ConsensusOptions,
  before: ConsensusState,
  { facts, tensors }: Message,
): Transition<ConsensusState> {
  const version = facts['version'] as number;
  const { u, v = before.v, handed = u, truncations } = tensors as Partial<Tensors> & { u: Float32Array };
  const arrived = inWorkerOrder(before.arrived);
  const replies = arrived.map(({ worker }) =>
    handsOut === 'unmoved' ? reply(worker, before.version, before.u) : reply(worker, version, handed),
  );
  const staleness = arrived.map((arrival) => [arrival.worker, before.version - arrival.version]);
  const shown = { u, ...(truncations === undefined ? {} : { truncations }) };
  const observation = { kind: 'move', facts: { version, staleness }, tensors: shown };
  return {
    state: { ...before, u, v, version, arrived: [] },
    effects: [...(handsOut === 'nothing' ? [] : replies), { effect: 'observe', observation }],
  };
}

/** A worker asks for u. */
function answer(state: ConsensusState, facts: Facts): Transition<ConsensusState> {
  return { state, effects: [reply(facts['worker'] as number, state.version, state.u)] };
}

function reply(worker: number, version: number, u: Float32Array): Effect {
  const message = { kind: 'reply', facts: { worker, version }, tensors: { u } };
  return { effect: 'send', to: workerName(worker), message };
}

/** Notes how far a worker is; when the slowest has gained, and workers must know, tells them. */
function tellSlowest({ staleness }: ConsensusOptions, state: ConsensusState, facts: Facts): Transition<ConsensusState> {
  if (!staleness) return { state, effects: [] };
  const { worker, step } = facts as Facts & { worker: number; step: number };
  const progress = state.progress.with(worker, Math.max(state.progress[worker]!, step));
  const slowest = Math.min(...progress);
  const gained = slowest > Math.min(...state.progress);
  const tell = (_: number, index: number): Effect => {
    return {
      effect: 'send',
      to: workerName(index),
      message: { kind: 'slowest', facts: { worker: index, step: slowest } },
    };
  };
  return { state: { ...state, progress }, effects: gained ? progress.map(tell) : [] };
}

function inWorkerOrder(arrived: readonly Arrival[]): Arrival[] {
  return [...arrived].sort((a, b) => a.worker - b.worker);
}
