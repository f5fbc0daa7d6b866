/**
 * The consensus node: holds u and the newest copy of every worker. When `quorum` distinct workers have
 * arrived since the last move, u moves in zero virtual time, and just those workers get the reply.
 */
import type { Behaviour, Effect, Facts, Message, Transition } from '../src/kernel/effects.js';
import { workerName } from './names.js';

export interface ConsensusOptions {
  /** M */
  readonly workers: number;
  /** u^0 = z_j^0, `[P]`. Until its first copy arrives a worker counts with z_j^0, which all nodes know. */
  readonly start: Float32Array;
  /** Distinct workers that must arrive before a move, 1 ... M. */
  readonly quorum: number;
  /** Whether a move uses every worker's newest copy, or only those that arrived since the last move. */
  readonly combine: 'latest' | 'arrived';
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
  readonly version: number;
  /** The newest delivered copy of every worker. */
  readonly copies: readonly Float32Array[];
  /** Arrivals since the last move, in order. */
  readonly arrived: readonly Arrival[];
  /** The newest step known of every worker. */
  readonly progress: readonly number[];
}

export function consensus(options: ConsensusOptions): Behaviour<ConsensusState> {
  const { workers, start, quorum } = options;
  return {
    init: () => ({
      state: {
        u: start,
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
          return move(state, message);
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

function startMove({ combine, stepSize }: ConsensusOptions, { u, version, copies, arrived }: ConsensusState): Effect {
  const next = version + 1;
  // Sums over workers run in worker order, whatever order the copies came in.
  const z = combine === 'latest' ? copies : inWorkerOrder(arrived).map(({ worker }) => copies[worker]!);
  const facts = { version: next, from: arrived.map(({ worker, step }) => [worker, step]) };
  return {
    effect: 'compute',
    computation: { task: 'consensusMove', inputs: { u, z, tau: Float32Array.of(stepSize(next)) } },
    durationNs: 'instant',
    reply: { kind: 'move', facts },
  };
}

/** u has moved: those that arrived get it. */
function move(before: ConsensusState, { facts, tensors }: Message): Transition<ConsensusState> {
  const version = facts['version'] as number;
  const u = tensors!['u']!;
  const arrived = inWorkerOrder(before.arrived);
  const replies = arrived.map(({ worker }): Effect => {
    return {
      effect: 'send',
      to: workerName(worker),
      message: { kind: 'reply', facts: { worker, version }, tensors: { u } },
    };
  });
  const staleness = arrived.map((arrival) => [arrival.worker, before.version - arrival.version]);
  const observation = { kind: 'move', facts: { version, staleness }, tensors: { u } };
  return {
    state: { ...before, u, version, arrived: [] },
    effects: [...replies, { effect: 'observe', observation }],
  };
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
