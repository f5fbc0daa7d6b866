/** Measurements: what the monitor may do, and the order in which they come out. */
import { describe, expect, it } from 'vitest';
import type { Computation, Effect, Engine, Measurement, Tensors } from '../../src/kernel/effects.js';
import type { CastMember } from '../../src/kernel/simulation.js';
import { compute, ms, play, promptEngine, scripted, send, unhurriedEngine } from './fakes.js';

/** Shows the monitor a number every 10 ms. */
const counter: CastMember = scripted('counter', {
  start: [{ effect: 'after', delayNs: 10 * ms, message: { kind: 'tick', facts: { number: 1 } } }],
  answer: ({ facts }) => {
    const number = facts['number'] as number;
    return [
      { effect: 'observe', observation: { kind: 'tick', facts: { number } } },
      { effect: 'after', delayNs: 10 * ms, message: { kind: 'tick', facts: { number: number + 1 } } },
    ];
  },
});

/** Evaluates and records at every tick; the evaluation gives one number for each of two workers. */
const measuring = scripted('monitor', {
  answer: ({ kind, facts }) => {
    if (kind !== 'tick') return [];
    const iteration = facts['number'] as number;
    const row = { iteration, measure: 'tenth', output: 'tenths' };
    const inputs = { number: Float32Array.of(iteration) };
    return [
      {
        effect: 'evaluate',
        computation: { task: 'tenths', inputs },
        rows: [
          { ...row, worker: 1 },
          { ...row, worker: 0 },
        ],
      },
      { effect: 'record', rows: [{ iteration, measure: 'plain', value: iteration }] },
    ];
  },
});

function numberOf({ inputs }: Pick<Computation, 'inputs'>): number {
  return (inputs['number'] as Float32Array)[0]!;
}

const tenths = (inputs: Computation['inputs']): Tensors => {
  const number = numberOf({ inputs });
  return { tenths: Float32Array.of(number / 10, -number / 10) };
};

function expected(ticks: number): (Measurement & { timeNs: number })[] {
  return Array.from({ length: ticks }, (_, index) => index + 1).flatMap((iteration) => {
    const timeNs = 10_000_000 * iteration;
    const tenth = Math.fround(iteration / 10);
    return [
      { timeNs, iteration, measure: 'tenth', worker: 1, value: -tenth },
      { timeNs, iteration, measure: 'tenth', worker: 0, value: tenth },
      { timeNs, iteration, measure: 'plain', value: iteration },
    ];
  });
}

describe('measurements', () => {
  it('come in the order asked for, with the time they were asked for at, though evaluations finish out of order', async () => {
    const { engine, finished } = unhurriedEngine({ tenths }, (count) => count - 1, { turns: 5 });
    const limits = { counts: { tick: 30 } };
    const { measurements } = await play([counter], { engine, monitor: measuring, limits });
    expect(measurements).toEqual(expected(30));
    const order = finished.map(numberOf);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
  });

  it('do not hold the run up while few evaluations are unfinished', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const engine: Engine = {
      run: async ({ inputs }) => {
        await gate;
        return tenths(inputs);
      },
    };
    // No evaluation finishes before the fourth tick: the run must get there without any.
    const { measurements } = await play([counter], {
      engine,
      monitor: measuring,
      limits: { counts: { tick: 4 } },
      onEvent: ({ facts }) => {
        if (facts['number'] === 4) open();
      },
    });
    expect(measurements).toEqual(expected(4));
  });

  it('hold the run up while more than eight are unfinished, so that iterates do not fill the memory', async () => {
    const evaluating = scripted('monitor', {
      answer: ({ kind }) =>
        kind === 'tick' ? [{ effect: 'evaluate', computation: { task: 'none', inputs: {} }, rows: [] }] : [],
    });
    const { engine, mostUnfinished } = unhurriedEngine({ none: () => ({}) }, () => 0, { turns: 50 });
    await play([counter], { engine, monitor: evaluating, limits: { counts: { tick: 30 } } });
    expect(mostUnfinished()).toBe(9);
  });

  it('of an evaluation that fails fail the run', async () => {
    const cause = new Error('no memory');
    const engine: Engine = { run: () => Promise.reject(cause) };
    await expect(play([counter], { engine, monitor: measuring, limits: { counts: { tick: 2 } } })).rejects.toBe(cause);
  });
});

describe('the monitor', () => {
  /** A cast whose events depend on sequence numbers, results and random numbers. */
  function cast(): CastMember[] {
    const work = (from: string): Effect => compute('work', {}, 0, { kind: 'done', facts: { from } });
    const names = ['a', 'b', 'c'];
    return names.map((name, index) => {
      const next = names[(index + 1) % names.length]!;
      return {
        name,
        behaviour: {
          init: () => ({ state: 0, effects: [work(name)] }),
          receive: (state: number, { kind }, { random, timeNs }) => ({
            state: state + 1,
            effects: [
              { effect: 'observe', observation: { kind: 'tick', facts: { number: state } } },
              ...(kind === 'done'
                ? [send(next, 'note', { drawn: random('x').double(), timeNs }), send(name, 'note', { own: true })]
                : [work(name)].slice(state % 2)),
            ],
          }),
        },
      };
    });
  }
  const limits = { counts: {}, events: 100 };
  const tasks = { work: () => ({}), tenths };

  it('cannot change the events, their digest or the counts, whatever it measures', async () => {
    const without = await play(cast(), { engine: promptEngine(tasks), limits });
    const measured = await play(cast(), { engine: promptEngine(tasks), limits, monitor: measuring });
    const slow = unhurriedEngine(tasks, (count) => count - 1).engine;
    const measuredSlowly = await play(cast(), { engine: slow, limits, monitor: measuring });
    for (const { outcome, lines, measurements } of [measured, measuredSlowly]) {
      expect(measurements.length).toBeGreaterThan(100);
      expect(lines).toBe(without.lines);
      expect(outcome.eventsDigest).toBe(without.outcome.eventsDigest);
      expect(outcome.counts).toEqual(without.outcome.counts);
    }
    expect(measuredSlowly.measurements).toEqual(measured.measurements);
  });

  const message = { kind: 'interference', facts: {} };
  const interference: Effect[] = [
    { effect: 'send', to: 'a', message },
    { effect: 'after', delayNs: 0, message },
    { effect: 'compute', computation: { task: 'work', inputs: {} }, durationNs: 0, reply: message },
    { effect: 'observe', observation: message },
    { effect: 'stop', reason: 'interference' },
  ];

  it.each(interference)('may not $effect', async (effect) => {
    const monitor = scripted('monitor', { answer: () => [effect] });
    const run = play(cast(), { engine: promptEngine(tasks), limits, monitor });
    await expect(run).rejects.toThrow(`monitor may not ${effect.effect}`);
  });

  it('alone records: measurements of an actor are refused', async () => {
    const rows = [{ iteration: 0, measure: 'gap', value: 0 }];
    const forger = scripted('forger', { start: [{ effect: 'record', rows }] });
    await expect(play([forger])).rejects.toThrow('forger may not record');
  });

  it('is told of every observation in order, at its time, and of the end', async () => {
    const seen: unknown[] = [];
    const monitor = scripted('monitor', {
      answer: ({ kind, facts, tensors }, timeNs) => {
        seen.push({ kind, facts, z: tensors?.['z'], timeNs });
        return [];
      },
    });
    const z = Float32Array.of(1, 2);
    const shown = (number: number): Effect => ({
      effect: 'observe',
      observation: { kind: 'shown', facts: { number }, tensors: { z } },
    });
    const actor = scripted('actor', {
      start: [shown(1), send('actor', 'x')],
      answer: () => [shown(2), shown(3)],
    });
    await play([actor], { monitor, limits: { counts: { x: 1 } } });
    expect(seen).toEqual([
      { kind: 'shown', facts: { number: 1 }, z, timeNs: 0 },
      { kind: 'shown', facts: { number: 2 }, z, timeNs: ms },
      { kind: 'shown', facts: { number: 3 }, z, timeNs: ms },
      { kind: 'end', facts: { reason: 'x' }, z: undefined, timeNs: ms },
    ]);
  });
});
