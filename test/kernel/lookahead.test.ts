/**
 * Lookahead: computations run as soon as their inputs are fixed, and finish in any order of wall time. What
 * actors see follows virtual time alone.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Effect } from '../../src/kernel/effects.js';
import type { CastMember } from '../../src/kernel/simulation.js';
import { Streams } from '../../src/kernel/streams.js';
import { here } from '../../src/vector.js';
import { compute, constantNetwork, ms, play, send, unhurriedEngine } from './fakes.js';

const workers = 4;
const rounds = 5;

/** Halves what it holds and adds: the result depends on the order. */
function fold(held: number, value: number): number {
  return Math.fround(0.5 * held + value);
}

/** Computes `rounds` values one after another, each for a drawn time, and sends each to the collector. */
function producer(number: number): CastMember {
  const start = (round: number, random: (purpose: string) => { double(): number }): Effect => {
    const value = Float32Array.of(10 * number + round);
    const durationNs = 1 + Math.floor(random('time').double() * 10 * ms);
    return compute('square', { value }, durationNs, { kind: 'result', facts: { producer: number, round } });
  };
  return {
    name: `producer-${number}`,
    behaviour: {
      init: ({ random }) => ({ state: 0, effects: [start(1, random)] }),
      receive: (state: number, { facts, tensors }, { random }) => {
        const round = facts['round'] as number;
        const effects = [send('collector', 'value', facts, tensors)];
        return { state: state + 1, effects: round < rounds ? [...effects, start(round + 1, random)] : effects };
      },
    },
  };
}

const collector: CastMember = {
  name: 'collector',
  behaviour: {
    init: () => ({ state: 0, effects: [] }),
    receive: (state: number, { tensors }) => ({ state: fold(state, here(tensors!['square']!)[0]!), effects: [] }),
  },
};

const square = (value: number): number => Math.fround(value * value);
const tasks = {
  square: ({ value }: Readonly<Record<string, unknown>>) => ({ square: (value as Float32Array).map(square) }),
};

/** One run; `choose` says which unfinished computation is the next to finish in wall time. */
async function run(choose: (count: number) => number) {
  const { engine, finished, mostUnfinished } = unhurriedEngine(tasks, choose);
  const { lines, outcome } = await play(
    [...Array.from({ length: workers }, (_, number) => producer(number)), collector],
    {
      engine,
      network: constantNetwork(2 * ms),
      streams: new Streams(4),
      limits: { counts: { value: workers * rounds } },
    },
  );
  const completions = finished.map(({ inputs }) => (inputs['value'] as Float32Array)[0]!);
  return { lines, outcome, collected: outcome.states.get('collector') as number, completions, mostUnfinished };
}

const oldest = (): number => 0;
const newest = (count: number): number => count - 1;

/** What a kernel would hold that hands results out as they are finished. */
function foldOfCompletions({ completions }: { completions: readonly number[] }): number {
  return completions.map(square).reduce(fold, 0);
}

describe('lookahead', () => {
  it('gives the same events and the same states, whatever order the computations finish in', async () => {
    const reference = await run(oldest);
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat()), async (numbers) => {
        const other = await run((count) => numbers.next().value % count);
        expect(other.lines).toBe(reference.lines);
        expect(other.outcome).toEqual(reference.outcome);
      }),
      { seed: 1, numRuns: 30 },
    );
    expect((await run(newest)).outcome).toEqual(reference.outcome);
  });

  it('follows virtual time: results arrive in the order of their drawn durations', async () => {
    // An oracle of its own: the times at which each producer's values arrive, sorted.
    const arrivals = Array.from({ length: workers }, (_, number) => {
      const stream = new Streams(4).stream(`producer-${number}`, 'time');
      let timeNs = 0;
      return Array.from({ length: rounds }, (__, index) => {
        timeNs += 1 + Math.floor(stream.double() * 10_000_000);
        return { timeNs, value: 10 * number + index + 1 };
      });
    });
    const inOrder = arrivals.flat().sort((a, b) => a.timeNs - b.timeNs);
    const { collected } = await run(newest);
    expect(collected).toBe(inOrder.map(({ value }) => square(value)).reduce(fold, 0));
  });

  it('negative control: results applied in the order of completion would differ', async () => {
    const [first, second] = [await run(oldest), await run(newest)];
    // Both finished the same computations, in different orders of wall time.
    expect(second.completions).not.toEqual(first.completions);
    expect([...second.completions].sort()).toEqual([...first.completions].sort());
    expect(foldOfCompletions(second)).not.toBe(foldOfCompletions(first));
    expect(foldOfCompletions(second)).not.toBe(second.collected);
    expect(second.collected).toBe(first.collected);
  });

  it('starts a computation when its effect is performed: all producers compute at once', async () => {
    expect((await run(oldest)).mostUnfinished()).toBe(workers);
  });
});
