import { describe, expect, it } from 'vitest';
import { worker, type WorkerOptions, type WorkerState } from '../../actors/worker.js';
import type { Effect, Message, Transition } from '../../src/kernel/effects.js';
import { Streams } from '../../src/kernel/streams.js';
import { contextOf, only } from './context.js';

const start = Float32Array.of(1, 2);

/** Worker 1 of a run: samples 0, 10, 20, ...; steps of 5 ns; sigma = 1/step. */
const defaults: WorkerOptions = {
  worker: 1,
  start,
  localSteps: 1,
  adaptivePeriod: false,
  overlap: false,
  sends: 'copies',
  split: false,
  joinsLater: false,
  stalenessMax: undefined,
  sampling: {
    start: 0,
    draw: (state) => ({ indices: Int32Array.of(10 * (state as number)), state: (state as number) + 1 }),
  },
  showsStarts: true,
  stepNs: () => 5,
  stepSize: (step) => 1 / step,
};

const context = contextOf('worker-1');

/** The reply to what was sent after step `step`. */
function reply(version: number, step = 0): Message {
  const tensors = { u: Float32Array.of(version, version) };
  return { kind: 'reply', facts: { worker: 1, version }, tensors, answers: step };
}

/** Step `step` is done, with the u of `version`: z = (step, 0), v = (0, step), loss = 1/2. */
function stepDone(step: number, version: number): Message {
  const tensors = { z: Float32Array.of(step, 0), v: Float32Array.of(0, step), loss: Float32Array.of(0.5) };
  return { kind: 'step', facts: { worker: 1, step, version, samples: [0] }, tensors };
}

function slowest(step: number): Message {
  return { kind: 'slowest', facts: { worker: 1, step } };
}

/** What a worker does, in words: `send deliver 3`, `step 4 with u 2`, `show step 3`. */
function words(effects: readonly Effect[]): string[] {
  return effects.map((effect) => {
    switch (effect.effect) {
      case 'send':
        return `send ${effect.message.kind} ${JSON.stringify(effect.message.facts['step'])}`;
      case 'compute': {
        const { step, version } = effect.reply.facts as Record<string, number>;
        return `step ${step!} with u ${version!}`;
      }
      case 'observe':
        return `show ${effect.observation.kind}`;
      default:
        return effect.effect;
    }
  });
}

/** Plays messages one after another and tells what each led to. */
function play(options: Partial<WorkerOptions>, messages: readonly Message[]): string[][] {
  const behaviour = worker({ ...defaults, ...options });
  let { state, effects } = behaviour.init(context);
  const told = [words(effects)];
  for (const message of messages) {
    ({ state, effects } = behaviour.receive(state, message, context));
    told.push(words(effects));
  }
  return told;
}

/** The last transition that `messages` lead to. */
function last(options: Partial<WorkerOptions>, messages: readonly Message[]): Transition<WorkerState> {
  const behaviour = worker({ ...defaults, ...options });
  return messages.reduce(
    (before, message) => behaviour.receive(before.state, message, context),
    behaviour.init(context),
  );
}

describe('a worker', () => {
  it('sends z^0 at the start, and waits', () => {
    const { state, effects } = worker(defaults).init(context);
    const facts = { worker: 1, step: 0, version: 0 };
    expect(effects).toEqual([
      { effect: 'send', to: 'consensus', message: { kind: 'deliver', facts, tensors: { z: start } } },
    ]);
    expect(worker(defaults).waiting!(state)).toBe('waits for the reply to what it sent after step 0');
  });

  it('starts a step at the reply, with the u received, its own z and v, sigma and fresh samples', () => {
    const { effects } = last({}, [reply(1)]);
    expect(effects).toEqual([
      {
        effect: 'compute',
        computation: {
          task: 'workerStep',
          inputs: {
            z: start,
            v: Float32Array.of(0, 0),
            u: Float32Array.of(1, 1),
            sigma: Float32Array.of(1),
            fresh: Float32Array.of(1),
            inputs: { table: 'train/inputs', indices: Int32Array.of(0) },
            targets: { table: 'train/targets', indices: Int32Array.of(0) },
          },
        },
        durationNs: 5,
        reply: { kind: 'step', facts: { worker: 1, step: 1, version: 1, samples: [0] } },
      },
      { effect: 'observe', observation: { kind: 'start', facts: { worker: 1, durationNs: 5 } } },
    ]);
  });

  it('is fresh in the first step after a reply, and in no other', () => {
    const messages = [reply(1), stepDone(1, 1), stepDone(2, 1), reply(2, 2)];
    const behaviour = worker({ ...defaults, localSteps: 2 });
    let state = behaviour.init(context).state;
    const fresh = messages.flatMap((message) => {
      const next = behaviour.receive(state, message, context);
      state = next.state;
      return only('compute', next.effects).map(({ computation }) => (computation.inputs['fresh'] as Float32Array)[0]);
    });
    expect(fresh).toEqual([1, 0, 1]);
  });

  it('sends an update instead of its copy where the method makes one, and zero at first', () => {
    const done = stepDone(1, 1);
    const tensors = { ...done.tensors, sent: Float32Array.of(7, 8) };
    const behaviour = worker({ ...defaults, sends: 'updates' });
    const first = behaviour.init(context);
    const replied = behaviour.receive(first.state, reply(1), context);
    const stepped = behaviour.receive(replied.state, { ...done, tensors }, context);
    const sent = [first, stepped].map(({ effects }) => only('send', effects)[0]!.message.tensors);
    expect(sent).toEqual([{ z: Float32Array.of(0, 0) }, { z: Float32Array.of(7, 8) }]);
  });

  it('asks for u in a split exchange, computes the pull in no time, sends it, and goes on without waiting', () => {
    const elastic: Message = {
      kind: 'elastic',
      facts: { worker: 1, step: 0, version: 3 },
      tensors: { sent: Float32Array.of(5, 6) },
    };
    const behaviour = worker({ ...defaults, split: true, sends: 'updates' });
    const first = behaviour.init(context);
    expect(only('send', first.effects).map(({ message }) => message)).toEqual([
      { kind: 'request', facts: { worker: 1, step: 0 } },
    ]);
    const replied = behaviour.receive(first.state, reply(3), context);
    expect(replied.effects).toEqual([
      {
        effect: 'compute',
        computation: { task: 'elastic', inputs: { z: start, u: Float32Array.of(3, 3) } },
        durationNs: 'instant',
        reply: { kind: 'elastic', facts: { worker: 1, step: 0, version: 3 } },
      },
    ]);
    const pulled = behaviour.receive(replied.state, elastic, context);
    expect(only('send', pulled.effects).map(({ message }) => message)).toEqual([
      { kind: 'deliver', facts: { worker: 1, step: 0, version: 3 }, tensors: { z: Float32Array.of(5, 6) } },
    ]);
    expect(only('compute', pulled.effects).map(({ computation }) => computation.task)).toEqual(['workerStep']);
  });

  it('goes on from the result of its last step, with the next samples and the next sigma', () => {
    const [next] = only('compute', last({}, [reply(1), stepDone(1, 1), reply(2, 1)]).effects);
    expect(next!.computation.inputs).toMatchObject({
      z: Float32Array.of(1, 0),
      v: Float32Array.of(0, 1),
      u: Float32Array.of(2, 2),
      sigma: Float32Array.of(0.5),
      inputs: { indices: Int32Array.of(10) },
      targets: { indices: Int32Array.of(10) },
    });
    expect(next!.reply.facts).toEqual({ worker: 1, step: 2, version: 2, samples: [10] });
  });

  it('shows a finished step to the monitor before it sends the copy', () => {
    const { effects } = last({}, [reply(4), stepDone(1, 4)]);
    const z = Float32Array.of(1, 0);
    const loss = Float32Array.of(0.5);
    expect(effects).toEqual([
      { effect: 'observe', observation: { kind: 'step', facts: { worker: 1, step: 1 }, tensors: { z, loss } } },
      {
        effect: 'send',
        to: 'consensus',
        message: { kind: 'deliver', facts: { worker: 1, step: 1, version: 4 }, tensors: { z } },
      },
    ]);
  });

  it('draws samples and durations from its own streams, each for its purpose', () => {
    const { effects } = last(
      {
        sampling: { start: 0, draw: (state, stream) => ({ indices: Int32Array.of(stream.double() * 1e6), state }) },
        stepNs: ({ random }) => Math.floor(random('stepTime').double() * 1e6),
      },
      [reply(1)],
    );
    const [step] = only('compute', effects);
    const drawn = (purpose: string): number => Math.floor(new Streams(1).stream('worker-1', purpose).double() * 1e6);
    expect(step!.reply.facts['samples']).toEqual([drawn('samples')]);
    expect(step!.durationNs).toBe(drawn('stepTime'));
  });

  it('exchanges at every step by default', () => {
    expect(play({}, [reply(1), stepDone(1, 1), reply(2, 1), stepDone(2, 2)])).toEqual([
      ['send deliver 0'],
      ['step 1 with u 1', 'show start'],
      ['show step', 'send deliver 1'],
      ['step 2 with u 2', 'show start'],
      ['show step', 'send deliver 2'],
    ]);
  });

  it('takes localSteps steps between two exchanges, all with the u it has', () => {
    const messages = [reply(7), stepDone(1, 7), stepDone(2, 7), stepDone(3, 7), reply(9, 3), stepDone(4, 9)];
    expect(play({ localSteps: 3 }, messages)).toEqual([
      ['send deliver 0'],
      ['step 1 with u 7', 'show start'],
      ['show step', 'step 2 with u 7', 'show start'],
      ['show step', 'step 3 with u 7', 'show start'],
      ['show step', 'send deliver 3'],
      ['step 4 with u 9', 'show start'],
      ['show step', 'step 5 with u 9', 'show start'],
    ]);
  });

  it('asks for u when it is up again, and takes no reply but to that', () => {
    const rejoin = { kind: 'rejoin', facts: { memory: 'kept' } };
    const crashed = [reply(1), stepDone(1, 1), rejoin, reply(2, 0), reply(3, 1), reply(2, 1)];
    expect(play({}, crashed)).toEqual([
      ['send deliver 0'],
      ['step 1 with u 1', 'show start'],
      ['show step', 'send deliver 1'],
      ['send request 1'],
      [],
      ['step 2 with u 3', 'show start'],
      [],
    ]);
  });

  it.each(['kept', 'lost'] as const)('goes on from its z where its memory is %s, or else from u', (memory) => {
    const messages = [reply(1), stepDone(1, 1), { kind: 'rejoin', facts: { memory } }, reply(4, 1)];
    const [step] = only('compute', last({}, messages).effects);
    const kept = { z: Float32Array.of(1, 0), v: Float32Array.of(0, 1) };
    const lost = { z: Float32Array.of(4, 4), v: Float32Array.of(0, 0) };
    expect(step!.computation.inputs).toMatchObject(memory === 'kept' ? kept : lost);
  });

  it('sends what is unanswered once more when the consensus node is up again, and nothing where all is answered', () => {
    const restarted = { kind: 'restarted', facts: { worker: 1 } };
    const told = play({ stalenessMax: 9 }, [restarted, reply(1), restarted, stepDone(1, 1), restarted]);
    expect(told).toEqual([
      ['send deliver 0'],
      ['send deliver 0', 'send progress 0'],
      ['step 1 with u 1', 'show start'],
      ['send progress 0'],
      ['show step', 'send deliver 1'],
      ['send deliver 1', 'send progress 1'],
    ]);
  });

  it('does not understand what it is not for', () => {
    const { state } = worker(defaults).init(context);
    expect(() => worker(defaults).receive(state, { kind: 'move', facts: {} }, context)).toThrow(
      'a worker does not understand move',
    );
  });

  it('leaves the state it was given untouched', () => {
    const behaviour = worker({ ...defaults, localSteps: 2 });
    const before = behaviour.init(context).state;
    const copy = structuredClone(before);
    const after = behaviour.receive(before, reply(1), context).state;
    behaviour.receive(after, stepDone(1, 1), context);
    expect(before).toEqual(copy);
  });
});

describe('with overlap, a worker', () => {
  it('goes on after sending, with the u it has', () => {
    expect(play({ overlap: true }, [])).toEqual([['send deliver 0', 'step 1 with u 0', 'show start']]);
    expect(play({ overlap: true }, [reply(1), stepDone(1, 0)])[2]).toEqual([
      'show step',
      'send deliver 1',
      'step 2 with u 1',
      'show start',
    ]);
  });

  it('uses a new u from the next step: the one that runs keeps the u it started with', () => {
    const told = play({ overlap: true, localSteps: 3 }, [reply(1), stepDone(1, 0), stepDone(2, 1)]);
    expect(told.slice(1)).toEqual([
      [],
      ['show step', 'step 2 with u 1', 'show start'],
      ['show step', 'step 3 with u 1', 'show start'],
    ]);
  });

  it('has at most one exchange outstanding: it waits at the next exchange point, then sends and goes on', () => {
    const messages = [stepDone(1, 0), stepDone(2, 0), reply(1), stepDone(3, 1)];
    expect(play({ overlap: true, localSteps: 2 }, messages)).toEqual([
      ['send deliver 0', 'step 1 with u 0', 'show start'],
      ['show step', 'step 2 with u 0', 'show start'],
      // The second exchange point, and no reply to the first copy yet.
      ['show step'],
      ['send deliver 2', 'step 3 with u 1', 'show start'],
      ['show step', 'step 4 with u 1', 'show start'],
    ]);
    const { state } = last({ overlap: true, localSteps: 2 }, messages.slice(0, 2));
    expect(worker({ ...defaults, overlap: true }).waiting!(state)).toBe(
      'waits for the reply to what it sent after step 0',
    );
  });

  it('tells in its copy which u the last step used, not which u it holds', () => {
    const messages = [reply(1), stepDone(1, 0)];
    const [copy] = only('send', last({ overlap: true }, messages).effects);
    expect(copy!.message.facts).toEqual({ worker: 1, step: 1, version: 0 });
  });
});

describe('with staleness.max, a worker', () => {
  const bounded = { stalenessMax: 1, localSteps: 10 };

  it('starts no step more than so many ahead of the slowest it knows of, and goes on when told', () => {
    expect(play(bounded, [reply(1), stepDone(1, 1), stepDone(2, 1), slowest(1), stepDone(3, 1)])).toEqual([
      ['send deliver 0'],
      ['step 1 with u 1', 'show start'],
      ['show step', 'send progress 1', 'step 2 with u 1', 'show start'],
      ['show step', 'send progress 2'],
      ['step 3 with u 1', 'show start'],
      ['show step', 'send progress 3'],
    ]);
    const { state } = last(bounded, [reply(1), stepDone(1, 1), stepDone(2, 1)]);
    expect(worker({ ...defaults, ...bounded }).waiting!(state)).toBe(
      'waits after step 2 for the slowest worker, last known at step 0',
    );
  });

  it('forgets no progress when messages overtake each other', () => {
    const told = play(bounded, [
      reply(1),
      slowest(3),
      slowest(2),
      stepDone(1, 1),
      stepDone(2, 1),
      stepDone(3, 1),
      stepDone(4, 1),
    ]);
    // Step 5 starts 4 steps done, 1 ahead of 3; step 6 would be 2 ahead.
    expect(told.slice(-2).map((effects) => effects.at(-2))).toEqual(['step 4 with u 1', 'step 5 with u 1']);
    expect(last(bounded, [reply(1), slowest(3), slowest(2)]).state.slowest).toBe(3);
  });

  it('sends its progress to the consensus node where it sends no copy, and only there', () => {
    const { effects } = last({ ...bounded, localSteps: 2 }, [reply(1), stepDone(1, 1)]);
    expect(only('send', effects)).toEqual([
      { effect: 'send', to: 'consensus', message: { kind: 'progress', facts: { worker: 1, step: 1 } } },
    ]);
    const atExchange = last({ stalenessMax: 5, localSteps: 2 }, [reply(1), stepDone(1, 1), stepDone(2, 1)]);
    expect(words(atExchange.effects)).toEqual(['show step', 'send deliver 2']);
  });

  it('of 0 lets it take the step of the slowest and no other', () => {
    const told = play({ stalenessMax: 0 }, [reply(1), stepDone(1, 1), reply(2, 1), slowest(1)]);
    expect(told.slice(1)).toEqual([
      ['step 1 with u 1', 'show start'],
      ['show step', 'send deliver 1'],
      [],
      ['step 2 with u 2', 'show start'],
    ]);
  });

  it('tells its progress even where it waits for a reply at an exchange point', () => {
    const told = play({ stalenessMax: 3, overlap: true }, [stepDone(1, 0), reply(1)]);
    expect(told.slice(1)).toEqual([
      ['show step', 'send progress 1'],
      ['send deliver 1', 'step 2 with u 1', 'show start'],
    ]);
  });
});
