/** The time that whole runs take, against closed forms and plain loops. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { drawExponential } from '../../src/kernel/draws.js';
import type { LoggedEvent } from '../../src/kernel/simulation.js';
import { Streams } from '../../src/kernel/streams.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { record, type Log } from './recorded.js';

const ms = 1_000_000;

/** A copy of u or z_j has 25 parameters, 100 bytes: at 100 kB/s it takes 1 ms. */
const base = {
  data: { dataset: 'quadratic', dimension: 25 },
  algorithm: { lambda: 1, workerStep: 0.01, consensusStep: 0.01 },
  monitor: { measures: [] },
  engine: { threads: 1 },
} as const satisfies Partial<ScenarioInput>;

const runOf = (input: Omit<ScenarioInput, 'data'> & { data?: ScenarioInput['data'] }): Promise<Log> =>
  record({ ...base, ...input, algorithm: { ...base.algorithm, ...input.algorithm } });

const timesOf = ({ events }: Log, kind: string, worker?: number): number[] =>
  events
    .filter((event) => event.kind === kind && (worker === undefined || event.facts['worker'] === worker))
    .map(({ timeNs }) => timeNs);

/** How long what led to the events of a kind took. */
const delaysOf = ({ events }: Log, kind: string): number[] =>
  events.filter((event) => event.kind === kind).map(({ timeNs, cause }) => timeNs - cause.timeNs);

/** `first`, and then another one every `everyNs`. */
const every = (firstNs: number, everyNs: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => firstNs + index * everyNs);

/** s, d and b. */
const [s, d, b] = [10 * ms, 2 * ms, ms];
const network = { stepTime: '10ms', latency: '2ms', bandwidth: '100kB/s' };
const sync = { workers: 4, network, stop: { iterations: 12 } };

describe('a synchronous round', () => {
  it('lasts s + 2 d + 2 b: a step, two latencies and two transfers', async () => {
    const log = await runOf(sync);
    expect(timesOf(log, 'move')).toEqual(every(d + b, s + 2 * d + 2 * b, 12));
    expect(log.result.virtualSeconds).toBe((d + b + 11 * (s + 2 * d + 2 * b)) / 1e9);
    // 12 copies of 4 workers, and 11 replies that have arrived with 4 that have not.
    expect(log.result.counts).toMatchObject({ messages: 96, bytes: 9600, lost: 0 });
  });

  it('with L local steps lasts L s + 2 d + 2 b', async () => {
    const log = await runOf({ ...sync, algorithm: { localSteps: 3 } });
    expect(timesOf(log, 'move')).toEqual(every(d + b, 3 * s + 2 * d + 2 * b, 12));
  });

  it('is stretched by exactly (k - 1) s by a worker that is k times slower', async () => {
    for (const k of [1.5, 5]) {
      const log = await runOf({ ...sync, network: { ...network, stragglers: [{ workers: [2], slowdown: k }] } });
      expect(timesOf(log, 'move')).toEqual(every(d + b, s + 2 * d + 2 * b + (k - 1) * s, 12));
    }
  });

  it('takes each direction as that is said to be', async () => {
    const log = await runOf({
      ...sync,
      network: { ...network, up: { latency: '7ms' }, down: { bandwidth: '25kB/s', latency: '3ms' } },
    });
    // Up 7 + 1 ms, down 3 + 4.
    expect(timesOf(log, 'move')).toEqual(every(8 * ms, s + 15 * ms, 12));
  });

  it('takes as long as the slowest path, whatever the others', async () => {
    const log = await runOf({
      ...sync,
      network: {
        ...network,
        up: { latency: '3ms' },
        links: [
          { workers: [0, 1], latency: '4ms' },
          { workers: [1], up: { bandwidth: '20kB/s' }, down: { latency: '500us' } },
        ],
        stragglers: [{ workers: [3], slowdown: 1.3 }],
      },
    });
    const up = [4 + 1, 4 + 5, 3 + 1, 3 + 1];
    const down = [4 + 1, 0.5 + 1, 2 + 1, 2 + 1];
    const steps = [10, 10, 10, 13];
    const round = Math.max(...up.map((way, worker) => way + down[worker]! + steps[worker]!));
    expect(round).toBe(20.5);
    expect(timesOf(log, 'move')).toEqual(every(Math.max(...up) * ms, round * ms, 12));
    for (const worker of [0, 1, 2, 3]) {
      expect(timesOf(log, 'deliver', worker)[0]).toBe(up[worker]! * ms);
      expect(timesOf(log, 'reply', worker)[0]).toBe((Math.max(...up) + down[worker]!) * ms);
    }
  });

  it('of M equal transfers over a bottleneck takes M b in each direction, b being a transfer alone', async () => {
    const shared = { stepTime: '10ms', latency: '2ms', bottleneck: { up: '100kB/s', down: '50kB/s' } };
    for (const workers of [1, 2, 5]) {
      const log = await runOf({ ...sync, workers, network: shared });
      const [up, down] = [workers * b, workers * 2 * b];
      expect(timesOf(log, 'move')).toEqual(every(d + up, s + 2 * d + up + down, 12));
    }
  });

  it('is not slowed down by a bottleneck that its links cannot fill', async () => {
    const log = await runOf({ ...sync, network: { ...network, bottleneck: { up: '400kB/s', down: '1MB/s' } } });
    expect(timesOf(log, 'move')).toEqual(every(d + b, s + 2 * d + 2 * b, 12));
  });

  it('over a bottleneck waits for the worker that gets its share last', async () => {
    // Worker 0 sends 5 ms later than the others: they are through at 3 ms of transfer, it needs one.
    const log = await runOf({
      ...sync,
      network: { stepTime: '10ms', bottleneck: { up: '100kB/s' }, stragglers: [{ workers: [0], slowdown: 1.5 }] },
    });
    // z^0 of all takes 4 ms; then three share from 10 ms on, until 13, and the last one takes from 15 to 16.
    expect(timesOf(log, 'move')).toEqual(every(4 * ms, 16 * ms, 12));
    expect(timesOf(log, 'deliver', 1).slice(0, 3)).toEqual([4, 17, 33].map((time) => time * ms));
  });

  it('takes longer for its samples by the time of each', async () => {
    const log = await runOf({
      ...sync,
      data: { dataset: 'logistic', samplesPerWorker: 20, testSamples: 0, batchSize: 6 },
      network: { stepTime: '10ms', latency: '2ms', sampleTime: '500us' },
    });
    expect(timesOf(log, 'move')).toEqual(every(d, s + 3 * ms + 2 * d, 12));
  });
});

describe('what changes over time', () => {
  const alone = { ...sync, workers: 1, stop: { iterations: 60 } };

  it('counts for a step when that starts: stragglers by turns', async () => {
    const straggler = { workers: [0], slowdown: 3, every: '95ms', for: '42ms' };
    const log = await runOf({ ...alone, network: { ...network, stragglers: [straggler] } });
    const isSlow = (timeNs: number): boolean => timeNs % (137 * ms) >= 95 * ms;
    const expected = [d + b];
    while (expected.length < 60) {
      const startNs = expected.at(-1)! + d + b;
      expected.push(startNs + (isSlow(startNs) ? 3 * s : s) + d + b);
    }
    expect(timesOf(log, 'move')).toEqual(expected);
  });

  it('counts for a message when that is sent, and for its bytes while they pass', async () => {
    const log = await runOf({
      ...alone,
      network: {
        stepTime: {
          piecewise: [
            { from: '0', value: '10ms' },
            { from: '150ms', value: '4ms' },
          ],
        },
        latency: {
          piecewise: [
            { from: '0', value: '2ms' },
            { from: '101ms', value: '5ms' },
          ],
        },
        bandwidth: {
          piecewise: [
            { from: '0', value: '100kB/s' },
            { from: '203ms', value: '30kB/s' },
            { from: '301500us', value: '300kB/s' },
          ],
        },
      },
    });
    // In steps of a microsecond, of which every number here is a multiple, but for the thirds of the last transfer.
    const rateAt = (us: number): number => (us < 203_000 ? 0.1 : us < 301_500 ? 0.03 : 0.3);
    const transferUs = (us: number): number => {
      let [left, now] = [100, us];
      while (left > rateAt(now)) left -= rateAt(now++);
      return now - us + left / rateAt(now);
    };
    const travelUs = (us: number): number => transferUs(us) + (us < 101_000 ? 2000 : 5000);
    const expected = [travelUs(0)];
    while (expected.length < 60) {
      const startUs = expected.at(-1)! + travelUs(expected.at(-1)!);
      const sentUs = startUs + (startUs < 150_000 ? 10_000 : 4000);
      expected.push(sentUs + travelUs(sentUs));
    }
    const found = timesOf(log, 'move');
    expected.forEach((us, index) => expect(Math.abs(found[index]! / 1000 - us)).toBeLessThan(1));
    expect(new Set(found.map((timeNs, index) => timeNs - (found[index - 1] ?? 0))).size).toBeGreaterThan(5);
  });

  it('lets nothing pass a partition, so that a round waits for it to heal and for a message to be sent again', async () => {
    const log = await runOf({
      ...sync,
      network: {
        ...network,
        partitions: [{ workers: [1], at: '30ms', for: '25ms' }],
        retransmission: { timeout: '10ms', backoff: 1 },
      },
      stop: { iterations: 4 },
    });
    // What is sent at 32 ms is sent again at 42, 52 and 62, and takes 3 ms.
    expect(timesOf(log, 'move')).toEqual([3, 19, 65, 81].map((time) => time * ms));
  });
});

describe('an asynchronous run', () => {
  it('lets every worker exchange once every s + 2 d + 2 b, whatever the others do', async () => {
    const log = await runOf({
      workers: 4,
      algorithm: { quorum: 1 },
      network: {
        ...network,
        stragglers: [{ workers: [3], slowdown: 3 }],
        links: [{ workers: [1], latency: '3500us' }],
      },
      stop: { virtualTime: '1s' },
    });
    const ways = [d + b, 3.5 * ms + b, d + b, d + b];
    const steps = [s, s, s, 3 * s];
    let moves = 0;
    ways.forEach((way, worker) => {
      const round = steps[worker]! + 2 * way;
      const count = 1 + Math.floor((1e9 - way) / round);
      expect(timesOf(log, 'deliver', worker)).toEqual(every(way, round, count));
      moves += count;
    });
    expect(log.result.counts.moves).toBe(moves);
  });

  it.each([
    { stepTime: { distribution: 'exponential', mean: '10ms' }, mean: 10, variance: 100 },
    {
      stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 },
      mean: 10 * Math.exp(0.125),
      variance: 100 * (Math.exp(0.25) - 1) * Math.exp(0.25),
    },
    { stepTime: { distribution: 'uniform', minimum: '2ms', maximum: '18ms' }, mean: 10, variance: (16 * 16) / 12 },
  ] as const)('has the throughput of a renewal process with steps that are $stepTime.distribution', async (row) => {
    const workers = 5;
    const log = await runOf({
      workers,
      seed: 3,
      algorithm: { quorum: 1 },
      network: { ...network, stepTime: row.stepTime },
      stop: { virtualTime: '10s' },
    });
    // Renewals: after the first arrival at d + b, one every s + 2 (d + b), whose variance is that of s.
    const round = row.mean + (2 * (d + b)) / ms;
    const time = 10_000 - (d + b) / ms;
    // E N(t) = t / m + (v / m^2 - 1) / 2 + o(1), Var N(t) = t v / m^3 + O(1).
    const expected = workers * (1 + time / round + (row.variance / (round * round) - 1) / 2);
    const error = Math.sqrt((workers * time * row.variance) / round ** 3);
    expect(error).toBeLessThan(0.02 * expected);
    expect(Math.abs(log.result.counts.moves - expected)).toBeLessThan(3 * error);
  });
});

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const varianceOf = (values: readonly number[]): number => {
  const mean = average(values);
  return average(values.map((value) => (value - mean) * (value - mean)));
};

describe('the delays of a run have the moments of their distribution', () => {
  // Synchronous, so that every step that is begun is also measured.
  const measured = async (stepTime: object, latency: object) => {
    const log = await runOf({
      workers: 5,
      seed: 5,
      network: { stepTime, latency },
      stop: { iterations: 800 },
    });
    const ofKind = (kind: string): number[] => delaysOf(log, kind).map((delay) => delay / ms);
    return { step: ofKind('step'), deliver: ofKind('deliver'), reply: ofKind('reply') };
  };

  it('lognormal', async () => {
    const lognormal = { distribution: 'lognormal', median: '10ms', sigma: 0.6 };
    const found = await measured(lognormal, { ...lognormal, median: '3ms' });
    for (const [kind, median] of [
      ['step', 10],
      ['deliver', 3],
      ['reply', 3],
    ] as const) {
      const values = found[kind];
      expect(values.length).toBeGreaterThanOrEqual(3995);
      const logs = values.map((value) => Math.log(value / median));
      expect(Math.abs(average(logs))).toBeLessThan((3 * 0.6) / Math.sqrt(values.length));
      expect(Math.abs(varianceOf(logs) / 0.36 - 1)).toBeLessThan(3 * Math.sqrt(2 / values.length));
      const mean = median * Math.exp(0.18);
      const deviation = mean * Math.sqrt(Math.exp(0.36) - 1);
      expect(Math.abs(average(values) - mean)).toBeLessThan((3 * deviation) / Math.sqrt(values.length));
    }
  });

  it('Pareto', async () => {
    const found = await measured(
      { distribution: 'pareto', minimum: '8ms', shape: 3 },
      { distribution: 'pareto', minimum: '2ms', shape: 4 },
    );
    for (const [kind, minimum, shape] of [
      ['step', 8, 3],
      ['deliver', 2, 4],
      ['reply', 2, 4],
    ] as const) {
      const values = found[kind];
      expect(Math.min(...values)).toBeGreaterThanOrEqual(minimum);
      // The logarithm over the minimum is exponential with mean 1 / shape; its variance has the error sqrt(8 / n).
      const logs = values.map((value) => Math.log(value / minimum));
      expect(Math.abs(average(logs) * shape - 1)).toBeLessThan(3 / Math.sqrt(values.length));
      expect(Math.abs(varianceOf(logs) * shape * shape - 1)).toBeLessThan(3 * Math.sqrt(8 / values.length));
      const mean = (minimum * shape) / (shape - 1);
      const deviation = mean / Math.sqrt(shape * (shape - 2));
      expect(Math.abs(average(values) - mean)).toBeLessThan((3 * deviation) / Math.sqrt(values.length));
    }
  });
});

/** What was drawn for the steps and the messages of a run, by what they were for. */
interface Draws {
  readonly steps: ReadonlyMap<string, number>;
  readonly samples: ReadonlyMap<string, string>;
  /** Of copies and of replies: how long they took. */
  readonly latencies: ReadonlyMap<string, number>;
}

function drawsOf({ events }: Log): Draws {
  const took = ({ timeNs, cause }: LoggedEvent): number => timeNs - cause.timeNs;
  const of = (kinds: readonly string[]): LoggedEvent[] => events.filter(({ kind }) => kinds.includes(kind));
  const key = ({ kind, facts }: LoggedEvent): string =>
    `${kind} ${String(facts['worker'])} ${String(kind === 'reply' ? facts['version'] : facts['step'])}`;
  return {
    steps: new Map(of(['step']).map((event) => [key(event), took(event)])),
    samples: new Map(of(['step']).map((event) => [key(event), JSON.stringify(event.facts['samples'])])),
    latencies: new Map(of(['deliver', 'reply']).map((event) => [key(event), took(event)])),
  };
}

describe('what is switched on or off leaves all other draws of a run as they were', () => {
  const random = {
    stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 },
    latency: { distribution: 'uniform', minimum: '1ms', maximum: '5ms' },
    retransmission: { timeout: '20ms', backoff: 1, attempts: 50 },
  } as const;
  const scenario = {
    workers: 3,
    seed: 8,
    data: { dataset: 'logistic', samplesPerWorker: 40, testSamples: 0, batchSize: 3 },
    stop: { iterations: 60 },
  } as const;
  const drawsWith = async (keys: object) => drawsOf(await runOf({ ...scenario, network: { ...random, ...keys } }));

  it('loss', async () => {
    const [plain, lossy] = [await drawsWith({}), await drawsWith({ loss: 0.2 })];
    expect(lossy.steps).toEqual(plain.steps);
    expect(lossy.samples).toEqual(plain.samples);
    // A message is lost or takes what it took; one that is lost takes at least the timeout longer.
    const first = [...lossy.latencies].filter(([, delay]) => delay < 20 * ms);
    expect(first.length).toBeGreaterThan(200);
    expect(lossy.latencies.size - first.length).toBeGreaterThan(30);
    for (const [key, delay] of first) expect(delay, key).toBe(plain.latencies.get(key));
  });

  it('corruption', async () => {
    const [plain, corrupt] = [await drawsWith({}), await drawsWith({ corruption: 0.2 })];
    expect(corrupt.steps).toEqual(plain.steps);
    expect(corrupt.samples).toEqual(plain.samples);
    const first = [...corrupt.latencies].filter(([, delay]) => delay < 20 * ms);
    expect(corrupt.latencies.size - first.length).toBeGreaterThan(30);
    for (const [key, delay] of first) expect(delay, key).toBe(plain.latencies.get(key));
  });

  it('duplication, but that a second copy may be faster', async () => {
    const [plain, doubled] = [await drawsWith({}), await drawsWith({ duplication: 0.5 })];
    expect(doubled.steps).toEqual(plain.steps);
    expect(doubled.samples).toEqual(plain.samples);
    const faster = [...doubled.latencies].filter(([key, delay]) => delay < plain.latencies.get(key)!);
    const same = [...doubled.latencies].filter(([key, delay]) => delay === plain.latencies.get(key));
    expect(faster.length + same.length).toBe(plain.latencies.size);
    // Of half of the messages, the second copy is faster half of the time.
    const expected = plain.latencies.size / 4;
    expect(Math.abs(faster.length - expected)).toBeLessThan(3 * Math.sqrt(expected * 0.75));
  });

  it('jitter, which comes on top', async () => {
    const exponential = { distribution: 'exponential', mean: '1ms' };
    const [plain, jittery] = [await drawsWith({}), await drawsWith({ jitter: exponential })];
    expect(jittery.steps).toEqual(plain.steps);
    expect(jittery.samples).toEqual(plain.samples);
    for (const worker of [0, 1, 2]) {
      const stream = new Streams(8).stream(`worker-${worker}`, 'jitter/consensus/deliver');
      for (let step = 0; step < 60; step += 1) {
        const key = `deliver ${worker} ${step}`;
        const jitter = Math.round(drawExponential(stream) * ms);
        expect(jittery.latencies.get(key)! - plain.latencies.get(key)!, key).toBe(jitter);
      }
    }
  });

  it('stragglers by turns, whose steps are the same draws, so many times longer', async () => {
    const exponential = (mean: string) => ({ distribution: 'exponential', mean });
    const straggler = { workers: [1], slowdown: 4, every: exponential('60ms'), for: exponential('40ms') };
    const [plain, slow] = [await drawsWith({}), await drawsWith({ stragglers: [straggler] })];
    expect(slow.samples).toEqual(plain.samples);
    expect(slow.latencies).toEqual(plain.latencies);
    let turns = 0;
    for (const [key, delay] of slow.steps) {
      const before = plain.steps.get(key)!;
      if (delay !== before) {
        expect(key).toMatch(/^step 1 /);
        expect(delay).toBe(4 * before);
        turns += 1;
      }
    }
    expect(turns).toBeGreaterThan(5);
    expect(turns).toBeLessThan(55);
  });

  it('partitions and faults, as far as steps and messages are the same', async () => {
    const [plain, struck] = [
      await drawsWith({}),
      await drawsWith({
        partitions: [{ workers: [0], at: '200ms', for: '50ms' }],
        faults: [{ at: '300ms', pause: 'worker-1', for: '30ms' }],
      }),
    ];
    expect(struck.samples).toEqual(plain.samples);
    // The pause makes the step that it meets longer.
    const longer = [...struck.steps].map(([key, delay]) => delay - plain.steps.get(key)!).filter((more) => more !== 0);
    expect(longer).toEqual([30 * ms]);
  });

  it('the potential and lambda, in an asynchronous run with all that can go wrong', async () => {
    const everything: ScenarioInput['network'] = {
      ...random,
      loss: 0.1,
      corruption: 0.05,
      duplication: 0.2,
      jitter: { distribution: 'exponential', mean: '1ms' },
      bandwidth: '100kB/s',
      bottleneck: { up: '200kB/s' },
      partitions: [{ workers: [2], every: '200ms', for: '20ms' }],
      stragglers: [{ workers: [1], slowdown: 3, every: '50ms', for: '50ms' }],
      faults: [
        {
          every: { distribution: 'exponential', mean: '300ms' },
          for: '20ms',
          until: '3s',
          crash: 'worker-0',
          memory: 'lost',
        },
        { at: '100ms', pause: 'worker-2', for: '40ms' },
      ],
    };
    const digests = async (algorithm: object) => {
      const { result } = await runOf({
        ...scenario,
        algorithm: { quorum: 1, ...algorithm },
        network: everything,
        stop: { iterations: 150 },
      });
      expect(result).toMatchObject({ status: 'completed', counts: { moves: 150 } });
      return result.digests;
    };
    const runs = [
      await digests({}),
      await digests({ lambda: 0.3 }),
      await digests({ potential: 'log', eta: 2 }),
      await digests({ workerStep: 0.001 }),
    ];
    expect(new Set(runs.map(({ events }) => events)).size).toBe(1);
    expect(new Set(runs.map(({ state }) => state)).size).toBe(4);
  });
});

describe('another worker', () => {
  const directory = mkdtempSync(join(tmpdir(), 'straggler-timing-'));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  it('leaves samples, step times and latencies of the others as they were, where all share the data', async () => {
    const path = join(directory, 'data.csv');
    const rows = Array.from({ length: 50 }, (_, index) => `${index % 7},${(index * index) % 11},${index % 2}`);
    writeFileSync(path, ['a,b,label', ...rows].join('\n'));
    const drawsOfWorkers = async (workers: number): Promise<Draws> =>
      drawsOf(
        await runOf({
          workers,
          seed: 2,
          data: {
            dataset: 'csv',
            path,
            label: 'label',
            testFraction: 0.2,
            partition: { kind: 'shared' },
            batchSize: 4,
          },
          algorithm: { quorum: 1 },
          network: {
            stepTime: { distribution: 'exponential', mean: '10ms' },
            latency: { distribution: 'exponential', mean: '2ms' },
          },
          stop: { virtualTime: '400ms' },
        }),
      );
    const [three, four] = [await drawsOfWorkers(3), await drawsOfWorkers(4)];
    const ofThree = <Value>(draws: ReadonlyMap<string, Value>): Map<string, Value> =>
      new Map([...draws].filter(([key]) => !key.startsWith('reply') && !/^\S+ 3 /.test(key)));
    expect(three.steps.size).toBeGreaterThan(60);
    expect(ofThree(four.steps)).toEqual(three.steps);
    expect(ofThree(four.samples)).toEqual(three.samples);
    expect(ofThree(four.latencies)).toEqual(ofThree(three.latencies));
  });
});
