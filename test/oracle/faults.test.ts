/** Whole runs in which things go wrong: closed forms, plain loops, and many random plans. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LoggedEvent } from '../../src/kernel/simulation.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { transcript } from '../kernel/transcript.js';
import { moveConsensus, start, stepWorker, type Point, type Quadratics, type Steps } from './quadratic.js';
import { record, type Log } from './recorded.js';

const ms = 1_000_000;

const base = {
  data: { dataset: 'quadratic', dimension: 2 },
  monitor: { measures: [] },
  engine: { threads: 1 },
} as const satisfies Partial<ScenarioInput>;

/** More than any run here needs: one that does not end is cut short, and says so. */
const eventsMax = 20_000;

const runOf = (input: object): Promise<Log> => record({ ...base, ...input }, { events: eventsMax });

const senderOf = ({ cause }: LoggedEvent): string | undefined => (cause.via === 'message' ? cause.actor : undefined);
const told = ({ events }: Log): string =>
  transcript(events, { senderOf: senderOf as never, hidden: ['worker', 'samples', 'who'] });
const timesOf = ({ events }: Log, kind: string, actor?: string): number[] =>
  events
    .filter((event) => event.kind === kind && (actor === undefined || event.actor === actor))
    .map(({ timeNs }) => timeNs / ms);

const network = { stepTime: '10ms', latency: '2ms' };
const alone = { workers: 1, stop: { iterations: 6 } };

describe('a worker that pauses', () => {
  it('is late with a step by exactly the pauses that fell into it, and so is all that follows', async () => {
    // Its first step takes from 4 ms to 14: 3 ms of pause, and 2 of one that has begun before it ends.
    const faults = [
      { at: '6ms', pause: 'worker-0', for: '3ms' },
      { at: '15ms', pause: 'worker-0', for: '2ms' },
    ];
    const log = await runOf({ ...alone, network: { ...network, faults } });
    expect(timesOf(log, 'step')).toEqual([19, 33, 47, 61, 75]);
    expect(timesOf(log, 'move')).toEqual([2, 21, 35, 49, 63, 77]);
  });

  it('gets the reply at the end of its pause, and steps from then on', async () => {
    const faults = [{ at: '3ms', pause: 'worker-0', for: '20ms' }];
    expect(told(await runOf({ ...alone, stop: { iterations: 2 }, network: { ...network, faults } })))
      .toMatchInlineSnapshot(`
        "
        [  2.000 ms] worker-0 -> consensus deliver step=0 version=0
        [  2.000 ms] consensus move version=1 from=[[0,0]]
        [  3.000 ms] faults pause plan=0
        [ 23.000 ms] faults resume plan=0
        [ 23.000 ms] consensus -> worker-0 reply version=1
        [ 33.000 ms] worker-0 step step=1 version=1
        [ 35.000 ms] worker-0 -> consensus deliver step=1 version=1
        [ 35.000 ms] consensus move version=2 from=[[0,1]]
        "
      `);
  });

  it('makes all others wait in a synchronous run, and nobody in an asynchronous one', async () => {
    const faults = [{ at: '30ms', pause: 'worker-1', for: '1s' }];
    const run = (quorum: number | 'all') =>
      runOf({ workers: 3, algorithm: { quorum }, network: { ...network, faults }, stop: { virtualTime: '500ms' } });
    // Moves at 2, 16 and then none; the others of the asynchronous one every 14 ms.
    expect((await run('all')).result.counts.moves).toBe(3);
    const asynchronous = await run(1);
    expect(timesOf(asynchronous, 'step', 'worker-0')).toHaveLength(Math.floor((500 - 4) / 14));
    expect(timesOf(asynchronous, 'step', 'worker-1')).toEqual([14, 28]);
  });
});

describe('a worker that crashes', () => {
  const crash = (memory: 'kept' | 'lost') => ({ at: '19ms', crash: 'worker-0', for: '11ms', memory });

  it('loses its step, asks for u when it is up, and goes on with the number of the step that it lost', async () => {
    const log = await runOf({ ...alone, stop: { iterations: 4 }, network: { ...network, faults: [crash('kept')] } });
    expect(told(log)).toMatchInlineSnapshot(`
      "
      [  2.000 ms] worker-0 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=1 from=[[0,0]]
      [  4.000 ms] consensus -> worker-0 reply version=1
      [ 14.000 ms] worker-0 step step=1 version=1
      [ 16.000 ms] worker-0 -> consensus deliver step=1 version=1
      [ 16.000 ms] consensus move version=2 from=[[0,1]]
      [ 18.000 ms] consensus -> worker-0 reply version=2
      [ 19.000 ms] faults crash plan=0
      [ 30.000 ms] faults restart plan=0
      [ 30.000 ms] worker-0 rejoin memory="kept"
      [ 32.000 ms] worker-0 -> consensus request step=1
      [ 34.000 ms] consensus -> worker-0 reply version=2
      [ 44.000 ms] worker-0 step step=2 version=2
      [ 46.000 ms] worker-0 -> consensus deliver step=2 version=2
      [ 46.000 ms] consensus move version=3 from=[[0,2]]
      [ 48.000 ms] consensus -> worker-0 reply version=3
      [ 58.000 ms] worker-0 step step=3 version=3
      [ 60.000 ms] worker-0 -> consensus deliver step=3 version=3
      [ 60.000 ms] consensus move version=4 from=[[0,3]]
      "
    `);
  });

  it('loses the reply that comes while it is down, and gets it by asking', async () => {
    const faults = [{ at: '3ms', crash: 'worker-0', for: '10ms' }];
    const log = await runOf({ ...alone, stop: { iterations: 2 }, network: { ...network, faults } });
    expect(log.lost.map(({ timeNs, kind, why }) => [timeNs / ms, kind, why])).toEqual([[4, 'reply', 'down']]);
    // Up at 13: the request, u, the step and the copy take 2 + 2 + 10 + 2 ms.
    expect(timesOf(log, 'move')).toEqual([2, 29]);
  });

  it('that is killed takes no part any more, while the others go on where their quorum allows', async () => {
    const faults = [{ at: '50ms', kill: 'worker-2' }];
    const log = await runOf({
      workers: 3,
      algorithm: { quorum: 2 },
      network: { ...network, faults },
      stop: { virtualTime: '400ms' },
    });
    expect(Math.max(...timesOf(log, 'step', 'worker-2'))).toBeLessThan(50);
    expect(Math.max(...timesOf(log, 'move'))).toBeGreaterThan(380);
  });
});

describe('a worker that joins later', () => {
  it('does nothing before, and then asks for u', async () => {
    const faults = [{ at: '21ms', join: 'worker-1' }];
    const log = await runOf({
      workers: 2,
      algorithm: { quorum: 1 },
      network: { ...network, faults },
      stop: { virtualTime: '38ms' },
    });
    expect(told(log)).toMatchInlineSnapshot(`
      "
      [  2.000 ms] worker-0 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=1 from=[[0,0]]
      [  4.000 ms] consensus -> worker-0 reply version=1
      [ 14.000 ms] worker-0 step step=1 version=1
      [ 16.000 ms] worker-0 -> consensus deliver step=1 version=1
      [ 16.000 ms] consensus move version=2 from=[[0,1]]
      [ 18.000 ms] consensus -> worker-0 reply version=2
      [ 21.000 ms] faults join plan=0
      [ 21.000 ms] worker-1 rejoin memory="kept"
      [ 23.000 ms] worker-1 -> consensus request step=0
      [ 25.000 ms] consensus -> worker-1 reply version=2
      [ 28.000 ms] worker-0 step step=2 version=2
      [ 30.000 ms] worker-0 -> consensus deliver step=2 version=2
      [ 30.000 ms] consensus move version=3 from=[[0,2]]
      [ 32.000 ms] consensus -> worker-0 reply version=3
      [ 35.000 ms] worker-1 step step=1 version=2
      [ 37.000 ms] worker-1 -> consensus deliver step=1 version=2
      [ 37.000 ms] consensus move version=4 from=[[1,1]]
      "
    `);
  });

  it('makes a synchronous run wait for it', async () => {
    const faults = [{ at: '100ms', join: 'worker-1' }];
    const log = await runOf({ workers: 2, network: { ...network, faults }, stop: { iterations: 3 } });
    // Up at 100: the request, u, the step and the copy take 16 ms; then every 14.
    expect(timesOf(log, 'move')).toEqual([116, 130, 144]);
  });
});

describe('a consensus node that crashes', () => {
  it('loses what comes meanwhile, and is sent again what was unanswered', async () => {
    const faults = [{ at: '15ms', crash: 'consensus', for: '15ms' }];
    const log = await runOf({ ...alone, stop: { iterations: 3 }, network: { ...network, faults } });
    expect(log.lost.map(({ timeNs, kind, why }) => [timeNs / ms, kind, why])).toEqual([[16, 'deliver', 'down']]);
    expect(told(log)).toMatchInlineSnapshot(`
      "
      [  2.000 ms] worker-0 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=1 from=[[0,0]]
      [  4.000 ms] consensus -> worker-0 reply version=1
      [ 14.000 ms] worker-0 step step=1 version=1
      [ 15.000 ms] faults crash plan=0
      [ 30.000 ms] faults restart plan=0
      [ 30.000 ms] consensus rejoin memory="kept"
      [ 32.000 ms] consensus -> worker-0 restarted
      [ 34.000 ms] worker-0 -> consensus deliver step=1 version=1
      [ 34.000 ms] consensus move version=2 from=[[0,1]]
      [ 36.000 ms] consensus -> worker-0 reply version=2
      [ 46.000 ms] worker-0 step step=2 version=2
      [ 48.000 ms] worker-0 -> consensus deliver step=2 version=2
      [ 48.000 ms] consensus move version=3 from=[[0,2]]
      "
    `);
  });

  it('waits for those it has not heard of, and applies no copy twice', async () => {
    // Copies of worker 0 arrive at 16 ms, before the crash, and those of worker 1 at 26, while it is down.
    const faults = [{ at: '20ms', crash: 'consensus', for: '10ms' }];
    const stragglers = [{ workers: [1], slowdown: 2 }];
    const log = await runOf({ workers: 2, stop: { iterations: 2 }, network: { ...network, stragglers, faults } });
    expect(log.events.filter(({ kind }) => kind === 'restarted').map(({ actor }) => actor)).toEqual(['worker-1']);
    expect(log.events.filter(({ kind }) => kind === 'move').map(({ facts }) => facts['from'])).toEqual([
      [
        [0, 0],
        [1, 0],
      ],
      [
        [0, 1],
        [1, 1],
      ],
    ]);
    // Up at 30 ms: worker 1 hears of it at 32, and its copy is there at 34.
    expect(timesOf(log, 'move')).toEqual([2, 34]);
  });
});

describe('a deadline', () => {
  it('moves u so long after the first arrival with those that are there, so that a straggler holds nobody up', async () => {
    const input = {
      workers: 3,
      protocol: { deadline: '5ms' },
      network: { ...network, stragglers: [{ workers: [2], slowdown: 4 }] },
      stop: { virtualTime: '60ms' },
    };
    const log = await runOf(input);
    const moves = log.events.filter(({ kind }) => kind === 'move');
    // The first move has all; then workers 0 and 1 every 14 + 5 ms. Worker 2 arrives at 4 + 40 + 2 ms.
    expect(
      moves.map(({ timeNs, facts }) => [timeNs / ms, (facts['from'] as number[][]).map(([worker]) => worker)]),
    ).toEqual([
      [2, [0, 1, 2]],
      [21, [0, 1]],
      [40, [0, 1]],
      [51, [2]],
      [59, [0, 1]],
    ]);
  });
});

describe('a deadlock', () => {
  it('that a lost message causes ends the run as failed, and tells who waits for whom', async () => {
    const log = await runOf({
      workers: 3,
      network: { ...network, partitions: [{ workers: [1], at: '0', for: '1ms' }] },
      stop: { iterations: 5 },
    });
    expect(log.result).toMatchObject({ status: 'failed', counts: { moves: 0, lost: 1 } });
    const { reason } = log.result;
    expect(reason).toContain('deadlock: nothing is left to happen and the goal is not met');
    for (const worker of [0, 1, 2]) {
      expect(reason).toContain(`worker-${worker} waits for the reply to what it sent after step 0`);
    }
    expect(reason).toMatch(/consensus has 2 of 3 workers/);
  });

  it('comes sooner or later with loss, but without retransmission, synchronous or not', async () => {
    for (const quorum of ['all', 2, 1] as const) {
      const { result } = await runOf({
        workers: 3,
        algorithm: { quorum },
        network: { ...network, loss: 0.2 },
        stop: { iterations: 1000 },
      });
      expect(result.status).toBe('failed');
      expect(result.reason).toContain('deadlock');
      expect(result.reason).toMatch(/worker-[012] waits for the reply/);
      expect(result.counts.lost).toBeGreaterThan(0);
    }
  });

  it('does not come with retransmission', async () => {
    const { result } = await runOf({
      workers: 3,
      network: { ...network, loss: 0.2, retransmission: { timeout: '10ms', attempts: 50, backoff: 1 } },
      stop: { iterations: 100 },
    });
    expect(result).toMatchObject({ status: 'completed', reason: 'move', counts: { moves: 100 } });
  });
});

/** Replays events with float64 loops: what was used when is taken from the log, the numbers are not. */
function replay(events: readonly LoggedEvent[], problem: Quadratics, steps: Steps, u0: ArrayLike<number>): Point {
  const point = start(u0, problem.workers);
  const versions = [point.u];
  const history = point.z.map((z) => new Map([[0, [...z]]]));
  const copies = point.z.map((z) => [...z]);
  const blank = new Set<number>();
  for (const { kind, facts, actor } of events) {
    const worker = (facts['worker'] as number | undefined) ?? Number(actor.split('-')[1]);
    if (kind === 'rejoin' && facts['memory'] === 'lost') blank.add(worker);
    if (kind === 'reply' && blank.delete(worker)) {
      point.z[worker] = [...versions[facts['version'] as number]!];
      point.v[worker]!.fill(0);
    }
    if (kind === 'step') {
      stepWorker(problem, steps, point, worker, versions[facts['version'] as number]!);
      history[worker]!.set(facts['step'] as number, [...point.z[worker]!]);
    }
    if (kind === 'deliver') copies[worker] = history[worker]!.get(facts['step'] as number)!;
    if (kind === 'move') versions.push((point.u = moveConsensus(steps, point.u, copies)));
  }
  return point;
}

describe('a worker that is restarted without its memory', () => {
  it.each([{ overlap: false }, { overlap: true }, { overlap: false, localSteps: 3 }])(
    'takes u as its z_j and begins with zero velocity, as plain float64 loops do, with %o',
    async (exchange) => {
      const faults = [
        {
          every: { distribution: 'exponential', mean: '150ms' },
          for: '30ms',
          until: '2s',
          crash: 'worker-1',
          memory: 'lost',
        },
        {
          every: { distribution: 'exponential', mean: '200ms' },
          for: '5ms',
          until: '2s',
          crash: 'worker-2',
          memory: 'kept',
        },
      ];
      const {
        events,
        result,
        start: begin,
      } = await record({
        ...base,
        seed: 6,
        data: { dataset: 'quadratic', dimension: 4, condition: 10, spread: 2 },
        workers: 3,
        algorithm: { lambda: 0.5, workerStep: 0.05, consensusStep: 0.04, momentum: 0.6, quorum: 1, ...exchange },
        network: { stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 }, latency: '2ms', faults },
        stop: { iterations: 200 },
      });
      expect(result.status).toBe('completed');
      const rejoined = events.filter(({ kind, facts }) => kind === 'rejoin' && facts['memory'] === 'lost');
      expect(rejoined.length).toBeGreaterThan(2);
      const { D, c } = begin.problem!;
      const problem = { workers: 3, n: 4, D: D!.values, c: c!.values };
      const steps = { lambda: 0.5, eta: 1, sigma: 0.05, tau: 0.04, kappa: 0.6, nu: 0, scaling: 'literal' } as const;
      const point = replay(events, problem, steps, begin.initial['u/vector/weight']!.values);
      const expected = {
        u: point.u,
        z0: point.z[0]!,
        z1: point.z[1]!,
        z2: point.z[2]!,
        v1: point.v[1]!,
        v2: point.v[2]!,
      };
      for (const [name, values] of Object.entries(expected)) {
        const found = result.final.tensors[`${name}/vector/weight`]!.values;
        const size = Math.max(1, ...values.map(Math.abs));
        for (const [index, value] of values.entries()) {
          expect(Math.abs(found[index]! - value) / size, `${name}[${index}]`).toBeLessThan(1e-5);
        }
      }
      // Step numbers go on: those that are completed are 1, 2, 3, ...
      const numbers = events
        .filter(({ kind, actor }) => kind === 'step' && actor === 'worker-1')
        .map(({ facts }) => facts['step']);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    },
  );
});

/** Runs that must reach their goal whatever the plan does: all that is lost is sent again, and all heals. */
const exponential = (mean: number) => ({ distribution: 'exponential', mean: `${mean}ms` });
const time = (longest: number) => fc.integer({ min: 0, max: longest }).map((length) => `${length}ms`);

const plans = fc
  .record({
    seed: fc.nat({ max: 100_000 }),
    workers: fc.integer({ min: 1, max: 5 }),
    // Modulo the number of workers.
    quorum: fc.nat({ max: 59 }),
    method: fc.constantFrom(
      { method: 'alternating', combine: 'latest' },
      { method: 'alternating', combine: 'arrived', overlap: true, localSteps: 2 },
      { method: 'easgd', localSteps: 2 },
      { method: 'easgd', exchange: 'split', quorum: 1, localSteps: 2 },
      { method: 'local-sgd', localSteps: 3 },
      { method: 'async-sgd' },
    ),
    loss: fc.constantFrom(0, 0.1, 0.3),
    corruption: fc.constantFrom(0, 0.1),
    duplication: fc.constantFrom(0, 0.3),
    jitter: fc.constantFrom(undefined, exponential(2)),
    bottleneck: fc.constantFrom(undefined, { up: '4kB/s', down: '8kB/s' }),
    partitions: fc.array(
      fc.record({
        workers: fc.array(fc.nat({ max: 59 }), { minLength: 1, maxLength: 3 }),
        at: time(300),
        for: time(100),
      }),
      { maxLength: 2 },
    ),
    flapping: fc.boolean(),
    faults: fc.array(
      fc.record({
        who: fc.nat({ max: 59 }),
        at: time(400),
        for: time(80),
        what: fc.constantFrom('crash', 'crash', 'pause', 'join', 'crashes', 'pauses'),
        memory: fc.constantFrom('kept', 'lost'),
      }),
      { maxLength: 5 },
    ),
  })
  .map(scenarioOf);

type FaultKeys = Readonly<Record<'at' | 'for' | 'memory', string>> & { readonly who: number; readonly what: string };

function faultOf({ who, what, at, for: lasts, memory }: FaultKeys, workers: number): object {
  const actor = `worker-${who % workers}`;
  switch (what) {
    case 'join':
      return { at, join: actor };
    case 'crash':
      return { at, for: lasts, crash: actor, memory };
    case 'pause':
      return { at, for: lasts, pause: actor };
    case 'crashes':
      return { every: exponential(100), for: exponential(15), until: '500ms', crash: actor, memory };
    default:
      return { every: exponential(60), for: exponential(10), until: '500ms', pause: actor };
  }
}

/** The plan as a scenario, to be read by `straggler run` too. */
function scenarioOf(plan: {
  seed: number;
  workers: number;
  quorum: number;
  method: object;
  loss: number;
  corruption: number;
  duplication: number;
  jitter: object | undefined;
  bottleneck: object | undefined;
  partitions: readonly { workers: readonly number[]; at: string; for: string }[];
  flapping: boolean;
  faults: readonly FaultKeys[];
}) {
  const { seed, workers, quorum, method, loss, corruption, duplication, jitter, bottleneck, faults, flapping } = plan;
  const { partitions } = plan;
  const synchronous = { quorum: quorum % 3 === 0 ? 'all' : 1 + (quorum % workers) };
  const isSplit = 'exchange' in method;
  const takesQuorum = !isSplit && ['alternating', 'easgd'].includes((method as { method: string }).method);
  const cut = partitions.map((one) => ({
    ...one,
    workers: [...new Set(one.workers.map((worker) => worker % workers))],
  }));
  const flaps = { workers: [0], every: exponential(80), for: exponential(10) };
  return {
    ...base,
    seed,
    workers,
    algorithm: { ...method, ...(takesQuorum ? synchronous : {}) },
    network: {
      stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 },
      latency: exponential(2),
      loss,
      corruption,
      duplication,
      ...(jitter === undefined ? {} : { jitter }),
      ...(bottleneck === undefined ? {} : { bottleneck }),
      partitions: [...cut, ...(flapping ? [flaps] : [])],
      retransmission: { timeout: '15ms', backoff: 1, attempts: 1000 },
      faults: faults.map((fault) => faultOf(fault, workers)),
    },
    stop: { iterations: 30 },
  };
}

/** What is wrong with a run that should have recovered; undefined where nothing is. */
function complaint(
  { result, events, lost }: Log,
  { workers, algorithm }: ReturnType<typeof scenarioOf>,
): string | undefined {
  const { status, reason, counts } = result;
  if (status !== 'completed' || reason !== 'move' || counts.moves !== 30) return `${status}, ${reason}`;
  const delivered = events.filter(({ cause }) => cause.via === 'message');
  if (counts.lost !== lost.length) return `${lost.length} losses were told, ${counts.lost} counted`;
  if (delivered.length + lost.length > counts.messages) return 'more messages came to an end than were sent';
  const bytes = [...delivered.map(({ cause }) => cause), ...lost].reduce((sum, one) => sum + one.bytes, 0);
  if (bytes > counts.bytes) return 'more bytes came to an end than were sent';
  const split = (algorithm as { exchange?: string }).exchange === 'split';
  const copies = delivered
    .filter(({ kind }) => kind === 'deliver')
    .map(({ facts }) => `${String(facts['worker'])} ${String(facts['step'])}`);
  // A split exchange that a crash interrupted is begun anew.
  if (!split && new Set(copies).size !== copies.length) return 'a copy was delivered twice';
  return movesAreWhole(events, { workers, quorum: (algorithm as { quorum?: number | 'all' }).quorum });
}

/** Every move uses what has arrived from enough distinct workers, each arrival once. */
function movesAreWhole(
  events: readonly LoggedEvent[],
  { workers, quorum }: { workers: number; quorum: number | 'all' | undefined },
): string | undefined {
  for (const { kind, facts } of events) {
    if (kind !== 'move' || quorum === undefined) continue;
    const distinct = new Set((facts['from'] as readonly (readonly [number, number])[]).map(([worker]) => worker)).size;
    const needed = quorum === 'all' ? workers : quorum;
    if (distinct < needed) return `move ${String(facts['version'])} used ${distinct} of ${needed} workers`;
  }
  return undefined;
}

/** What is wrong with a plan, and a line that does it again; undefined where nothing is. */
async function judge(scenario: ReturnType<typeof scenarioOf>): Promise<string | undefined> {
  const [first, second] = [await runOf(scenario), await runOf(scenario)];
  const same = JSON.stringify(first.result.digests) === JSON.stringify(second.result.digests);
  const problem = complaint(first, scenario) ?? (same ? undefined : 'run again, it has other digests');
  if (problem === undefined) return undefined;
  return `${problem}: echo '${JSON.stringify(scenario)}' > plan.json && npx straggler run plan.json --events`;
}

describe('a run with any plan of faults that heal', () => {
  it('reaches its goal, delivers nothing twice, and replays to the same digests', { timeout: 300_000 }, async () => {
    const scenarios = fc.sample(plans, { seed: 20_261_125, numRuns: 200 });
    const failures: string[] = [];
    for (const scenario of scenarios) {
      const failure = await judge(scenario);
      if (failure !== undefined) failures.push(failure);
    }
    expect(failures.join('\n')).toBe('');
  });

  it('negative control: a plan that does not heal is told in one line that does it again', async () => {
    const [plan] = fc.sample(plans, { seed: 1, numRuns: 1 });
    const { network: links } = plan!;
    const hopeless = {
      ...plan!,
      network: { ...links, loss: 0.9, retransmission: { ...links.retransmission, attempts: 1 } },
    };
    const failure = await judge(hopeless);
    expect(failure).toMatch(
      /^failed, deadlock: .*: echo '\{.*\}' > plan\.json && npx straggler run plan\.json --events$/,
    );
  });
});
