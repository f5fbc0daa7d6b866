import { describe, expect, it } from 'vitest';
import { Attribution, type AttributionRecord } from '../../src/record/attribution.js';
import { ChromeTrace } from '../../src/record/chromeTrace.js';
import { byState, workerStates } from '../../src/record/workerStates.js';
import { attribute, faulty, follow, mishaps, quadratic } from './follow.js';
import { importTrace, traceFile, type Imported, type Slice } from './perfetto.js';

/** The trace of a run that is over, and its attribution. */
function draw({ workers, told, result, timeNs }: Awaited<ReturnType<typeof follow>>): {
  text: string;
  imported: Imported;
  record: AttributionRecord;
  pieces: readonly string[];
} {
  const pieces: string[] = [];
  const trace = new ChromeTrace({
    title: 'a run',
    workers,
    others: ['consensus', 'faults'],
    write: (piece) => {
      pieces.push(piece);
    },
  });
  const attribution = new Attribution(workers, trace);
  attribute(told, attribution, trace);
  const record = attribution.end({ timeNs, sent: result.counts });
  for (const leg of attribution.legs()) trace.leg(leg);
  trace.end(timeNs, { seed: 3 });
  const text = pieces.join('');
  return { text, imported: importTrace(text), record, pieces };
}

/** The slices of a worker and of the critical path follow one another, and add up to the tables. */
function expectLanes({ lanes }: Imported, { timeNs, workers, criticalPath }: AttributionRecord): void {
  const states = new Set<string>(workerStates);
  const check = (slices: readonly Slice[], end: number): ((name: string) => number) => {
    const ends = [0, ...slices.map(({ untilNs }) => untilNs)];
    expect(slices.map(({ fromNs }) => fromNs)).toEqual(ends.slice(0, -1));
    expect(ends.at(-1)).toBe(end);
    return (of) => slices.reduce((sum, { name, fromNs, untilNs }) => sum + (name === of ? untilNs - fromNs : 0), 0);
  };
  for (const { worker, ns } of workers) {
    const slices = lanes.get(worker)!.filter(({ name, fromNs, untilNs }) => states.has(name) && fromNs < untilNs);
    expect(byState(check(slices, timeNs))).toEqual(ns);
  }
  const sumOf = check(lanes.get('critical path')!, criticalPath.ns);
  for (const { kind, of, ns } of criticalPath.shares) expect(sumOf(kind === 'message' ? of : `${of} ${kind}`)).toBe(ns);
}

describe('the trace of a run in which all that can go wrong does', async () => {
  const run = await follow(faulty);
  const { text, imported, record, pieces } = draw(run);
  const { lanes, arrows, dropped, counters } = imported;

  it('is in the Trace Event Format, with a lane an actor, in order', () => {
    const { otherData, displayTimeUnit, traceEvents } = traceFile.parse(JSON.parse(text));
    expect({ otherData, displayTimeUnit }).toEqual({ otherData: { seed: 3 }, displayTimeUnit: 'ms' });
    expect(traceEvents[0]).toMatchObject({ ph: 'M', name: 'process_name', args: { name: 'a run' } });
    const names = ['critical path', 'worker-0', 'worker-1', 'worker-2', 'worker-3', 'consensus', 'faults', 'losses'];
    expect([...lanes.keys()]).toEqual(names);
  });

  it('is written piece by piece, of 64 KiB and at most an event more', () => {
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces) expect(piece.length).toBeLessThan(65_536 + 500);
  });

  it('its lanes follow one another, and add up to the tables', () => {
    expectLanes(imported, record);
  });

  it('every message that arrived is an arrow between the lanes of its actors, at its times', () => {
    const arrived = run.events.filter(({ cause }) => cause.via === 'message');
    const key = (parts: readonly (string | number)[]): string => parts.join(' ');
    expect(dropped).toEqual([]);
    expect(
      arrows.map((arrow) => key([arrow.name, arrow.fromLane, arrow.sentNs, arrow.toLane, arrow.arrivedNs])).sort(),
    ).toEqual(
      arrived
        .map((event) => key([event.kind, event.cause.actor, event.cause.timeNs, event.actor, event.timeNs]))
        .sort(),
    );
  });

  it('an arrow to the consensus node ends at its delivery, one from it begins at a move or a request', () => {
    const ends = arrows.filter(({ toLane }) => toLane === 'consensus');
    for (const { name, to, arrivedNs } of ends)
      expect(to).toMatchObject({ name, fromNs: arrivedNs, untilNs: arrivedNs });
    const begins = new Set(arrows.filter(({ fromLane }) => fromLane === 'consensus').map(({ from }) => from.name));
    expect([...begins].filter((name) => !/^move \d+$|^request$|^deliver$/.test(name))).toEqual([]);
    for (const { fromLane, from, sentNs } of arrows) if (fromLane === 'consensus') expect(from.fromNs).toBe(sentNs);
  });

  it('faults are marked on their lane and on that of the actor, losses on one of their own', () => {
    const marks = (lane: string, pattern: RegExp): string[] =>
      lanes.get(lane)!.flatMap(({ name, fromNs }) => (pattern.test(name) ? [`${name} ${fromNs / 1e6}`] : []));
    expect(marks('faults', /./)).toEqual([
      'crash worker-1 102',
      'pause worker-2 187',
      'restart worker-1 252',
      'resume worker-2 277',
      'join worker-3 300',
      'cut worker-0 400',
      'heal worker-0 450',
    ]);
    expect(marks('worker-1', /^(crash|restart|rejoin)$/)).toEqual(['crash 102', 'restart 252', 'rejoin 252']);
    expect(run.losses.length).toBeGreaterThan(10);
    expect(lanes.get('losses')!.map(({ name, fromNs, args: { why } }) => [name, fromNs, why])).toEqual(
      run.losses.map(({ kind, from, to, timeNs, why }) => [`${kind} ${from} -> ${to}`, timeNs, why]),
    );
  });

  it('the counter of waiting copies is below the quorum but for the moment of the move', () => {
    const settled = counters.filter((counter, index) => counters[index + 1]?.ns !== counter.ns);
    expect(new Set(settled.map(({ value }) => value))).toEqual(new Set([0, 1]));
  });
});

describe.each(mishaps)('the trace of a run with %s', (_, scenario) => {
  it('has lanes that follow one another and add up to the tables, and all arrows', async () => {
    const run = await follow(scenario);
    const { imported, record } = draw(run);
    expectLanes(imported, record);
    expect(imported.dropped).toEqual([]);
    expect(imported.arrows).toHaveLength(run.events.filter(({ cause }) => cause.via === 'message').length);
  });
});

describe('the trace of synchronous rounds', async () => {
  const run = await follow({
    ...quadratic,
    workers: 2,
    network: { stepTime: '10ms', latency: '2ms', stragglers: [{ workers: [1], slowdown: 3 }] },
    stop: { iterations: 3 },
  });
  const { imported } = draw(run);

  it('reads like the algorithm', () => {
    const shown = [...imported.lanes].flatMap(([lane, slices]) => [
      lane,
      ...slices.map(({ name, fromNs, untilNs, args: { step } }) => {
        const until = fromNs === untilNs ? '' : ` to ${untilNs / 1e6}`;
        return `  ${fromNs / 1e6}${until} ${name}${name === 'compute' ? ` step ${String(step)}` : ''}`;
      }),
    ]);
    expect(`\n${shown.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      critical path
        0 to 2 worker-1 -> consensus
        2 to 4 consensus -> worker-1
        4 to 34 worker-1 compute
        34 to 36 worker-1 -> consensus
        36 to 38 consensus -> worker-1
        38 to 68 worker-1 compute
        68 to 70 worker-1 -> consensus
      worker-0
        0 start
        0 to 4 transfer
        4 to 14 compute step 1
        14 to 16 transfer
        16 to 36 wait
        36 to 38 transfer
        38 to 48 compute step 2
        48 to 50 transfer
        50 to 70 wait
        70 end
      worker-1
        0 start
        0 to 4 transfer
        4 to 34 compute step 1
        34 to 38 transfer
        38 to 68 compute step 2
        68 to 70 transfer
        70 end
      consensus
        2 deliver
        2 deliver
        2 move 1
        16 deliver
        36 deliver
        36 move 2
        50 deliver
        70 deliver
        70 move 3
      faults
      losses
      "
    `);
  });

  it('copies come from the end of a step, and replies lead to the next one', () => {
    const shown = imported.arrows.map(
      ({ name, fromLane, from, toLane, to }) => `${name}: ${fromLane} ${from.name} -> ${toLane} ${to.name}`,
    );
    expect(`\n${shown.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      deliver: worker-0 start -> consensus deliver
      deliver: worker-1 start -> consensus deliver
      reply: consensus move 1 -> worker-0 compute
      reply: consensus move 1 -> worker-1 compute
      deliver: worker-0 compute -> consensus deliver
      deliver: worker-1 compute -> consensus deliver
      reply: consensus move 2 -> worker-0 compute
      reply: consensus move 2 -> worker-1 compute
      deliver: worker-0 compute -> consensus deliver
      deliver: worker-1 compute -> consensus deliver
      "
    `);
  });
});
