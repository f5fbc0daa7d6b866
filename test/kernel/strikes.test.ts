import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Effect, Strike } from '../../src/kernel/effects.js';
import type { CastMember, LoggedEvent } from '../../src/kernel/simulation.js';
import { compute, ms, networkOf, play, promptEngine, scripted, send } from './fakes.js';
import { transcript } from './transcript.js';

type Blow = readonly [atNs: number, kind: Strike['kind'], by?: number, memory?: 'kept' | 'lost'];

/** Strikes worker at planned times. */
function nemesis(...blows: readonly Blow[]): CastMember {
  const timer = ([delayNs]: Blow, number: number): Effect => {
    return { effect: 'after', delayNs, message: { kind: 'blow', facts: { number } } };
  };
  const strikeOf = ([, kind, by = 0, memory = 'kept']: Blow): Strike => {
    return kind === 'up' ? { kind, by, memory } : { kind, by };
  };
  return scripted('nemesis', {
    start: blows.map(timer),
    answer: ({ facts }) => [{ effect: 'strike', actor: 'worker', strike: strikeOf(blows[facts['number'] as number]!) }],
  });
}

const engine = promptEngine({ work: ({ value }) => ({ value: value as Float32Array }) });

/** Work that takes so long, and is answered by `done`. */
function work(durationNs: number, number = 1): Effect {
  return compute('work', { value: Float32Array.of(number) }, durationNs, { kind: 'done', facts: { number } });
}

/** A worker that works 10 ms at a time, one piece after the other, and begins anew when it is up again. */
const busy = scripted('worker', {
  start: [work(10 * ms)],
  answer: ({ kind, facts }) => {
    if (kind === 'done') return [work(10 * ms, (facts['number'] as number) + 1)];
    return kind === 'rejoin' ? [work(10 * ms, 100)] : [];
  },
});

/** Works once, and does nothing more. */
const once = scripted('worker', { start: [work(10 * ms)] });

interface Log {
  readonly events: readonly LoggedEvent[];
  /** The worker's events in a transcript. */
  readonly lines: string;
  readonly lost: readonly string[];
}

const senderOf = ({ cause }: LoggedEvent): string | undefined => (cause.via === 'message' ? cause.actor : undefined);

async function strikeAt(
  actors: readonly CastMember[],
  { untilNs = 100 * ms, delayNs = ms }: { untilNs?: number; delayNs?: number } = {},
): Promise<Log> {
  const lost: string[] = [];
  const { events } = await play(actors, {
    engine,
    network: networkOf(() => delayNs),
    limits: { counts: {}, timeNs: untilNs },
    onLoss: ({ timeNs, from, to, kind, why }) => lost.push(`${timeNs / ms} ms ${from} -> ${to} ${kind}: ${why}`),
  });
  const own = events.filter(({ actor }) => actor === 'worker');
  return { events: own, lines: transcript(own, { senderOf: senderOf as never, hidden: [] }), lost };
}

const timesOf = ({ events }: Log, kind: string): number[] =>
  events.filter((event) => event.kind === kind).map(({ timeNs }) => timeNs);

/** Sends the worker numbered messages at the given times; on links of no delay they arrive then. */
function caller(name: string, timesNs: readonly number[]): CastMember {
  return scripted(name, {
    start: timesNs.map((delayNs, number) => ({
      effect: 'after',
      delayNs,
      message: { kind: 'timer', facts: { number } },
    })),
    answer: ({ kind, facts }) => (kind === 'timer' ? [send('worker', 'call', { number: facts['number']! })] : []),
  });
}

describe('an actor that goes down', () => {
  it('never completes what it was computing, and gets rejoin when it is up', async () => {
    const log = await strikeAt([busy, nemesis([15 * ms, 'down'], [32 * ms, 'up'])], { untilNs: 60 * ms });
    expect(log.lines).toMatchInlineSnapshot(`
      "
      [ 10.000 ms] worker done number=1
      [ 32.000 ms] worker rejoin memory="kept"
      [ 42.000 ms] worker done number=100
      [ 52.000 ms] worker done number=101
      "
    `);
  });

  it('loses what would complete while it is down or later, but not what completes when it goes down', async () => {
    const pieces = scripted('worker', { start: [work(10 * ms, 1), work(15 * ms, 2), work(40 * ms, 3)] });
    const log = await strikeAt([pieces, nemesis([10 * ms, 'down'], [20 * ms, 'up'])]);
    // A computation that completes when its actor goes down was first.
    expect(log.events.map(({ kind, facts }) => [kind, facts['number']])).toEqual([
      ['done', 1],
      ['rejoin', undefined],
    ]);
  });

  it('loses its timers too', async () => {
    const timed = scripted('worker', {
      start: [{ effect: 'after', delayNs: 30 * ms, message: { kind: 'timer', facts: {} } }],
    });
    const log = await strikeAt([timed, nemesis([10 * ms, 'down'], [20 * ms, 'up'])]);
    expect(timesOf(log, 'timer')).toEqual([]);
  });

  it('loses what arrives until it is up, with the reason `down`', async () => {
    const calls = caller('caller', [9 * ms, 11 * ms, 18 * ms, 19 * ms]);
    const log = await strikeAt([once, calls, nemesis([11.5 * ms, 'down'], [19.5 * ms, 'up'])]);
    expect(log.lost).toEqual(['12 ms caller -> worker call: down', '19 ms caller -> worker call: down']);
    expect(timesOf(log, 'call')).toEqual([10 * ms, 20 * ms]);
  });

  it('does not get an event when it is struck: the log tells of it by the actor that strikes', async () => {
    const log = await strikeAt([once, nemesis([5 * ms, 'down'])]);
    expect(log.events).toEqual([]);
  });

  it('that was down before is not troubled by what it lost then', async () => {
    const blows = nemesis([5 * ms, 'down'], [6 * ms, 'up'], [8 * ms, 'down'], [9 * ms, 'up']);
    const log = await strikeAt([busy, blows], { untilNs: 30 * ms });
    // The first work would be done at 10, that of the first return at 16.
    expect(log.lines).toMatchInlineSnapshot(`
      "
      [  6.000 ms] worker rejoin memory="kept"
      [  9.000 ms] worker rejoin memory="kept"
      [ 19.000 ms] worker done number=100
      [ 29.000 ms] worker done number=101
      "
    `);
  });

  it('and is up at the same time has lost all the same', async () => {
    const log = await strikeAt([once, nemesis([5 * ms, 'down'], [5 * ms, 'up'])]);
    expect(log.events.map(({ kind, timeNs }) => [kind, timeNs])).toEqual([['rejoin', 5 * ms]]);
  });

  it.each(['kept', 'lost'] as const)('is told whether it may still know what it knew: %s', async (memory) => {
    const log = await strikeAt([once, nemesis([5 * ms, 'down'], [7 * ms, 'up', 0, memory])]);
    expect(log.events.map(({ facts }) => facts)).toEqual([{ memory }]);
  });
});

describe('an actor that is struck twice', () => {
  it('by the same cause goes down once, and up once', async () => {
    const blows = nemesis([2 * ms, 'down'], [3 * ms, 'down'], [5 * ms, 'up'], [6 * ms, 'up']);
    const log = await strikeAt([once, blows]);
    expect(log.events.map(({ kind, timeNs }) => [kind, timeNs])).toEqual([['rejoin', 5 * ms]]);
  });

  it('by two causes is up when neither holds it down any more', async () => {
    const blows = nemesis([2 * ms, 'down', 0], [3 * ms, 'down', 1], [5 * ms, 'up', 0], [8 * ms, 'up', 1]);
    expect(timesOf(await strikeAt([once, blows]), 'rejoin')).toEqual([8 * ms]);
  });

  it('stays down for ever where one cause never ends', async () => {
    const blows = nemesis([2 * ms, 'down', 0], [3 * ms, 'down', 1], [5 * ms, 'up', 0]);
    expect((await strikeAt([once, blows])).events).toEqual([]);
  });

  it('has lost its memory where either made it lose it', async () => {
    const first = nemesis([2 * ms, 'down', 0], [3 * ms, 'down', 1], [5 * ms, 'up', 0, 'lost'], [8 * ms, 'up', 1]);
    expect((await strikeAt([once, first])).events[0]!.facts).toEqual({ memory: 'lost' });
    // But not the next time.
    const again = nemesis([2 * ms, 'down'], [3 * ms, 'up', 0, 'lost'], [5 * ms, 'down'], [6 * ms, 'up']);
    expect((await strikeAt([once, again])).events.map(({ facts }) => facts['memory'])).toEqual(['lost', 'kept']);
  });

  it('by two pauses stands still until the last one ends', async () => {
    const blows = nemesis([2 * ms, 'pause', 0], [3 * ms, 'pause', 1], [5 * ms, 'resume', 0], [8 * ms, 'resume', 1]);
    expect(timesOf(await strikeAt([once, blows]), 'done')).toEqual([16 * ms]);
  });

  it('by the same pause stands still once', async () => {
    const blows = nemesis([2 * ms, 'pause'], [3 * ms, 'pause'], [5 * ms, 'resume'], [8 * ms, 'resume']);
    expect(timesOf(await strikeAt([once, blows]), 'done')).toEqual([13 * ms]);
  });

  it('is not troubled by an end without a beginning', async () => {
    const log = await strikeAt([once, nemesis([2 * ms, 'up'], [3 * ms, 'resume'])]);
    expect(log.events.map(({ kind, timeNs }) => [kind, timeNs])).toEqual([['done', 10 * ms]]);
  });
});

describe('an actor that pauses', () => {
  it('completes a computation later by exactly the length of the pause', async () => {
    const log = await strikeAt([busy, nemesis([13 * ms, 'pause'], [30 * ms, 'resume'])], { untilNs: 60 * ms });
    expect(log.lines).toMatchInlineSnapshot(`
      "
      [ 10.000 ms] worker done number=1
      [ 37.000 ms] worker done number=2
      [ 47.000 ms] worker done number=3
      [ 57.000 ms] worker done number=4
      "
    `);
  });

  it('completes it later by the sum of several pauses, also where one begins before it was due and one after', async () => {
    const blows = nemesis([1 * ms, 'pause'], [3 * ms, 'resume'], [5 * ms, 'pause'], [105 * ms, 'resume']);
    // 1 ms, 2 ms and 7 ms of work.
    expect(timesOf(await strikeAt([once, blows], { untilNs: 200 * ms }), 'done')).toEqual([112 * ms]);
    const late = nemesis([8 * ms, 'pause'], [13 * ms, 'resume'], [14 * ms, 'pause'], [20 * ms, 'resume']);
    // 8 ms, 1 ms and 1 ms of work.
    expect(timesOf(await strikeAt([once, late]), 'done')).toEqual([21 * ms]);
  });

  it('begins nothing late that it begins after the pause', async () => {
    const log = await strikeAt([busy, nemesis([1 * ms, 'pause'], [4 * ms, 'resume'])], { untilNs: 40 * ms });
    expect(timesOf(log, 'done')).toEqual([13 * ms, 23 * ms, 33 * ms]);
  });

  it('completes what is due when the pause begins, and gets what arrives then', async () => {
    const log = await strikeAt([once, caller('caller', [9 * ms]), nemesis([10 * ms, 'pause'], [50 * ms, 'resume'])]);
    expect(timesOf(log, 'done')).toEqual([10 * ms]);
    expect(timesOf(log, 'call')).toEqual([10 * ms]);
  });

  it('gets what arrived meanwhile when it resumes, in the order of arrival, before anything else of that time', async () => {
    // The second caller comes first in ties: what it sent came first here, and last.
    const callers = [caller('z', [2 * ms, 4 * ms]), caller('a', [3 * ms, 19 * ms])];
    const log = await strikeAt([once, ...callers.reverse(), nemesis([1 * ms, 'pause'], [20 * ms, 'resume'])]);
    expect(log.lines).toMatchInlineSnapshot(`
      "
      [ 20.000 ms] z -> worker call number=0
      [ 20.000 ms] a -> worker call number=0
      [ 20.000 ms] z -> worker call number=1
      [ 20.000 ms] a -> worker call number=1
      [ 29.000 ms] worker done number=1
      "
    `);
    expect(log.lost).toEqual([]);
  });

  it('holds messages over a second pause that begins before the first one ends', async () => {
    const blows = nemesis([1 * ms, 'pause', 0], [4 * ms, 'pause', 1], [5 * ms, 'resume', 0], [9 * ms, 'resume', 1]);
    const log = await strikeAt([once, caller('b', [2 * ms]), caller('a', [3 * ms]), blows]);
    expect(log.events.map(({ kind, timeNs, cause }) => [timeNs / ms, kind, cause.actor])).toEqual([
      [9, 'call', 'b'],
      [9, 'call', 'a'],
      [18, 'done', 'worker'],
    ]);
  });

  it('and pauses again at the very time at which it resumes gets what was held in between', async () => {
    const blows = nemesis([1 * ms, 'pause', 0], [5 * ms, 'resume', 0], [5 * ms, 'pause', 1], [9 * ms, 'resume', 1]);
    const log = await strikeAt([once, caller('caller', [2 * ms]), blows]);
    expect(log.events.map(({ kind, timeNs }) => [timeNs / ms, kind])).toEqual([
      [5, 'call'],
      [18, 'done'],
    ]);
  });

  it('and goes down then loses what was held, and its work', async () => {
    const blows = nemesis([1 * ms, 'pause'], [6 * ms, 'down', 1], [8 * ms, 'up', 1], [30 * ms, 'resume']);
    const log = await strikeAt([busy, caller('caller', [2 * ms]), blows], { untilNs: 40 * ms });
    // Going down ended the pause: what it began at 8 ms is done at 18.
    expect(log.lost).toEqual(['6 ms caller -> worker call: down']);
    expect(log.lines).toMatchInlineSnapshot(`
      "
      [  8.000 ms] worker rejoin memory="kept"
      [ 18.000 ms] worker done number=100
      [ 28.000 ms] worker done number=101
      [ 38.000 ms] worker done number=102
      "
    `);
  });

  it('cannot pause while it is down: the end of such a pause means nothing, not even to another pause', async () => {
    const blows: Blow[] = [
      [2 * ms, 'down', 0],
      [3 * ms, 'pause', 1],
      [4 * ms, 'up', 0],
      [5 * ms, 'pause', 2],
      [7 * ms, 'resume', 1],
      [9 * ms, 'resume', 2],
    ];
    // Begun at 4, held up from 5 to 9.
    const log = await strikeAt([busy, nemesis(...blows)], { untilNs: 22 * ms });
    expect(timesOf(log, 'done')).toEqual([18 * ms]);
  });
});

describe('whatever the pauses', () => {
  it('an actor works as long as a clock says that stands still while it is paused', async () => {
    const pause = fc.record({ atMs: fc.nat({ max: 60 }), lastsMs: fc.nat({ max: 30 }) });
    const durations = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 });
    const property = fc.asyncProperty(fc.array(pause, { maxLength: 5 }), durations, async (pauses, pieces) => {
      const blows = pauses.flatMap(({ atMs, lastsMs }, by): Blow[] => [
        [atMs * ms, 'pause', by],
        [(atMs + lastsMs) * ms, 'resume', by],
      ]);
      const chain = scripted('worker', {
        start: [work(pieces[0]! * ms, 0)],
        answer: ({ facts }) => {
          const number = (facts['number'] as number) + 1;
          return number < pieces.length ? [work(pieces[number]! * ms, number)] : [];
        },
      });
      const log = await strikeAt([chain, nemesis(...blows)], { untilNs: 1000 * ms });
      // Millisecond by millisecond: paused ones do not count. What is due when a pause begins is completed first.
      const isPaused = (at: number): boolean => pauses.some(({ atMs, lastsMs }) => atMs <= at && at < atMs + lastsMs);
      let clock = 0;
      const expected = pieces.map((duration) => {
        for (let left = duration; left > 0; clock += 1) left -= isPaused(clock) ? 0 : 1;
        return clock * ms;
      });
      const found = timesOf(log, 'done');
      // A piece of no length that is begun as a pause begins may be done before or after it.
      if (pieces.every((duration) => duration > 0)) expect(found).toEqual(expected);
      else expect(found).toHaveLength(pieces.length);
    });
    await fc.assert(property, { seed: 1, numRuns: 200 });
  });

  it('every message gets to its actor once, at its arrival or at the end of the pause that held it, in order', async () => {
    // Pauses begin at even times and end at odd ones, so that none begins just when another ends.
    const pause = fc
      .record({ at: fc.nat({ max: 20 }), lasts: fc.nat({ max: 10 }) })
      .map(({ at, lasts }) => ({ atMs: 2 * at, lastsMs: 2 * lasts + 1 }));
    const arrivals = fc.uniqueArray(fc.nat({ max: 80 }), { minLength: 1, maxLength: 12 });
    const property = fc.asyncProperty(fc.array(pause, { maxLength: 5 }), arrivals, async (pauses, times) => {
      const blows = pauses.flatMap(({ atMs, lastsMs }, by): Blow[] => [
        [atMs * ms, 'pause', by],
        [(atMs + lastsMs) * ms, 'resume', by],
      ]);
      // Three callers take turns, so that neither names nor numbers are in the order of time.
      const callers = ['c', 'a', 'b'].map((name, index) =>
        caller(
          name,
          times.filter((_, place) => place % 3 === index).map((time) => time * ms),
        ),
      );
      const log = await strikeAt([scripted('worker', {}), ...callers, nemesis(...blows)], { untilNs: 1000 * ms });
      // A millisecond on the way. What comes as a pause begins was first.
      const released = (at: number): number => {
        const holding = pauses.find(({ atMs, lastsMs }) => atMs < at && at < atMs + lastsMs);
        return holding === undefined ? at : released(holding.atMs + holding.lastsMs);
      };
      const inOrder = [...times].sort((a, b) => a - b).map((time) => released(time + 1) * ms);
      expect(timesOf(log, 'call')).toEqual(inOrder);
      const sentNs = log.events.map(({ cause }) => cause.timeNs);
      expect(sentNs).toEqual([...sentNs].sort((a, b) => a - b));
    });
    await fc.assert(property, { seed: 1, numRuns: 200 });
  });
});

describe('a strike', () => {
  it('on somebody who is not an actor is a bug', async () => {
    const stray = scripted('stray', {
      start: [{ effect: 'strike', actor: 'nobody', strike: { kind: 'down', by: 0 } }],
    });
    await expect(play([stray])).rejects.toThrow('nobody was struck, which is not an actor');
  });

  it('is shown to the monitor where something changes by it', async () => {
    const seen: string[] = [];
    const monitor = scripted('monitor', {
      answer: ({ kind, facts }, timeNs) => {
        if (kind !== 'end') seen.push(`${timeNs / ms} ms ${facts['actor'] as string} ${kind}`);
        return [];
      },
    });
    const blows: Blow[] = [
      [1 * ms, 'pause', 0],
      [2 * ms, 'pause', 1],
      [3 * ms, 'resume', 0],
      [4 * ms, 'resume', 1],
      [5 * ms, 'down', 0],
      [6 * ms, 'down', 1],
      [7 * ms, 'pause', 2],
      [8 * ms, 'up', 0],
      [9 * ms, 'up', 1],
    ];
    await play([once, nemesis(...blows)], { engine, monitor });
    expect(seen).toEqual(['1 ms worker pause', '4 ms worker resume', '5 ms worker down', '9 ms worker up']);
  });

  it('is told where something changes by it, and so is every computation that begins and takes time', async () => {
    const told: string[] = [];
    const blows = nemesis(
      [4 * ms, 'down', 0],
      [6 * ms, 'down', 1],
      [8 * ms, 'up', 0],
      [9 * ms, 'up', 1],
      [12 * ms, 'pause'],
      [13 * ms, 'down', 2],
      [14 * ms, 'resume'],
    );
    const prompt = scripted('prompt', {
      start: [compute('work', { value: Float32Array.of(1) }, 'instant', { kind: 'done', facts: {} })],
    });
    await play([busy, prompt, blows], {
      engine,
      limits: { counts: {}, timeNs: 50 * ms },
      onStart: ({ timeNs, actor, kind, facts }) =>
        told.push(`${timeNs / ms} ${actor} ${kind} ${facts['number'] as number}`),
      onStrike: ({ timeNs, actor, kind }) => told.push(`${timeNs / ms} ${actor} ${kind}`),
    });
    expect(told).toEqual([
      '0 worker done 1',
      '4 worker down',
      '9 worker up',
      '9 worker done 100',
      '12 worker pause',
      '13 worker down',
    ]);
  });

  it('of a pause that never ends leaves a run that has nothing left to happen, with what is held in flight', async () => {
    const { outcome } = await play([once, caller('caller', [2 * ms]), nemesis([1 * ms, 'pause'])], { engine });
    expect(outcome.failure?.message).toContain('nothing is left to happen');
  });
});
