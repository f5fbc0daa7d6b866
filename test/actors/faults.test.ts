import { describe, expect, it } from 'vitest';
import { faults, type Fault } from '../../actors/faults.js';
import { drawExponential } from '../../src/kernel/draws.js';
import { Streams, type Stream } from '../../src/kernel/streams.js';
import type { CastMember } from '../../src/kernel/simulation.js';
import { compute, ms, play, promptEngine, scripted, type Recording } from '../kernel/fakes.js';
import { transcript } from '../kernel/transcript.js';

/** Planned for once, at a time. */
function planned(kind: Fault['kind'], who: string, atMs: number, options: Partial<Fault> = {}): Fault {
  return { kind, who, comesNs: () => atMs * ms, lastsNs: undefined, untilNs: Infinity, memory: 'kept', ...options };
}

const lasting = (lastsMs: number): Partial<Fault> => ({ lastsNs: () => lastsMs * ms });

/** Works 10 ms at a time, as often as it can. */
function busy(name: string): CastMember {
  const work = compute('work', {}, 10 * ms, { kind: 'done', facts: {} });
  return scripted(name, { start: [work], answer: () => [work] });
}

/** Lets two workers work under a plan of faults. */
function under(plan: readonly Fault[], untilMs: number, seed = 1): Promise<Recording> {
  const nemesis = { name: 'faults', behaviour: faults(plan) };
  return play([busy('worker-0'), busy('worker-1'), nemesis], {
    engine: promptEngine({ work: () => ({}) }),
    streams: new Streams(seed),
    limits: { counts: {}, timeNs: untilMs * ms },
  });
}

const told = ({ events }: Recording): string => transcript(events, { senderOf: () => undefined, hidden: [] });
const ofFaults = ({ events }: Recording): [number, string][] =>
  events.filter(({ actor }) => actor === 'faults').map(({ kind, timeNs }) => [timeNs / ms, kind]);
const doneBy = ({ events }: Recording, name: string): number[] =>
  events.filter(({ actor, kind }) => actor === name && kind === 'done').map(({ timeNs }) => timeNs / ms);

describe('the plan of faults', () => {
  it('strikes actors when it says, and tells so in the log', async () => {
    const plan = [planned('crash', 'worker-0', 15, lasting(7)), planned('pause', 'worker-1', 18, lasting(3))];
    expect(told(await under(plan, 34))).toMatchInlineSnapshot(`
      "
      [ 10.000 ms] worker-0 done
      [ 10.000 ms] worker-1 done
      [ 15.000 ms] faults crash who="worker-0" plan=0
      [ 18.000 ms] faults pause who="worker-1" plan=1
      [ 21.000 ms] faults resume who="worker-1" plan=1
      [ 22.000 ms] faults restart who="worker-0" plan=0
      [ 22.000 ms] worker-0 rejoin memory="kept"
      [ 23.000 ms] worker-1 done
      [ 32.000 ms] worker-0 done
      [ 33.000 ms] worker-1 done
      "
    `);
  });

  it('kills for ever, also one that another fault lets crash again and again', async () => {
    const crashes = planned('crash', 'worker-0', 0, { comesNs: () => 20 * ms, untilNs: 500 * ms, ...lasting(1) });
    const run = await under([planned('kill', 'worker-0', 55), crashes], 1000);
    // Crashes at 20 and 41; a step ends 10 ms after each restart, and so on.
    expect(doneBy(run, 'worker-0')).toEqual([10, 20, 31, 41, 52]);
    expect(doneBy(run, 'worker-1')).toHaveLength(100);
  });

  it('keeps who joins later down until then, and tells him that he is up', async () => {
    const run = await under([planned('join', 'worker-1', 12)], 30);
    expect(told(run)).toMatchInlineSnapshot(`
      "
      [ 10.000 ms] worker-0 done
      [ 12.000 ms] faults join who="worker-1" plan=0
      [ 12.000 ms] worker-1 rejoin memory="kept"
      [ 20.000 ms] worker-0 done
      [ 22.000 ms] worker-1 done
      [ 30.000 ms] worker-0 done
      "
    `);
    // A worker takes no part before: whatever it began is lost.
    expect(doneBy(run, 'worker-1')).toEqual([22]);
  });

  it('lets nobody join earlier because he crashes before', async () => {
    const plan = [planned('join', 'worker-1', 50), planned('crash', 'worker-1', 10, lasting(5))];
    expect(doneBy(await under(plan, 75), 'worker-1')).toEqual([60, 70]);
  });

  it('ends overlapping faults with the last one', async () => {
    const plan = [planned('crash', 'worker-0', 5, lasting(10)), planned('crash', 'worker-0', 8, lasting(20))];
    expect(doneBy(await under(plan, 50), 'worker-0')).toEqual([38, 48]);
  });

  it('tells when a link is cut and healed, and strikes nobody', async () => {
    const run = await under([planned('cut', 'worker-0', 15, lasting(20))], 40);
    expect(ofFaults(run)).toEqual([
      [15, 'cut'],
      [35, 'heal'],
    ]);
    expect(doneBy(run, 'worker-0')).toEqual([10, 20, 30, 40]);
  });

  it('hands a restarted actor the memory that it says', async () => {
    for (const memory of ['kept', 'lost'] as const) {
      const { events } = await under([planned('crash', 'worker-0', 5, { ...lasting(1), memory })], 8);
      expect(events.find(({ kind }) => kind === 'rejoin')?.facts).toEqual({ memory });
    }
  });
});

describe('a fault that comes again', () => {
  it('comes so long after the start, and after each recovery, and not after its end', async () => {
    const again = planned('pause', 'worker-0', 0, { comesNs: () => 10 * ms, untilNs: 41 * ms, ...lasting(3) });
    // Its third end is at 39 ms; the next would come at 49.
    expect(ofFaults(await under([again], 200))).toEqual([
      [10, 'pause'],
      [13, 'resume'],
      [23, 'pause'],
      [26, 'resume'],
      [36, 'pause'],
      [39, 'resume'],
    ]);
    const exactly = { ...again, untilNs: 49 * ms };
    expect(ofFaults(await under([exactly], 200)).slice(6)).toEqual([
      [49, 'pause'],
      [52, 'resume'],
    ]);
  });

  it('never comes where its first time is after its end', async () => {
    expect(ofFaults(await under([planned('crash', 'worker-0', 30, { untilNs: 29 * ms, ...lasting(1) })], 100))).toEqual(
      [],
    );
  });

  it('draws its times from a stream of its own, in turn', async () => {
    const draw = (mean: number) => (stream: Stream) => Math.round(mean * drawExponential(stream));
    const [comesNs, lastsNs] = [draw(30 * ms), draw(5 * ms)];
    const fault: Fault = { ...planned('crash', 'worker-0', 0), comesNs, lastsNs, untilNs: 1000 * ms };
    const other: Fault = { ...fault, kind: 'pause', who: 'worker-1' };
    const stream = new Streams(4).stream('faults', 'fault/1');
    const expected: number[] = [];
    for (let timeNs = comesNs(stream); timeNs <= 1000 * ms; timeNs += comesNs(stream)) {
      expected.push(timeNs);
      expected.push((timeNs += lastsNs(stream)));
    }
    expect(expected.length).toBeGreaterThan(20);
    for (const first of [other, planned('kill', 'worker-1', 3)]) {
      const { events } = await under([first, fault], 2000, 4);
      const own = events.filter(({ actor, facts }) => actor === 'faults' && facts['plan'] === 1);
      expect(own.map(({ timeNs }) => timeNs)).toEqual(expected);
      expect(own.every(({ facts }) => facts['who'] === 'worker-0')).toBe(true);
    }
  });
});
