import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { consensus, type ConsensusOptions, type ConsensusState } from '../../actors/consensus.js';
import type { Effect, Message, Transition } from '../../src/kernel/effects.js';
import { contextOf, only } from './context.js';

const start = Float32Array.of(0.5, 0.5);
const context = contextOf('consensus');

/** Four workers; tau of version t is 1/t. */
const defaults: ConsensusOptions = {
  workers: 4,
  start,
  momentum: false,
  quorum: 4,
  combine: 'latest',
  handsOut: 'moved',
  weights: [1, 1, 1, 1],
  staleness: false,
  deadlineNs: undefined,
  damping: 0,
  stepSize: (version) => 1 / version,
};

/** The copy of `worker` after `step`: z = (worker, step). */
function copyOf(worker: number, step: number): Float32Array {
  return Float32Array.of(worker, step);
}

function deliver(worker: number, step: number, version = 0): Message {
  return { kind: 'deliver', facts: { worker, step, version }, tensors: { z: copyOf(worker, step) } };
}

function moved(version: number): Message {
  return { kind: 'move', facts: { version, from: [] }, tensors: { u: Float32Array.of(version, -version) } };
}

function progress(worker: number, step: number): Message {
  return { kind: 'progress', facts: { worker, step } };
}

function play(options: Partial<ConsensusOptions>, messages: readonly Message[]): Transition<ConsensusState>[] {
  const behaviour = consensus({ ...defaults, ...options });
  const transitions = [behaviour.init(context)];
  for (const message of messages) transitions.push(behaviour.receive(transitions.at(-1)!.state, message, context));
  return transitions;
}

function effectsOf(options: Partial<ConsensusOptions>, messages: readonly Message[]): readonly Effect[] {
  return play(options, messages).at(-1)!.effects;
}

/** The move that `messages` set off. */
function moveOf(options: Partial<ConsensusOptions>, messages: readonly Message[]) {
  const moves = only('compute', effectsOf(options, messages));
  expect(moves).toHaveLength(1);
  return moves[0]!;
}

const allOrders = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });

describe('the consensus node', () => {
  it('does nothing at the start', () => {
    expect(play({}, [])[0]!.effects).toEqual([]);
  });

  it.each([1, 2, 3, 4])('moves when %d workers have arrived, and not before', (quorum) => {
    const messages = [2, 0, 3, 1].slice(0, quorum).map((worker) => deliver(worker, 0));
    const effects = play({ quorum }, messages).map((transition) => transition.effects.length);
    expect(effects).toEqual([...Array.from({ length: quorum }, () => 0), 1]);
  });

  it('moves in zero time, from u and the copies, with the tau of the new version', () => {
    const move = moveOf({ quorum: 2, combine: 'latest' }, [deliver(3, 0), deliver(1, 5)]);
    expect(move).toEqual({
      effect: 'compute',
      computation: {
        task: 'consensusMove',
        inputs: {
          u: start,
          z: [start, copyOf(1, 5), start, copyOf(3, 0)],
          weights: Float32Array.of(1, 1, 1, 1),
          tau: Float32Array.of(1),
        },
      },
      durationNs: 'instant',
      reply: {
        kind: 'move',
        facts: {
          version: 1,
          from: [
            [3, 0],
            [1, 5],
          ],
        },
      },
    });
  });

  it('gives a move the weights of the workers that it takes', () => {
    const options = { quorum: 2, combine: 'arrived', weights: [10, 20, 30, 40] } as const;
    const { computation } = moveOf(options, [deliver(3, 0), deliver(1, 5)]);
    expect(computation.inputs['weights']).toEqual(Float32Array.of(20, 40));
  });

  it('hands out the u before the move where the method wants it, under its own version', () => {
    const sent = play({ quorum: 2, handsOut: 'unmoved' }, [deliver(3, 0), deliver(1, 5), moved(1)]).at(-1)!;
    expect(only('send', sent.effects).map(({ message }) => [message.facts['version'], message.tensors!['u']])).toEqual([
      [0, start],
      [0, start],
    ]);
  });

  it('answers a request with its present u, at once and without a move', () => {
    const request = { kind: 'request', facts: { worker: 2, step: 4 } };
    const [before, after] = play({ quorum: 1, handsOut: 'nothing' }, [request]);
    expect(after!.state).toBe(before!.state);
    expect(after!.effects).toEqual([
      {
        effect: 'send',
        to: 'worker-2',
        message: { kind: 'reply', facts: { worker: 2, version: 0 }, tensors: { u: start }, answers: 4 },
      },
    ]);
  });

  it('counts a worker that was restarted once, with its newest copy', () => {
    const messages = [deliver(1, 4), deliver(1, 5, 2), deliver(2, 3)];
    const move = moveOf({ quorum: 2, combine: 'arrived' }, messages);
    expect(move.computation.inputs['z']).toEqual([copyOf(1, 5), copyOf(2, 3)]);
    expect(move.reply.facts['from']).toEqual([
      [1, 5],
      [2, 3],
    ]);
  });

  it('applies a copy that is sent again once, and answers it with u where the next move does not', () => {
    const played = play({ quorum: 2 }, [deliver(1, 0), deliver(1, 0), deliver(2, 0), moved(1), deliver(1, 0)]);
    expect(played[2]!.state.arrived).toHaveLength(1);
    expect(played[2]!.effects).toEqual([]);
    expect(played.at(-1)!.state).toBe(played.at(-2)!.state);
    const [answer] = only('send', played.at(-1)!.effects);
    expect(answer!.message).toMatchObject({ facts: { worker: 1, version: 1 }, answers: 0 });
  });

  it('asks those it has not heard of since the last move, when it is up again', () => {
    const rejoin = { kind: 'rejoin', facts: { memory: 'kept' } };
    const options = { workers: 3, quorum: 3, deadlineNs: 7 };
    const told = effectsOf(options, [deliver(1, 0), rejoin]);
    expect(told).toEqual([
      ...[0, 2].map((worker) => ({
        effect: 'send',
        to: `worker-${worker}`,
        message: { kind: 'restarted', facts: { worker } },
      })),
      { effect: 'after', delayNs: 7, message: { kind: 'deadline', facts: { version: 0 } } },
    ]);
    expect(only('after', effectsOf(options, [rejoin]))).toEqual([]);
  });

  it('with a deadline, moves so long after the first arrival with those that are there', () => {
    const deadline = (version: number) => ({ kind: 'deadline', facts: { version } });
    const options = { deadlineNs: 7 };
    const played = play(options, [deliver(2, 0), deliver(0, 0), deadline(0), moved(1), deadline(0)]);
    const timers = played.map(({ effects }) => only('after', effects).map(({ delayNs }) => delayNs));
    expect(timers).toEqual([[], [7], [], [], [], []]);
    expect(only('compute', played[3]!.effects)[0]!.reply.facts).toEqual({
      version: 1,
      from: [
        [2, 0],
        [0, 0],
      ],
    });
    // That of a move that has been made, and one after which nobody has arrived, do nothing.
    expect(played[5]!.effects).toEqual([]);
    expect(effectsOf(options, [deliver(2, 0), deadline(0), moved(1), deadline(1)])).toEqual([]);
  });

  it.each([
    { damping: 0, factor: 1 },
    { damping: 1, factor: 1 / 3 },
    { damping: 0.5, factor: 1 / Math.sqrt(3) },
  ])('with damping $damping multiplies tau by (1 + s)^-a, s the mean age of what arrived', ({ damping, factor }) => {
    // At version 3: 1 and 3 versions old.
    const messages = [0, 1, 2].flatMap((step) => [deliver(0, step), deliver(1, step), moved(step + 1)]);
    const { inputs } = moveOf({ quorum: 2, damping }, [...messages, deliver(0, 9, 2), deliver(1, 9, 0)]).computation;
    expect((inputs['tau'] as Float32Array)[0]).toBeCloseTo(factor / 4, 6);
  });

  it('sends no reply after a move to workers that asked before', () => {
    const { effects } = play({ quorum: 1, handsOut: 'nothing' }, [deliver(1, 0), moved(1)]).at(-1)!;
    expect(only('send', effects)).toEqual([]);
  });

  it('keeps the velocity of u from move to move, and hands out what the move says', () => {
    const tensors = { u: Float32Array.of(1, 1), v: Float32Array.of(0.5, 0), handed: Float32Array.of(1.5, 1) };
    const played = play({ quorum: 1, momentum: true }, [
      deliver(0, 0),
      { kind: 'move', facts: { version: 1, from: [[0, 0]] }, tensors },
      deliver(0, 1),
    ]);
    const [first, second] = [played[1]!, played[3]!].map(({ effects }) => only('compute', effects)[0]!.computation);
    expect(first!.inputs['v']).toEqual(Float32Array.of(0, 0));
    expect(second!.inputs['v']).toEqual(tensors.v);
    expect(second!.inputs['u']).toEqual(tensors.u);
    expect(only('send', played[2]!.effects)[0]!.message.tensors).toEqual({ u: tensors.handed });
  });

  it('counts versions from 1, moves from the u of the last move, and starts each count of arrivals anew', () => {
    const move = moveOf({ quorum: 2 }, [deliver(3, 0), deliver(1, 0), moved(1), deliver(1, 1, 1), deliver(0, 0)]);
    expect(move.computation.inputs).toMatchObject({ u: Float32Array.of(1, -1), tau: Float32Array.of(0.5) });
    expect(move.reply.facts).toEqual({
      version: 2,
      from: [
        [1, 1],
        [0, 0],
      ],
    });
  });

  it('with combine: latest uses the newest copy of every worker, z^0 where none has arrived', () => {
    const messages = [deliver(2, 0), moved(1), deliver(2, 1), moved(2), deliver(0, 0)];
    const { z } = moveOf({ quorum: 1, combine: 'latest' }, messages).computation.inputs;
    expect(z).toEqual([copyOf(0, 0), start, copyOf(2, 1), start]);
  });

  it('with combine: arrived uses those that arrived since the last move only', () => {
    const messages = [deliver(2, 0), deliver(0, 0), moved(1), deliver(3, 0), deliver(2, 1)];
    const { z } = moveOf({ quorum: 2, combine: 'arrived' }, messages).computation.inputs;
    expect(z).toEqual([copyOf(2, 1), copyOf(3, 0)]);
  });

  it.each(['latest', 'arrived'] as const)(
    'with combine: %s sums in worker order, whatever order copies come in',
    (combine) => {
      const inOrder = [0, 1, 2, 3].map((worker) => copyOf(worker, 7));
      fc.assert(
        fc.property(allOrders, (order) => {
          const move = moveOf(
            { combine },
            order.map((worker) => deliver(worker, 7)),
          );
          expect(move.computation.inputs['z']).toEqual(inOrder);
          // The log keeps the order of arrival.
          expect(move.reply.facts['from']).toEqual(order.map((worker) => [worker, 7]));
        }),
        { seed: 1, numRuns: 24 },
      );
    },
  );

  it('replies to those that arrived and to nobody else, in worker order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 1 }), (order) => {
        const messages = [...order.map((worker) => deliver(worker, 0)), moved(1)];
        const replies = only('send', effectsOf({ quorum: order.length }, messages));
        const tensors = { u: Float32Array.of(1, -1) };
        expect(replies).toEqual(
          [...order].sort().map((worker) => ({
            effect: 'send',
            to: `worker-${worker}`,
            message: { kind: 'reply', facts: { worker, version: 1 }, tensors, answers: 0 },
          })),
        );
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  it('shows a move with the staleness of each applied copy: versions between the u it used and the u that moves', () => {
    const messages = [
      ...[deliver(0, 0), deliver(1, 0), moved(1)],
      ...[deliver(0, 1, 1), deliver(2, 0), moved(2)],
      // u^2 moves: worker 3 comes with u^0, worker 0 with u^2, worker 1 with u^1.
      ...[deliver(3, 4, 0), deliver(0, 2, 2), moved(3)],
    ];
    const [shown] = only('observe', effectsOf({ quorum: 2 }, messages));
    expect(shown!.observation).toEqual({
      kind: 'move',
      facts: {
        version: 3,
        staleness: [
          [0, 0],
          [3, 2],
        ],
      },
      tensors: { u: Float32Array.of(3, -3) },
    });
  });

  it('says how many it waits for', () => {
    const [, , { state }] = play({ quorum: 3 }, [deliver(0, 0), deliver(1, 0)]) as [
      unknown,
      unknown,
      Transition<ConsensusState>,
    ];
    expect(consensus({ ...defaults, quorum: 3 }).waiting!(state)).toBe('has 2 of 3 workers for its next move');
  });

  it('does not understand what it is not for', () => {
    expect(() => play({}, [{ kind: 'reply', facts: {} }])).toThrow('the consensus node does not understand reply');
  });

  it('leaves the states it was given untouched', () => {
    const transitions = play({ quorum: 2, staleness: true }, [deliver(0, 1)]);
    const { state } = transitions.at(-1)!;
    const copy = structuredClone(state);
    const behaviour = consensus({ ...defaults, quorum: 2, staleness: true });
    const next = behaviour.receive(state, deliver(1, 1), context).state;
    behaviour.receive(next, moved(1), context);
    expect(state).toEqual(copy);
  });
});

describe('the slowest worker', () => {
  const staleness = { staleness: true, quorum: 4 };

  /** To whom, and which step. */
  function told(messages: readonly Message[]): unknown[] {
    return only('send', effectsOf(staleness, messages)).map(({ to, message }) => [to, message.kind, message.facts]);
  }

  it('is told to all workers when it has gained, and only then', () => {
    const before = [progress(0, 1), progress(1, 2), progress(2, 1)];
    for (let count = 1; count <= before.length; count += 1) expect(told(before.slice(0, count))).toEqual([]);
    expect(told([...before, progress(3, 5)])).toEqual(
      [0, 1, 2, 3].map((worker) => [`worker-${worker}`, 'slowest', { worker, step: 1 }]),
    );
    // Now workers 0 and 2 are the slowest: one of them does not lift the minimum, both do.
    expect(told([...before, progress(3, 5), progress(0, 2)])).toEqual([]);
    expect(told([...before, progress(3, 5), progress(0, 2), progress(2, 9)])).toHaveLength(4);
  });

  it('is learnt from copies as from progress messages, before a move they set off', () => {
    const effects = effectsOf(staleness, [deliver(0, 1), deliver(1, 1), progress(3, 1), deliver(2, 1)]);
    expect(effects.map(({ effect }) => effect)).toEqual(['send', 'send', 'send', 'send']);
    const moving = effectsOf({ ...staleness, quorum: 3 }, [
      deliver(0, 1),
      deliver(1, 1),
      progress(3, 1),
      deliver(2, 1),
    ]);
    expect(moving.map(({ effect }) => effect)).toEqual(['send', 'send', 'send', 'send', 'compute']);
  });

  it('never falls back when an older message comes later', () => {
    const messages = [progress(0, 3), progress(1, 3), progress(2, 3), progress(3, 3), progress(0, 2), progress(0, 4)];
    expect(told(messages.slice(0, 4))).toHaveLength(4);
    expect(told(messages.slice(0, 5))).toEqual([]);
    expect(told(messages)).toEqual([]);
  });

  it('is of no interest where staleness is unbounded', () => {
    const messages = [0, 1, 2, 3].map((worker) => deliver(worker, 1));
    expect(only('send', effectsOf({ quorum: 4 }, messages))).toEqual([]);
  });
});
