import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Stopped } from '../../src/conditions.js';
import type { Computation, Effect, Engine, Facts, Tensors } from '../../src/kernel/effects.js';
import type { CastMember } from '../../src/kernel/simulation.js';
import { Streams } from '../../src/kernel/streams.js';
import {
  compute,
  constantNetwork,
  ms,
  networkOf,
  play,
  promptEngine,
  scripted,
  send,
  unhurriedEngine,
} from './fakes.js';
import { transcript } from './transcript.js';

/** Two actors that send each other a ball, numbered from 1, forever. */
function pingPong(): CastMember[] {
  const hit = (from: string, to: string, facts: Facts): Effect[] => [
    send(to, 'ball', { from, number: (facts['number'] as number) + 1 }),
  ];
  return [
    scripted('ping', {
      start: [send('pong', 'ball', { from: 'ping', number: 1 })],
      answer: ({ facts }) => hit('ping', 'pong', facts),
    }),
    scripted('pong', { answer: ({ facts }) => hit('pong', 'ping', facts) }),
  ];
}

const senderOf = ({ facts }: { facts: Facts }): string => facts['from'] as string;

/** A clock that ticks every 10 ms; `at` says what it does then. */
function clock(at: (tick: number) => readonly Effect[]): CastMember {
  const next = (number: number): Effect => ({
    effect: 'after',
    delayNs: 10 * ms,
    message: { kind: 'tick', facts: { number } },
  });
  return scripted('clock', {
    start: [next(1)],
    answer: ({ facts }) => [...at(facts['number'] as number), next((facts['number'] as number) + 1)],
  });
}

describe('a simulation', () => {
  it('lets a ball go back and forth in virtual time', async () => {
    const { events, outcome } = await play(pingPong(), {
      network: constantNetwork(2.5 * ms),
      limits: { counts: { ball: 5 } },
    });
    expect(transcript(events, { senderOf, hidden: ['from'] })).toMatchInlineSnapshot(`
      "
      [  2.500 ms] ping -> pong ball number=1
      [  5.000 ms] pong -> ping ball number=2
      [  7.500 ms] ping -> pong ball number=3
      [ 10.000 ms] pong -> ping ball number=4
      [ 12.500 ms] ping -> pong ball number=5
      "
    `);
    expect(outcome).toMatchObject({ reason: 'ball', timeNs: 12_500_000, counts: { events: 5, messages: 6, bytes: 0 } });
  });

  it('processes what happens at one time in the order instant results, messages, results, timers, then by actor, then as sent', async () => {
    const timer: Effect = { effect: 'after', delayNs: ms, message: { kind: 'timer', facts: {} } };
    const work = compute('work', {}, ms, { kind: 'result', facts: {} });
    const move = compute('work', {}, 'instant', { kind: 'instant', facts: {} });
    const to = (name: string): Effect[] => [send(name, 'first', { from: name }), send(name, 'second', { from: name })];
    const { events } = await play(
      [
        scripted('a', { start: [timer, ...to('b'), work], answer: ({ kind }) => (kind === 'first' ? [move] : []) }),
        scripted('b', { start: [timer, ...to('a'), work] }),
        scripted('end', { start: [{ effect: 'after', delayNs: ms, message: { kind: 'end', facts: {} } }] }),
      ],
      { engine: promptEngine({ work: () => ({}) }), limits: { counts: { end: 1 } } },
    );
    expect(events.map(({ actor, kind }) => `${actor} ${kind}`)).toEqual([
      'b first',
      'b second',
      'a first',
      'a instant',
      'a second',
      'a result',
      'b result',
      'a timer',
      'b timer',
      'end end',
    ]);
  });

  it('carries out all effects of one event before it delivers the next, also at the same time', async () => {
    const journal: string[] = [];
    const names = ['a', 'b', 'c'];
    const relay = (name: string): CastMember =>
      scripted(name, {
        start: names.map((to) => send(to, 'note', { from: name })),
        answer: () => {
          journal.push(`${name} receives`);
          return names.map((to) => send(to, 'note', { from: name }));
        },
      });
    const network = networkOf(({ from }) => {
      journal.push(`${from} sends`);
      return 0;
    });
    await play(names.map(relay), {
      network,
      limits: { counts: {}, events: 50 },
      onEvent: ({ actor }) => {
        journal.push(`${actor} is next`);
      },
    });
    const blocks = journal
      .slice(9)
      .join(', ')
      .split(/, (?=. is next)/);
    expect(blocks).toHaveLength(50);
    for (const block of blocks) {
      const name = block[0]!;
      expect(block).toBe(`${name} is next, ${name} receives, ${name} sends, ${name} sends, ${name} sends`);
    }
  });

  it('digests the lines of the event log, which are JSON with time, actor and kind first', async () => {
    const { lines, outcome } = await play(pingPong(), { limits: { counts: {}, events: 3 } });
    expect(lines).toBe(
      '{"timeNs":1000000,"actor":"pong","kind":"ball","from":"ping","number":1}\n' +
        '{"timeNs":2000000,"actor":"ping","kind":"ball","from":"pong","number":2}\n' +
        '{"timeNs":3000000,"actor":"pong","kind":"ball","from":"ping","number":3}\n',
    );
    expect(outcome.eventsDigest).toBe(createHash('sha256').update(lines).digest('hex'));
  });

  it('writes each event as the JSON of its time, actor, kind and facts, also where there are none', async () => {
    const facts = { number: 1, text: 'a "quoted" ü\n', flag: true, list: [[0, 1], []] };
    const actor = scripted('actor', { start: [send('actor', 'bare'), send('actor', 'full', facts)] });
    const { events } = await play([actor], { limits: { counts: {}, events: 2 } });
    expect(events.map(({ line }) => line)).toEqual([
      `${JSON.stringify({ timeNs: ms, actor: 'actor', kind: 'bare' })}\n`,
      `${JSON.stringify({ timeNs: ms, actor: 'actor', kind: 'full', ...facts })}\n`,
    ]);
  });

  it('returns the last state of every actor', async () => {
    const { outcome } = await play(pingPong(), { limits: { counts: {}, events: 3 } });
    expect([...outcome.states]).toEqual([
      ['monitor', ['end']],
      ['ping', ['ball']],
      ['pong', ['ball', 'ball']],
    ]);
  });

  it('gives an actor random numbers that depend on seed, its name and the purpose alone', async () => {
    const drawing = (name: string, draws: number): CastMember => ({
      name,
      behaviour: {
        init: ({ random }) => {
          const numbers = Array.from({ length: draws }, () => random('dice').double());
          return { state: numbers, effects: [] };
        },
        receive: (state: number[]) => ({ state, effects: [] }),
      },
    });
    const states = async (others: CastMember[]) => {
      const { outcome } = await play([...others, drawing('gambler', 3)], { streams: new Streams(9) });
      return outcome.states.get('gambler');
    };
    const stream = new Streams(9).stream('gambler', 'dice');
    const alone = [stream.double(), stream.double(), stream.double()];
    expect(await states([])).toEqual(alone);
    expect(await states([drawing('another', 7)])).toEqual(alone);
  });
});

describe('time', () => {
  it('is whole nanoseconds and never goes back, whatever the delays', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 20 }), async (delays) => {
        let sends = 0;
        const network = networkOf(() => delays[(sends += 1) % delays.length]!);
        const burst = ['ping', 'pong'].map((name, index) => {
          const other = ['pong', 'ping'][index]!;
          return scripted(name, {
            start: [send(other, 'ball'), send(other, 'ball'), send(name, 'ball')],
            answer: () => [send(other, 'ball')],
          });
        });
        const { events, outcome } = await play(burst, { network, limits: { counts: {}, events: 60 } });
        const times = events.map(({ timeNs }) => timeNs);
        expect(times).toEqual([...times].sort((a, b) => a - b));
        expect(times.every(Number.isSafeInteger)).toBe(true);
        expect(outcome.timeNs).toBe(times.at(-1));
      }),
      { seed: 1, numRuns: 20 },
    );
  });

  it.each([-1, NaN])('a delay of %d ns is a bug, and names who asked for it', async (delayNs) => {
    const run = play(pingPong(), { network: constantNetwork(delayNs) });
    await expect(run).rejects.toThrow(`ping asked for a delay of ${delayNs} ns`);
  });

  it('a delay of half a nanosecond is a bug', async () => {
    await expect(play(pingPong(), { network: constantNetwork(0.5) })).rejects.toThrow('0.5 ns is not a safe integer');
  });

  it.each([4e15, Infinity])(
    'ends where whole nanoseconds end: delays of %d ns fail the run, and say so',
    async (delayNs) => {
      const { outcome } = await play(pingPong(), { network: constantNetwork(delayNs) });
      expect(outcome.failure?.status).toBe('failed');
      expect(outcome.failure?.message).toContain('virtual time ends at 9007199254740991 ns, about 104 days');
      expect(outcome.counts.events).toBe(delayNs === Infinity ? 0 : 2);
    },
  );
});

describe('a run ends directly after the event', () => {
  it('that reaches the count of its kind, though others are due at the same time', async () => {
    const shout = scripted('shout', {
      start: ['a', 'b', 'c'].map((to) => send(to, 'call', { to })),
    });
    const listeners = ['a', 'b', 'c'].map((name) => scripted(name, {}));
    const { events, outcome } = await play([shout, ...listeners], { limits: { counts: { call: 2, other: 1 } } });
    expect(events.map(({ actor }) => actor)).toEqual(['a', 'b']);
    expect(outcome.reason).toBe('call');
    expect(outcome.counts).toEqual({ events: 2, messages: 3, bytes: 0, lost: 0, kinds: { call: 2 } });
  });

  it.each([0, 1, 4])('that is number %d of all', async (events) => {
    const { outcome } = await play(pingPong(), { limits: { counts: {}, events } });
    expect(outcome).toMatchObject({ reason: 'events', timeNs: events * ms, counts: { events } });
  });

  it('that is the last within the virtual time, the limit itself included', async () => {
    const { events, outcome } = await play(pingPong(), { limits: { counts: {}, timeNs: 3 * ms } });
    expect(events.map(({ timeNs }) => timeNs)).toEqual([1_000_000, 2_000_000, 3_000_000]);
    expect(outcome).toMatchObject({ reason: 'virtualTime', timeNs: 3 * ms });
    const between = await play(pingPong(), { limits: { counts: {}, timeNs: 2.9 * ms } });
    expect(between.events).toHaveLength(2);
    expect(between.outcome.timeNs).toBe(2_900_000);
  });

  it('in which an actor asks for it, with its reason', async () => {
    const { outcome } = await play([clock((tick) => (tick === 3 ? [{ effect: 'stop', reason: 'enough' }] : []))]);
    expect(outcome).toMatchObject({ reason: 'enough', timeNs: 30 * ms, counts: { events: 3 } });
  });

  it('whose measurement is below the target, though the measurement is finished late', async () => {
    const ticker = clock((tick) => [{ effect: 'observe', observation: { kind: 'seen', facts: { tick } } }]);
    const monitor = scripted('monitor', {
      answer: ({ kind, facts }) => {
        if (kind !== 'seen') return [];
        const tick = facts['tick'] as number;
        const row = { iteration: tick, measure: 'loss', output: 'value' };
        return [
          { effect: 'record', rows: [{ iteration: tick, measure: 'other', value: -1 }] },
          { effect: 'evaluate', computation: { task: 'loss', inputs: { tick: Float32Array.of(tick) } }, rows: [row] },
        ];
      },
    });
    const tasks = {
      loss: ({ tick }: Computation['inputs']) => ({ value: Float32Array.of(1 / (tick as Float32Array)[0]!) }),
    };
    const { outcome, measurements } = await play([ticker], {
      monitor,
      engine: unhurriedEngine(tasks, () => 0).engine,
      // The losses are 1, 1/2, 1/3, 1/4: the limit itself is not below.
      limits: { counts: {}, target: { measure: 'loss', below: 0.25 } },
    });
    expect(outcome).toMatchObject({ reason: 'target', counts: { events: 5 } });
    expect(measurements.filter(({ measure }) => measure === 'loss').map(({ value }) => value)).toEqual(
      [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5].map(Math.fround),
    );
  });

  it('that comes first, when there are several limits', async () => {
    const limits = { counts: { tick: 7 }, events: 9, timeNs: 60 * ms };
    expect((await play([clock(() => [])], { limits })).outcome).toMatchObject({
      reason: 'virtualTime',
      counts: { events: 6 },
    });
    const earlier = { ...limits, counts: { tick: 4 } };
    expect((await play([clock(() => [])], { limits: earlier })).outcome.reason).toBe('tick');
  });
});

describe('an abort signal', () => {
  it('ends the run between two events', async () => {
    const controller = new AbortController();
    const { events, outcome } = await play(pingPong(), {
      signal: controller.signal,
      onEvent: ({ timeNs }) => {
        if (timeNs === 3 * ms) controller.abort();
      },
    });
    expect(outcome).toMatchObject({ reason: 'interrupted', timeNs: 3 * ms });
    // The third event is complete: its handler has run.
    expect(events).toHaveLength(3);
    expect(outcome.states.get('pong')).toEqual(['ball', 'ball']);
  });

  it('given before the start lets nothing happen', async () => {
    const { events, outcome } = await play(pingPong(), { signal: AbortSignal.abort() });
    expect([events.length, outcome.reason]).toEqual([0, 'interrupted']);
  });

  it('that comes while a result is awaited lets that event be processed', async () => {
    const controller = new AbortController();
    const engine: Engine = {
      run: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        return {};
      },
    };
    const worker = scripted('worker', { start: [compute('work', {}, ms, { kind: 'done', facts: {} })] });
    const { outcome } = await play([worker], { engine, signal: controller.signal });
    expect(outcome).toMatchObject({ reason: 'interrupted', counts: { kinds: { done: 1 } } });
    expect(outcome.counts.events).toBe(1);
  });

  it('from a real timer reaches a run in which no event ever waits', async () => {
    const { outcome } = await play(pingPong(), { signal: AbortSignal.timeout(20) });
    expect(outcome.reason).toBe('interrupted');
    expect(outcome.counts.events).toBeGreaterThan(0);
  });
});

describe('what goes wrong', () => {
  const thrown = new TypeError('the original');
  const throwing = (): never => {
    throw thrown;
  };

  it(
    'a behaviour that throws fails the run at once, with its name, the event and the original error',
    { timeout: 5000 },
    async () => {
      const victim = scripted('victim', { answer: throwing });
      const other = scripted('other', {
        start: [send('victim', 'poke', { number: 7 })],
        answer: () => [send('other', 'x')],
      });
      const failure = await play([victim, other, ...pingPong()]).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(Error);
      expect((failure as Error).message).toBe('victim threw on poke {"number":7}');
      expect((failure as Error).cause).toBe(thrown);
      expect(failure).not.toBeInstanceOf(Stopped);
      // The next simulation does not suffer.
      expect((await play(pingPong(), { limits: { counts: { ball: 2 } } })).outcome.reason).toBe('ball');
    },
  );

  it('a behaviour that throws at its start fails the run with its name and the original error', async () => {
    const stillborn: CastMember = { name: 'stillborn', behaviour: { init: throwing, receive: throwing } };
    const failure = await play([...pingPong(), stillborn]).catch((error: unknown) => error as Error);
    expect(failure).toMatchObject({ message: 'stillborn threw at its start', cause: thrown });
  });

  it('a monitor that throws fails the run too', async () => {
    const monitor = scripted('monitor', { answer: throwing });
    await expect(play(pingPong(), { monitor, limits: { counts: { ball: 1 } } })).rejects.toMatchObject({
      message: expect.stringContaining('monitor threw on end') as string,
      cause: thrown,
    });
  });

  it('a behaviour that returns no transition fails the run', async () => {
    const lazy: CastMember = {
      name: 'lazy',
      behaviour: { init: () => ({ state: 0, effects: [send('lazy', 'x')] }), receive: () => undefined as never },
    };
    await expect(play([lazy])).rejects.toThrow('lazy threw on x {}');
  });

  it('a message to nobody is a bug that names sender, kind and addressee', async () => {
    const lost = scripted('lost', { start: [send('nobody', 'letter')] });
    await expect(play([lost])).rejects.toThrow('lost sent letter to nobody, which is not an actor');
  });

  it('a computation that fails rejects with its error when its event is due, and not before', async () => {
    const seen: number[] = [];
    const engine: Engine = { run: () => Promise.reject(thrown) };
    const worker = scripted('worker', { start: [compute('work', {}, 3.5 * ms, { kind: 'done', facts: {} })] });
    const run = play([worker, ...pingPong()], { engine, onEvent: ({ timeNs }) => void seen.push(timeNs) });
    await expect(run).rejects.toBe(thrown);
    expect(seen).toEqual([1_000_000, 2_000_000, 3_000_000]);
  });

  it('a computation that fails after the end of the run is of no consequence', async () => {
    const engine: Engine = { run: () => Promise.reject(thrown) };
    const worker = scripted('worker', { start: [compute('work', {}, 9 * ms, { kind: 'done', facts: {} })] });
    const { outcome } = await play([worker, ...pingPong()], { engine, limits: { counts: { ball: 3 } } });
    expect(outcome).toMatchObject({ reason: 'ball', timeNs: 3 * ms });
  });

  it('a deadlock fails the run and says who waits for what', async () => {
    const { outcome, events } = await play(
      [
        scripted('north', { start: [send('south', 'greeting')], waits: 'waits for an answer of south' }),
        scripted('idle', {}),
        scripted('south', { waits: 'has 1 of 2 greetings' }),
      ],
      { limits: { counts: { greeting: 2 } } },
    );
    expect(events).toHaveLength(1);
    expect(outcome).toMatchObject({ reason: 'failed', failure: { status: 'failed' }, timeNs: ms });
    expect(outcome.failure?.message).toBe(
      'deadlock: nothing is left to happen and the goal is not met; north waits for an answer of south; south has 1 of 2 greetings',
    );
  });
});

describe('divergence', () => {
  /** Workers that step once a `periodNs`; `z` says the result of a step. */
  function stepping(name: string, periodNs: number): CastMember {
    const step = (number: number): Effect =>
      compute('step', { number: Float32Array.of(number), worker: Float32Array.of(Number(name.at(-1))) }, periodNs, {
        kind: 'step',
        facts: { step: number, version: 9 },
      });
    return scripted(name, {
      start: [step(1)],
      answer: ({ facts, tensors }) => [
        { effect: 'observe', observation: { kind: 'step', facts, tensors: tensors! } },
        step((facts['step'] as number) + 1),
      ],
    });
  }

  const recorder = scripted('monitor', {
    answer: ({ kind, facts }) => {
      if (kind !== 'step') return [];
      const iteration = facts['step'] as number;
      const rows = [{ iteration, measure: 'later', output: 'value' }];
      return [
        { effect: 'record', rows: [{ iteration, measure: 'now', value: 1 }] },
        { effect: 'evaluate', computation: { task: 'evaluate', inputs: {} }, rows },
      ];
    },
  });
  const evaluate = (): Tensors => ({ value: Float32Array.of(2) });

  it('names the actor and the step of the first result that is not finite, and keeps all that came before', async () => {
    const step = ({ number }: Computation['inputs']): Tensors => ({
      loss: Float32Array.of(1),
      z: Float32Array.of(1, (number as Float32Array)[0] === 3 ? Infinity : 0),
    });
    const { outcome, events, lines, measurements } = await play(
      [stepping('worker-0', 7 * ms), stepping('worker-1', 5 * ms)],
      {
        engine: promptEngine({ step, evaluate }),
        monitor: recorder,
      },
    );
    expect(outcome.failure).toBeInstanceOf(Stopped);
    expect(outcome.failure).toMatchObject({
      status: 'diverged',
      message: 'worker-1 diverged at step 3: its z is not finite',
    });
    expect(outcome.reason).toBe('diverged');
    expect(events.map(({ timeNs, actor }) => [timeNs / ms, actor])).toEqual([
      [5, 'worker-1'],
      [7, 'worker-0'],
      [10, 'worker-1'],
      [14, 'worker-0'],
    ]);
    expect(outcome.eventsDigest).toBe(createHash('sha256').update(lines).digest('hex'));
    expect(measurements.map(({ measure }) => measure)).toEqual(events.flatMap(() => ['now', 'later']));
    expect(outcome.states.get('worker-1')).toEqual(['step', 'step']);
  });

  it('is reported of the first in virtual time, though another is finished first', async () => {
    const step = (): Tensors => ({ z: Float32Array.of(NaN) });
    // The newest computation, that of the slow worker, finishes first.
    const { engine, finished } = unhurriedEngine({ step }, (count) => count - 1);
    const { outcome } = await play([stepping('worker-0', 5 * ms), stepping('worker-1', 50 * ms)], { engine });
    expect((finished[0]!.inputs['worker'] as Float32Array)[0]).toBe(1);
    expect(outcome.failure?.message).toBe('worker-0 diverged at step 1: its z is not finite');
  });

  it('names the version where there is no step', async () => {
    const centre = scripted('consensus', {
      start: [compute('move', {}, 0, { kind: 'move', facts: { version: 12, from: [[0, 3]] } })],
    });
    const engine = promptEngine({ move: () => ({ u: Float32Array.of(-Infinity) }) });
    const { outcome } = await play([centre], { engine });
    expect(outcome.failure?.message).toBe('consensus diverged at move 12: its u is not finite');
  });

  it('is seen in every place of a vector of any length, and never where all values are finite', async () => {
    const largest = 3.4028234663852886e38;
    const values = fc.array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constant(largest)), {
      maxLength: 12,
    });
    const bad = fc.constantFrom(undefined, NaN, Infinity, -Infinity);
    await fc.assert(
      fc.asyncProperty(values, bad, fc.nat(), async (finite, value, place) => {
        const z = Float32Array.from(finite);
        const spoilt = value !== undefined && z.length > 0;
        if (spoilt) z[place % z.length] = value;
        const { outcome } = await play([stepping('worker-0', ms)], {
          engine: promptEngine({ step: () => ({ z }) }),
          limits: { counts: { step: 1 } },
        });
        expect(outcome.reason).toBe(spoilt ? 'diverged' : 'step');
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('is seen also where infinities of opposite sign meet in one sum', async () => {
    const z = Float32Array.of(Infinity, 0, 0, 0, -Infinity);
    const { outcome } = await play([stepping('worker-0', ms)], { engine: promptEngine({ step: () => ({ z }) }) });
    expect(outcome.reason).toBe('diverged');
  });
});

describe('the books', () => {
  it('balance: what was sent is delivered or in flight, in messages and bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 9 }),
        fc.nat({ max: 40 }),
        async (delays, limit) => {
          const arrivals: { timeNs: number; bytes: number }[] = [];
          const network = networkOf(({ sentNs, bytes }) => {
            const delayNs = delays[arrivals.length % delays.length]!;
            arrivals.push({ timeNs: sentNs + delayNs, bytes });
            return delayNs;
          });
          // Every message makes another one, of the next size.
          const echo = scripted('echo', {
            start: [1, 2, 3].map((size) => send('echo', 'parcel', { size }, { content: new Float32Array(size) })),
            answer: ({ facts }) => {
              const size = (facts['size'] as number) + 1;
              return [send('echo', 'parcel', { size }, { content: new Float32Array(size), more: new Float32Array(1) })];
            },
          });
          const { outcome, events } = await play([echo], { network, limits: { counts: {}, timeNs: limit } });
          // Seen from outside: the network knows when each arrives.
          const flying = arrivals.filter(({ timeNs }) => timeNs > limit);
          expect(outcome.counts.messages).toBe(arrivals.length);
          expect(outcome.counts.bytes).toBe(arrivals.reduce((sum, { bytes }) => sum + bytes, 0));
          expect(events.filter(({ kind }) => kind === 'parcel')).toHaveLength(arrivals.length - flying.length);
        },
      ),
      { seed: 1, numRuns: 30 },
    );
  });

  it('count the bytes of float32 tensors alone: facts are free', async () => {
    const tensors = { u: new Float32Array(10), v: new Float32Array(3) };
    const { outcome } = await play([scripted('a', { start: [send('a', 'x', { text: 'long'.repeat(99) }, tensors)] })], {
      limits: { counts: { x: 1 } },
    });
    expect(outcome.counts).toEqual({ events: 1, messages: 1, bytes: 52, lost: 0, kinds: { x: 1 } });
  });
});
