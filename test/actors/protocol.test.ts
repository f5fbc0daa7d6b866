/** Whole small runs: whatever the settings, the event log obeys the laws and an independent replay explains it. */
import fc from 'fast-check';
import { take } from 'rxjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { defineScenario } from '../../src/scenario/scenario.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { simulate, type RunOptions, type RunResult } from '../../src/scenario/simulate.js';
import { transcript } from '../kernel/transcript.js';
import { laws, numberOf, type LogEvent, type Range, type Rules } from './laws.js';
import { unexplained } from './replay.js';

const ms = 1_000_000;

/** Two parameters: copies and replies have 8 bytes. */
const base = {
  data: { dataset: 'quadratic', dimension: 2 },
  engine: { runner: 'onnx', device: 'cpu', threads: 1 },
} as const;

interface Log {
  readonly events: readonly LogEvent[];
  readonly result: RunResult;
}

async function run(scenario: Omit<ScenarioInput, 'data'>, options: RunOptions = {}): Promise<Log> {
  const events: LogEvent[] = [];
  const { events$, result } = simulate(defineScenario({ ...base, monitor: { measures: [] }, ...scenario }), options);
  events$.subscribe((event) => events.push(event));
  return { result: await result, events };
}

/** A delay as scenarios write it, and its shortest and longest value. */
interface Delay {
  readonly delay: unknown;
  readonly range: Range;
}

const delays: readonly Delay[] = [
  { delay: 0, range: [0, 0] },
  { delay: '10ms', range: [10 * ms, 10 * ms] },
  { delay: { distribution: 'constant', value: '2.5ms' }, range: [2.5 * ms, 2.5 * ms] },
  { delay: { distribution: 'uniform', minimum: '1ms', maximum: '20ms' }, range: [ms, 20 * ms] },
  { delay: { distribution: 'normal', mean: '5ms', sd: '2ms' }, range: [0, Infinity] },
  { delay: { distribution: 'lognormal', median: '10ms', sigma: 0.5 }, range: [0, Infinity] },
  { delay: { distribution: 'exponential', mean: '5ms' }, range: [0, Infinity] },
  { delay: { distribution: 'pareto', minimum: '2ms', shape: 1.5 }, range: [2 * ms, Infinity] },
];

type Stop = ScenarioInput['stop'];

const settings = fc
  .record({
    seed: fc.nat({ max: 1000 }),
    workers: fc.integer({ min: 1, max: 5 }),
    // Modulo the number of workers.
    quorum: fc.integer({ min: 0, max: 59 }),
    combine: fc.constantFrom('latest' as const, 'arrived' as const),
    localSteps: fc.integer({ min: 1, max: 3 }),
    overlap: fc.boolean(),
    stalenessMax: fc.constantFrom(Infinity, Infinity, 0, 1, 2, 3),
    stepTime: fc.constantFrom(...delays),
    latency: fc.constantFrom(...delays),
    bandwidth: fc.constantFrom('unlimited' as const, '1kB/s' as const),
    slowdown: fc.constantFrom(1, 2.5, 10),
    stop: fc.constantFrom<Stop>(
      { iterations: 20 },
      { iterations: 20, steps: 40 },
      { iterations: 20, virtualTime: '90ms' },
    ),
  })
  .map((chosen) => ({ ...chosen, quorum: 1 + (chosen.quorum % chosen.workers) }))
  .filter((chosen) => !mayDeadlock(chosen));

type Chosen = typeof settings extends fc.Arbitrary<infer Value> ? Value : never;

function scenarioOf(chosen: Chosen): Omit<ScenarioInput, 'data'> {
  const { seed, workers, quorum, combine, localSteps, overlap, stalenessMax, slowdown, stop } = chosen;
  const { stepTime, latency, bandwidth } = chosen;
  const staleness = stalenessMax === Infinity ? {} : { staleness: { max: stalenessMax } };
  const algorithm = { lambda: 1, workerStep: 0.1, quorum, combine, localSteps, overlap, ...staleness };
  const stragglers = slowdown === 1 ? [] : [{ workers: [0], slowdown }];
  const network = { stepTime: stepTime.delay, latency: latency.delay, bandwidth, stragglers };
  return { seed, workers, algorithm, network, stop };
}

function rulesOf({ slowdown, stepTime, latency, bandwidth, ...rules }: Chosen): Rules {
  // 8 bytes at 1 kB/s; progress messages have no tensors.
  const bytesNs = bandwidth === '1kB/s' ? 8 * ms : 0;
  const scaled = ([shortest, longest]: Range, factor: number): Range => [shortest * factor, longest * factor];
  return {
    ...rules,
    stepNs: (worker) => scaled(stepTime.range, worker === 0 ? slowdown : 1),
    transitNs: (kind) => {
      const extra = kind === 'deliver' || kind === 'reply' ? bytesNs : 0;
      return [latency.range[0] + extra, latency.range[1] + extra];
    },
  };
}

/**
 * Where the slowest waits for a reply, that needs arrivals of others, and these, between two exchange points, wait
 * for the slowest. With quorum 1 every copy is answered; with quorum M nobody passes an unanswered copy; where every
 * step is exchanged without overlap, the copy that waits is itself the news that lets the others go on. Such settings
 * are refused.
 */
function mayDeadlock(chosen: {
  workers: number;
  quorum: number;
  stalenessMax: number;
  localSteps: number;
  overlap: boolean;
}): boolean {
  const { workers, quorum, stalenessMax, localSteps, overlap } = chosen;
  return quorum > 1 && quorum < workers && stalenessMax < Infinity && (localSteps > 1 || overlap);
}

function brokenLaws(events: readonly LogEvent[], rules: Rules): string[] {
  return Object.entries(laws).flatMap(([name, law]) => {
    const problem = law(events, rules);
    return problem === undefined ? [] : [`${name}: ${problem}`];
  });
}

describe('a run with any settings', () => {
  const runs: { chosen: Chosen; first: Log; second: Log }[] = [];

  beforeAll(async () => {
    for (const chosen of fc.sample(settings, { seed: 20_190_416, numRuns: 60 })) {
      const scenario = scenarioOf(chosen);
      const measures = ['gap', 'staleness', 'busy_fraction', 'objective', 'bytes_sent'] as const;
      const first = await run(scenario);
      const second = await run({ ...scenario, monitor: { every: { iterations: 1 }, measures: [...measures] } });
      runs.push({ chosen, first, second });
    }
  });

  it.each(Object.entries(laws))('obeys: %s', (_, law) => {
    for (const { chosen, first } of runs) {
      expect(law(first.events, rulesOf(chosen)), JSON.stringify(chosen)).toBeUndefined();
    }
  });

  it('is explained event by event by an independent replay', () => {
    for (const { chosen, first } of runs) {
      expect(unexplained(first.events, rulesOf(chosen)), JSON.stringify(chosen)).toBeUndefined();
    }
  });

  it('gives the same digests when it is run again, measured or not', () => {
    for (const { first, second } of runs) {
      expect(second.result.digests).toEqual(first.result.digests);
      expect(second.result.counts).toEqual(first.result.counts);
    }
    // Different scenarios give different digests.
    expect(new Set(runs.map(({ first }) => first.result.digests.events)).size).toBe(runs.length);
  });

  it('ends directly after the event that meets its limit, and never in a deadlock', () => {
    for (const { chosen, first } of runs) {
      const { status, reason, counts, virtualSeconds } = first.result;
      const { kind } = first.events.at(-1)!;
      const context = JSON.stringify(chosen);
      switch (reason) {
        case 'move':
          expect([kind, counts.moves], context).toEqual(['move', 20]);
          break;
        case 'step':
          expect([kind, counts.steps], context).toEqual(['step', 40]);
          break;
        case 'virtualTime':
          expect(virtualSeconds, context).toBe(0.09);
          expect(first.events.at(-1)!.timeNs, context).toBeLessThanOrEqual(90 * ms);
          break;
        default:
          expect.unreachable(`${reason} with ${context}`);
      }
      expect(status, context).toBe('completed');
    }
  });

  it('comes in all kinds: these settings reach every rule', () => {
    const count = (test: (chosen: Chosen) => boolean): number => runs.filter(({ chosen }) => test(chosen)).length;
    const kinds = {
      synchronous: count(({ quorum, workers }) => workers > 1 && quorum === workers),
      asynchronous: count(({ quorum, workers }) => workers > 1 && quorum === 1),
      between: count(({ quorum, workers }) => quorum > 1 && quorum < workers),
      overlapping: count(({ overlap }) => overlap),
      local: count(({ localSteps }) => localSteps > 1),
      bounded: count(({ stalenessMax }) => stalenessMax < Infinity),
      timeless: count(({ stepTime, latency }) => stepTime.range[1] === 0 || latency.range[1] === 0),
      limited: count(({ bandwidth }) => bandwidth !== 'unlimited'),
    };
    for (const [kind, number] of Object.entries(kinds)) expect(number, kind).toBeGreaterThanOrEqual(5);
  });
});

/** Three workers, one of them slow; constant delays, so that events tie. */
const example: Chosen = {
  seed: 1,
  workers: 3,
  quorum: 2,
  combine: 'latest',
  localSteps: 2,
  overlap: false,
  stalenessMax: Infinity,
  stepTime: { delay: '10ms', range: [10 * ms, 10 * ms] },
  latency: { delay: '2ms', range: [2 * ms, 2 * ms] },
  bandwidth: 'unlimited',
  slowdown: 2.5,
  stop: { iterations: 12 },
};

describe('negative control: a forged log is found out', () => {
  let events: readonly LogEvent[];
  const rules = rulesOf(example);

  beforeAll(async () => {
    ({ events } = await run(scenarioOf(example)));
    expect(brokenLaws(events, rules)).toEqual([]);
    expect(unexplained(events, rules)).toBeUndefined();
  });

  /** The place of the last event of a kind that `test` accepts. */
  function lastOf(kind: string, test: (event: LogEvent) => boolean = () => true): number {
    const place = events.findLastIndex((event) => event.kind === kind && test(event));
    expect(place).toBeGreaterThan(0);
    return place;
  }

  function changed(place: number, facts: LogEvent['facts']): LogEvent[] {
    return events.map((event, index) => (index === place ? { ...event, facts: { ...event.facts, ...facts } } : event));
  }

  function swapped(place: number): LogEvent[] {
    return events.map((event, index) =>
      index === place ? events[index + 1]! : index === place + 1 ? events[place]! : event,
    );
  }

  const moved = 'u moves exactly when quorum distinct workers have delivered';
  const forgeries: { title: string; forge: () => readonly LogEvent[]; law: string | undefined }[] = [
    { title: 'a move before its last arrival', forge: () => swapped(lastOf('move') - 1), law: moved },
    {
      title: 'a move that leaves an arrival out',
      forge: () => changed(lastOf('move'), { from: [[1, 2]] }),
      law: moved,
    },
    {
      title: 'a move that names its arrivals in another order',
      forge: () => {
        const place = lastOf('move');
        return changed(place, { from: [...(events[place]!.facts['from'] as number[][])].reverse() });
      },
      law: moved,
    },
    {
      title: 'a lost move',
      forge: () =>
        events.toSpliced(
          lastOf('move', (event) => numberOf(event, 'version') === 2),
          1,
        ),
      law: moved,
    },
    {
      title: 'a move later than its last arrival',
      forge: () =>
        events.map((event, index) => (index === events.length - 1 ? { ...event, timeNs: event.timeNs + 1 } : event)),
      law: 'u moves at the time of the arrival',
    },
    {
      title: 'a reply to a worker that did not arrive',
      forge: () => changed(lastOf('reply'), { worker: 0 }),
      law: 'only those that arrived get the reply',
    },
    {
      title: 'a reply delivered twice',
      forge: () => events.toSpliced(lastOf('reply'), 0, events[lastOf('reply')]!),
      law: 'only those that arrived get the reply',
    },
    {
      title: 'a copy between two exchange points',
      forge: () => changed(lastOf('deliver'), { step: 7 }),
      law: 'copies from 0 in multiples of localSteps',
    },
    {
      title: 'a step left out',
      forge: () =>
        events.toSpliced(
          lastOf('step', (event) => numberOf(event, 'worker') === 0),
          1,
        ),
      law: undefined,
    },
    {
      title: 'a step with a u that its worker never got',
      forge: () => changed(lastOf('step'), { version: 99 }),
      law: 'a step uses the u of a reply accepted',
    },
    {
      title: 'a step with the u before the newest',
      forge: () => {
        const place = lastOf('step', (event) => numberOf(event, 'step') % 2 === 1 && numberOf(event, 'step') > 3);
        const worker = numberOf(events[place]!, 'worker');
        const replies = events
          .slice(0, place)
          .filter((event) => event.kind === 'reply' && numberOf(event, 'worker') === worker);
        return changed(place, { version: numberOf(replies.at(-2)!, 'version') });
      },
      law: undefined,
    },
    {
      title: 'a step with the samples of another worker',
      forge: () => changed(lastOf('step'), { samples: [0, 1] }),
      law: undefined,
    },
    {
      title: 'a worker that does not wait for its reply',
      forge: () => {
        const place = lastOf('step', (event) => numberOf(event, 'step') % 2 === 0);
        const event = events[place]!;
        const next = { ...event, facts: { ...event.facts, step: numberOf(event, 'step') + 1 } };
        return events.toSpliced(place + 1, 0, next);
      },
      law: 'without overlap no step',
    },
    {
      title: 'time that goes back',
      forge: () => swapped(events.findLastIndex((event, index) => event.timeNs < (events[index + 1]?.timeNs ?? 0))),
      law: 'times are whole nanoseconds',
    },
    {
      title: 'a step that took a nanosecond too long',
      forge: () => events.map((event) => (event.timeNs > 20 * ms ? { ...event, timeNs: event.timeNs + 1 } : event)),
      law: undefined,
    },
    {
      title: 'a tie in the wrong order',
      // z^0 of workers 0 and 1 arrive at one time.
      forge: () => {
        const exchanged = swapped(0);
        return exchanged.map((event) =>
          event.kind === 'move' && numberOf(event, 'version') === 1
            ? {
                ...event,
                facts: {
                  ...event.facts,
                  from: [
                    [1, 0],
                    [0, 0],
                  ],
                },
              }
            : event,
        );
      },
      law: undefined,
    },
  ];

  it.each(forgeries)('$title', ({ forge, law }) => {
    const forged = forge();
    expect(unexplained(forged, rules)).toBeDefined();
    if (law !== undefined) expect(brokenLaws(forged, rules).join('\n')).toContain(law);
  });

  it('a run without bound breaks the law of one', () => {
    const bounded = { ...rules, stalenessMax: 1 };
    expect(brokenLaws(events, bounded).join('\n')).toContain('no worker starts a step more than staleness.max ahead');
  });

  it('a run with overlap breaks the law of one without', async () => {
    const overlapping = await run(scenarioOf({ ...example, overlap: true }));
    expect(brokenLaws(overlapping.events, rules).join('\n')).toContain('without overlap no step');
    expect(unexplained(overlapping.events, { ...rules, overlap: true })).toBeUndefined();
  });
});

describe('the order of events', () => {
  it('is the same in an asynchronous run on another engine, where only the last bits of the state differ', async () => {
    const scenario = scenarioOf({ ...example, quorum: 1, stepTime: delays[5]! });
    const [compiled, eager] = [
      await run(scenario),
      await run({ ...scenario, engine: { runner: 'eager', device: 'cpu' } }),
    ];
    expect(eager.events).toEqual(compiled.events);
    expect(eager.result.digests.events).toBe(compiled.result.digests.events);
    for (const [name, { values }] of Object.entries(compiled.result.final.tensors)) {
      const others = eager.result.final.tensors[name]!.values;
      const ratios = values.map((value, index) => Math.abs(others[index]! - value) / (1e-5 + 1e-4 * Math.abs(value)));
      expect(Math.max(...ratios), name).toBeLessThan(1);
    }
  });

  it.each([0, 1, 17])('of a run cut short after %d events is that of the whole run so far', async (count) => {
    const whole = await run(scenarioOf(example));
    const cut = await run(scenarioOf(example), { events: count });
    expect(cut.events).toEqual(whole.events.slice(0, count));
    expect(cut.result).toMatchObject({ status: 'completed', reason: 'events', counts: { events: count } });
  });

  it('of an interrupted run is that of a run cut short there, with the same digests', async () => {
    const controller = new AbortController();
    const { events$, result } = simulate(defineScenario({ ...base, ...scenarioOf(example) }), {
      signal: controller.signal,
    });
    events$.pipe(take(23)).subscribe({
      complete: () => {
        controller.abort();
      },
    });
    const interrupted = await result;
    const cut = await run(scenarioOf(example), { events: 23 });
    expect(interrupted).toMatchObject({
      status: 'interrupted',
      digests: cut.result.digests,
      counts: cut.result.counts,
    });
  });
});

describe('the protocol in transcripts', () => {
  const senderOf = ({ kind, facts }: LogEvent): string | undefined => {
    if (kind === 'reply' || kind === 'slowest') return 'consensus';
    return kind === 'deliver' || kind === 'progress' ? `worker-${facts['worker'] as number}` : undefined;
  };

  async function transcriptOf(scenario: Omit<ScenarioInput, 'data' | 'stop'>, events: number): Promise<string> {
    const log = await run({ ...scenario, stop: { iterations: 100 } });
    return transcript(log.events.slice(0, events), { senderOf, hidden: ['worker', 'samples'] });
  }

  const network = { stepTime: '10ms', latency: '2ms', stragglers: [{ workers: [1], slowdown: 2 }] };

  it('synchronous: u moves when both workers are in, and both step with the new u', async () => {
    expect(await transcriptOf({ workers: 2, network }, 13)).toMatchInlineSnapshot(`
      "
      [  2.000 ms] worker-0 -> consensus deliver step=0 version=0
      [  2.000 ms] worker-1 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=1 from=[[0,0],[1,0]]
      [  4.000 ms] consensus -> worker-0 reply version=1
      [  4.000 ms] consensus -> worker-1 reply version=1
      [ 14.000 ms] worker-0 step step=1 version=1
      [ 16.000 ms] worker-0 -> consensus deliver step=1 version=1
      [ 24.000 ms] worker-1 step step=1 version=1
      [ 26.000 ms] worker-1 -> consensus deliver step=1 version=1
      [ 26.000 ms] consensus move version=2 from=[[0,1],[1,1]]
      [ 28.000 ms] consensus -> worker-0 reply version=2
      [ 28.000 ms] consensus -> worker-1 reply version=2
      [ 38.000 ms] worker-0 step step=2 version=2
      "
    `);
  });

  it('asynchronous: u moves at every arrival, and only that worker gets it', async () => {
    const algorithm = { quorum: 1 };
    expect(await transcriptOf({ workers: 2, network, algorithm }, 16)).toMatchInlineSnapshot(`
      "
      [  2.000 ms] worker-0 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=1 from=[[0,0]]
      [  2.000 ms] worker-1 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=2 from=[[1,0]]
      [  4.000 ms] consensus -> worker-0 reply version=1
      [  4.000 ms] consensus -> worker-1 reply version=2
      [ 14.000 ms] worker-0 step step=1 version=1
      [ 16.000 ms] worker-0 -> consensus deliver step=1 version=1
      [ 16.000 ms] consensus move version=3 from=[[0,1]]
      [ 18.000 ms] consensus -> worker-0 reply version=3
      [ 24.000 ms] worker-1 step step=1 version=2
      [ 26.000 ms] worker-1 -> consensus deliver step=1 version=2
      [ 26.000 ms] consensus move version=4 from=[[1,1]]
      [ 28.000 ms] consensus -> worker-1 reply version=4
      [ 28.000 ms] worker-0 step step=2 version=3
      [ 30.000 ms] worker-0 -> consensus deliver step=2 version=3
      "
    `);
  });

  it('with overlap a worker steps while its copy is under way, and waits when the next one is due', async () => {
    const algorithm = { overlap: true };
    const slow = { stepTime: '10ms', latency: '15ms' };
    expect(await transcriptOf({ workers: 1, network: slow, algorithm }, 12)).toMatchInlineSnapshot(`
      "
      [ 10.000 ms] worker-0 step step=1 version=0
      [ 15.000 ms] worker-0 -> consensus deliver step=0 version=0
      [ 15.000 ms] consensus move version=1 from=[[0,0]]
      [ 30.000 ms] consensus -> worker-0 reply version=1
      [ 40.000 ms] worker-0 step step=2 version=1
      [ 45.000 ms] worker-0 -> consensus deliver step=1 version=0
      [ 45.000 ms] consensus move version=2 from=[[0,1]]
      [ 60.000 ms] consensus -> worker-0 reply version=2
      [ 70.000 ms] worker-0 step step=3 version=2
      [ 75.000 ms] worker-0 -> consensus deliver step=2 version=1
      [ 75.000 ms] consensus move version=3 from=[[0,2]]
      [ 90.000 ms] consensus -> worker-0 reply version=3
      "
    `);
  });

  it('jacobi: step t starts with u^(t-1), where gauss-seidel starts it with u^t', async () => {
    const versions = async (coupling: 'jacobi' | 'gauss-seidel'): Promise<number[][]> => {
      const { events } = await run({ workers: 3, network, algorithm: { coupling }, stop: { iterations: 10 } });
      return events
        .filter(({ kind }) => kind === 'step')
        .map((event) => [numberOf(event, 'step'), numberOf(event, 'version')]);
    };
    const jacobi = await versions('jacobi');
    // Nine steps of three workers lie between ten moves.
    expect(jacobi.length).toBeGreaterThanOrEqual(27);
    expect(jacobi.every(([step, version]) => version === step! - 1)).toBe(true);
    const gaussSeidel = await versions('gauss-seidel');
    expect(gaussSeidel).toHaveLength(27);
    expect(gaussSeidel.every(([step, version]) => version === step)).toBe(true);
  });

  it('a bound on staleness tells everybody when the slowest has gained', async () => {
    const algorithm = { quorum: 1, localSteps: 4, staleness: { max: 1 } };
    expect(await transcriptOf({ workers: 2, network, algorithm }, 20)).toMatchInlineSnapshot(`
      "
      [  2.000 ms] worker-0 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=1 from=[[0,0]]
      [  2.000 ms] worker-1 -> consensus deliver step=0 version=0
      [  2.000 ms] consensus move version=2 from=[[1,0]]
      [  4.000 ms] consensus -> worker-0 reply version=1
      [  4.000 ms] consensus -> worker-1 reply version=2
      [ 14.000 ms] worker-0 step step=1 version=1
      [ 16.000 ms] worker-0 -> consensus progress step=1
      [ 24.000 ms] worker-0 step step=2 version=1
      [ 24.000 ms] worker-1 step step=1 version=2
      [ 26.000 ms] worker-0 -> consensus progress step=2
      [ 26.000 ms] worker-1 -> consensus progress step=1
      [ 28.000 ms] consensus -> worker-0 slowest step=1
      [ 28.000 ms] consensus -> worker-1 slowest step=1
      [ 38.000 ms] worker-0 step step=3 version=1
      [ 40.000 ms] worker-0 -> consensus progress step=3
      [ 44.000 ms] worker-1 step step=2 version=2
      [ 46.000 ms] worker-1 -> consensus progress step=2
      [ 48.000 ms] consensus -> worker-0 slowest step=2
      [ 48.000 ms] consensus -> worker-1 slowest step=2
      "
    `);
  });

  it('refuses a bound with a quorum and local steps by which workers could wait for each other for ever', async () => {
    const settings = async (algorithm: object): Promise<unknown> =>
      run({ workers: 3, algorithm: { quorum: 2, staleness: { max: 2 }, ...algorithm }, stop: { iterations: 9 } });
    await expect(settings({ localSteps: 2 })).rejects.toThrow(
      'algorithm.staleness.max: a bound with a quorum of 2 needs',
    );
    await expect(settings({ overlap: true })).rejects.toThrow(
      'algorithm.staleness.max: a bound with a quorum of 2 needs',
    );
    await expect(settings({ localSteps: 1 })).resolves.toBeDefined();
  });
});
