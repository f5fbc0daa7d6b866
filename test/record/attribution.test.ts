import { describe, expect, it } from 'vitest';
import { Attribution, type AttributionRecord } from '../../src/record/attribution.js';
import type { Queueing } from '../../src/record/arrivals.js';
import { attribute, faulty, follow, mishaps, quadratic } from './follow.js';
import { ms, Script, statesOf } from './script.js';

/** M workers, the last of them k times slower, and synchronous rounds; times in milliseconds. */
const rounds = { workers: 3, moves: 5, step: 10, slowdown: 4, latency: 2, transfer: 1, bytes: 40 };

/** Algorithm 1 on these workers, event by event. */
function synchronousRounds(): Script {
  const { moves, step, slowdown, latency, transfer } = rounds;
  const script = new Script();
  const last = rounds.workers - 1;
  // When each copy was sent, and because of which event.
  let sent = Array.from({ length: rounds.workers }, () => ({ at: 0, cause: 0 }));
  for (let version = 1; ; version += 1) {
    const used = { step: version - 1, version: version - 1 };
    const deliveries = sent.map(({ at, cause }, worker) => {
      const link = [`worker-${worker}`, 'consensus'] as const;
      return script.message(at + transfer + latency, 'deliver', link, cause, { worker, ...used });
    });
    const movedAt = sent[last]!.at + transfer + latency;
    const from = sent.map((_, worker) => [worker, version - 1]);
    const move = script.instant(movedAt, 'move', 'consensus', deliveries[last]!, { version, from });
    if (version === moves) return script;
    const repliedAt = movedAt + transfer + latency;
    const replies = sent.map((_, worker) => {
      return script.message(repliedAt, 'reply', ['consensus', `worker-${worker}`], move, { worker, version });
    });
    sent = replies.map((reply, worker) => {
      const at = repliedAt + step * (worker === last ? slowdown : 1);
      script.begin(repliedAt, `worker-${worker}`, version);
      return { at, cause: script.step(at, `worker-${worker}`, reply) };
    });
  }
}

/** What synchronous rounds come to, by algebra: each after the first lasts k s + 2 d + 2 b. */
function expectClosedForm({ timeNs, workers, criticalPath, staleness }: AttributionRecord): void {
  const { workers: M, moves: R, step: s, slowdown: k, latency: d, transfer: b } = rounds;
  expect(timeNs).toBe((d + b + (R - 1) * (k * s + 2 * d + 2 * b)) * ms);
  const transfer = (2 * R - 1) * (d + b) * ms;
  const fast = {
    steps: R - 1,
    ns: { compute: (R - 1) * s * ms, lost: 0, transfer, wait: (R - 1) * (k - 1) * s * ms, idle: 0 },
    // A copy waits as long as its worker, but for the first ones, which arrive together.
    queueing: { copies: R, meanNs: ((R - 1) * (k - 1) * s * ms) / R, maxNs: (k - 1) * s * ms },
  };
  const slow = {
    steps: R - 1,
    ns: { compute: (R - 1) * k * s * ms, lost: 0, transfer, wait: 0, idle: 0 },
    queueing: { copies: R, meanNs: 0, maxNs: 0 },
  };
  expect(workers).toEqual([
    { worker: 'worker-0', ...fast },
    { worker: 'worker-1', ...fast },
    { worker: 'worker-2', ...slow },
  ]);
  expect(criticalPath).toEqual({
    ns: timeNs,
    afterNs: 0,
    shares: [
      { kind: 'compute', of: 'worker-2', legs: R - 1, ns: (R - 1) * k * s * ms },
      { kind: 'message', of: 'worker-2 -> consensus', legs: R, ns: R * (d + b) * ms },
      { kind: 'message', of: 'consensus -> worker-2', legs: R - 1, ns: (R - 1) * (d + b) * ms },
    ],
  });
  expect(staleness).toEqual([{ staleness: 0, copies: M * R }]);
}

/** The attribution of a run that is over. */
function record({ workers, told, result, timeNs }: Awaited<ReturnType<typeof follow>>): AttributionRecord {
  const attribution = new Attribution(workers);
  attribute(told, attribution);
  return attribution.end({ timeNs, sent: result.counts });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('synchronous rounds with one straggler', () => {
  it('written by hand, come to what algebra says', () => {
    const attribution = new Attribution(['worker-0', 'worker-1', 'worker-2']);
    const { events, told } = synchronousRounds();
    attribute(told, attribution);
    const found = attribution.end({ timeNs: events.at(-1)!.timeNs, sent: { messages: 27, bytes: 27 * 40 } });
    expectClosedForm(found);
    expect(found.traffic.links).toHaveLength(6);
    expect(found.traffic.rest).toEqual({ messages: 0, bytes: 0 });
  });

  it('simulated, come to the same; the replies of the last move are under way', async () => {
    const { workers, moves, slowdown, step, latency, bytes } = rounds;
    const found = record(
      await follow({
        ...quadratic,
        workers,
        network: {
          stepTime: `${step}ms`,
          latency: `${latency}ms`,
          // 40 bytes in a millisecond
          bandwidth: '320kbit/s',
          stragglers: [{ workers: [workers - 1], slowdown }],
        },
        stop: { iterations: moves },
      }),
    );
    expectClosedForm(found);
    const { links, sent, rest } = found.traffic;
    expect(rest).toEqual({ messages: workers, bytes: workers * bytes });
    expect(sent).toEqual({ messages: 2 * workers * moves, bytes: 2 * workers * moves * bytes });
    for (const { kind, delivered, lost } of links) {
      const messages = kind === 'deliver' ? moves : moves - 1;
      expect({ delivered, lost }).toEqual({ delivered: { messages, bytes: messages * bytes }, lost: {} });
    }
  });
});

describe('the states of a worker', () => {
  const worker = 'worker-0';
  const up = [worker, 'consensus'] as const;
  const down = ['consensus', worker] as const;

  it('waiting begins where nothing of its exchange is under way', () => {
    const script = new Script();
    const first = script.message(2, 'deliver', up, 0);
    const reply = script.message(6, 'reply', down, first);
    script.begin(6, worker, 1);
    script.message(18, 'deliver', up, script.step(16, worker, reply));
    expect(statesOf(worker, script, 25)).toBe('0 transfer 6 compute 16 transfer 18 wait 25');
  });

  it('between two messages of its exchange it waits for the other workers', () => {
    const script = new Script();
    script.message(2, 'deliver', up, 0);
    const other = script.message(5, 'deliver', ['worker-1', 'consensus'], 0);
    const reply = script.message(9, 'reply', down, other);
    script.begin(9, worker, 1);
    script.step(19, worker, reply);
    expect(statesOf(worker, script, 19)).toBe('0 transfer 2 wait 5 transfer 9 compute 19');
  });

  it('computing wins over a message that is under way: with overlap only the rest of it is transfer', () => {
    const script = new Script();
    script.begin(0, worker, 1);
    const step = script.step(10, worker, 0);
    script.begin(10, worker, 2);
    script.step(20, worker, step);
    script.message(32, 'reply', down, script.message(25, 'deliver', up, step));
    expect(statesOf(worker, script, 40)).toBe('0 compute 10 compute 20 transfer 32 wait 40');
  });

  it('a message that arrives after the next step has begun is not what was waited for', () => {
    const script = new Script();
    script.begin(0, worker, 1);
    const step = script.step(10, worker, 0);
    const slowest = script.message(14, 'slowest', down, 0);
    script.begin(14, worker, 2);
    script.message(15, 'deliver', up, step);
    script.step(24, worker, slowest);
    expect(statesOf(worker, script, 24)).toBe('0 compute 10 wait 14 compute 24');
  });

  it('a step that is not complete at the end counts as computing', () => {
    const script = new Script();
    script.message(6, 'reply', down, 0);
    script.begin(6, worker, 1);
    expect(statesOf(worker, script, 12)).toBe('0 transfer 6 compute 12');
  });

  it('a step that a crash cuts off is lost, less a pause that the crash ends too', () => {
    const script = new Script();
    script.message(6, 'reply', down, 0);
    script.begin(6, worker, 1);
    script.strike(8, 'pause', worker);
    script.strike(10, 'down', worker);
    script.strike(15, 'up', worker);
    expect(statesOf(worker, script, 20)).toBe('0 transfer 6 lost 8 idle 10 idle 15 wait 20');
  });

  it('a pause within a step is idle, and so is what a message to the paused worker takes longer', () => {
    const script = new Script();
    const reply = script.message(6, 'reply', down, 0);
    script.begin(6, worker, 1);
    script.strike(8, 'pause', worker);
    script.strike(11, 'resume', worker);
    const step = script.step(19, worker, reply);
    script.strike(20, 'pause', worker);
    script.strike(30, 'resume', worker);
    script.message(30, 'reply', down, step);
    expect(statesOf(worker, script, 31)).toBe('0 transfer 6 compute 8 idle 11 compute 19 transfer 20 idle 30 wait 31');
  });

  it('a crash makes a worker idle until it is restarted', () => {
    const script = new Script();
    script.message(6, 'reply', down, 0);
    script.strike(10, 'down', worker);
    script.strike(20, 'up', worker);
    const request = script.message(22, 'request', up, script.instant(20, 'rejoin', worker, 0));
    const reply = script.message(24, 'reply', down, request);
    script.begin(24, worker, 1);
    script.step(30, worker, reply);
    expect(statesOf(worker, script, 30)).toBe('0 transfer 6 wait 10 idle 20 transfer 24 compute 30');
  });

  it('one that is killed is idle to the end; one that joins was idle before, or always, if it never does', () => {
    const killed = new Script();
    killed.begin(0, worker, 1);
    killed.step(10, worker, 0);
    killed.strike(20, 'down', worker);
    expect(statesOf(worker, killed, 25)).toBe('0 compute 10 wait 20 idle 25');
    const joins = new Script();
    joins.strike(0, 'down', worker);
    expect(statesOf(worker, joins, 4)).toBe('0 idle 4');
    joins.strike(5, 'up', worker);
    expect(statesOf(worker, joins, 8)).toBe('0 idle 5 wait 8');
  });

  it('a step that begins while another is running is a bug', () => {
    const script = new Script();
    script.begin(0, worker, 1);
    script.begin(4, worker, 2);
    expect(() => statesOf(worker, script, 8)).toThrow('worker-0 began step 2 before step 1 was over');
  });
});

describe('copies at the consensus node', () => {
  const up = ['worker-0', 'consensus'] as const;
  const other = ['worker-1', 'consensus'] as const;

  /** How many wait, whenever that changes, and how long those of worker-0 have. */
  function follows(script: Script): { waiting: string[]; queueing: Queueing } {
    const waiting: string[] = [];
    const drawing = {
      span: () => undefined,
      waiting: (timeNs: number, copies: number) => waiting.push(`${timeNs / ms}: ${copies}`),
    };
    const attribution = new Attribution(['worker-0', 'worker-1'], drawing);
    attribute(script.told, attribution);
    const { workers } = attribution.end({ timeNs: 99 * ms, sent: { messages: 9, bytes: 360 } });
    return { waiting, queueing: workers[0]!.queueing };
  }

  it('that are sent again wait from their first arrival, and change nothing where a move has used them', () => {
    const script = new Script();
    script.message(10, 'deliver', up, 0, { worker: 0, step: 0, version: 0 });
    script.message(14, 'deliver', up, 0, { worker: 0, step: 0, version: 0 });
    const last = script.message(20, 'deliver', other, 0, { worker: 1, step: 0, version: 0 });
    script.instant(20, 'move', 'consensus', last, {
      version: 1,
      from: [
        [0, 0],
        [1, 0],
      ],
    });
    script.message(25, 'deliver', up, 0, { worker: 0, step: 0, version: 0 });
    expect(follows(script)).toEqual({
      waiting: ['10: 1', '20: 2', '20: 0'],
      queueing: { copies: 1, meanNs: 10 * ms, maxNs: 10 * ms },
    });
  });

  it('of a worker that has been restarted give way to its newer one', () => {
    const script = new Script();
    script.message(10, 'deliver', up, 0, { worker: 0, step: 3, version: 0 });
    const newer = script.message(30, 'deliver', up, 0, { worker: 0, step: 4, version: 0 });
    script.instant(32, 'move', 'consensus', newer, { version: 1, from: [[0, 4]] });
    expect(follows(script)).toEqual({
      waiting: ['10: 1', '30: 1', '32: 0'],
      queueing: { copies: 1, meanNs: 2 * ms, maxNs: 2 * ms },
    });
  });
});

describe('a run with losses, duplicates, a crash, a pause, a join and a partition', async () => {
  const run = await follow(faulty);
  const { result, told, events, losses, measurements } = run;
  const { timeNs, workers, criticalPath, staleness, traffic } = record(run);

  it('the states of each worker add up to the time of the run', () => {
    expect(timeNs).toBe(1000 * ms);
    for (const { ns } of workers) expect(sum(Object.values(ns))).toBe(timeNs);
    expect(workers.map(({ ns }) => ns.idle / ms)).toEqual([0, 150, 90, 300]);
  });

  it('the time of computing is that of steps, less the pause in one of them', () => {
    const steps = events.filter(({ kind }) => kind === 'step');
    const took = workers.map(({ worker }) =>
      sum(steps.filter(({ actor }) => actor === worker).map((step) => step.timeNs - step.cause.timeNs)),
    );
    const paused = steps.filter(
      ({ actor, cause, timeNs: at }) => actor === 'worker-2' && cause.timeNs < 187 * ms && at > 277 * ms,
    );
    expect(paused).toHaveLength(1);
    // Those that the end cuts off are no events.
    const left = workers.map(({ worker }) => {
      const last = told.findLast(
        ({ start, event }) => (start ?? event)?.actor === worker && (start !== undefined || event?.kind === 'step'),
      );
      return last?.start === undefined ? 0 : timeNs - last.start.timeNs;
    });
    expect(left.filter((ns) => ns > 0).length).toBeGreaterThan(1);
    expect(workers.map(({ ns }) => ns.compute)).toEqual(
      took.map((ns, worker) => ns + left[worker]! - (worker === 2 ? 90 * ms : 0)),
    );
  });

  it('the legs of the critical path add up to the time of the last event', () => {
    expect(sum(criticalPath.shares.map(({ ns }) => ns))).toBe(criticalPath.ns);
    expect(criticalPath.ns).toBe(events.at(-1)!.timeNs);
    expect(criticalPath.ns + criticalPath.afterNs).toBe(timeNs);
  });

  it('messages and bytes of all links, and the rest, are those of the run', () => {
    const { messages, bytes, lost } = result.counts;
    const tallies = traffic.links.flatMap((link) => [link.delivered, ...Object.values(link.lost)]);
    expect(traffic.sent).toEqual({ messages, bytes });
    expect(sum(tallies.map((tally) => tally.bytes)) + traffic.rest.bytes).toBe(bytes);
    expect(sum(tallies.map((tally) => tally.messages)) + traffic.rest.messages).toBe(messages);
    const losing = traffic.links.flatMap((link) => Object.values(link.lost));
    expect(sum(losing.map((tally) => tally.messages))).toBe(lost);
    expect([...new Set(losses.map(({ why }) => why))].sort()).toEqual(['down', 'duplicate', 'loss', 'partition']);
    // At most one copy or reply of each worker is under way, and once more where it was sent again.
    expect(traffic.rest.bytes).toBeLessThanOrEqual(2 * workers.length * 40);
  });

  it('the histogram of staleness is that of the measure', () => {
    const values = measurements.map(({ value }) => value);
    const counted = [...new Set(values)].sort((a, b) => a - b);
    expect(counted.length).toBeGreaterThan(3);
    expect(staleness).toEqual(
      counted.map((value) => ({ staleness: value, copies: values.filter((other) => other === value).length })),
    );
  });
});

describe.each(mishaps)('a run with %s', (_, scenario) => {
  it('adds up: states to its time, and those that compute to the busy fraction', async () => {
    const run = await follow(scenario);
    const { timeNs, workers, criticalPath } = record(run);
    expect(run.result.status).toBe('completed');
    expect(run.result.counts.steps).toBeGreaterThan(40);
    for (const { ns } of workers) expect(sum(Object.values(ns))).toBe(timeNs);
    const busy = workers.map(({ ns }) => (ns.compute + ns.lost) / timeNs);
    const measured = run.measurements.map(({ value }) => value);
    expect(measured).toEqual(busy.map((fraction) => expect.closeTo(fraction, 12) as number));
    expect(sum(criticalPath.shares.map(({ ns }) => ns)) + criticalPath.afterNs).toBe(timeNs);
  });
});

it('faults that overlap are idle time from the first to the last of them; steps that they cut off are lost', async () => {
  const [, scenario] = mishaps.find(([what]) => what.includes('overlap'))!;
  const { workers } = record(await follow(scenario));
  expect(workers.map(({ ns }) => ns.idle / ms)).toEqual([200, 130, 597, 1000]);
  // With overlap, steps begin every 10 ms.
  expect(workers.map(({ ns }) => ns.lost / ms)).toEqual([1, 2, 3, 0]);
});

describe('what cannot be', () => {
  it('an event is missing', () => {
    const { events } = synchronousRounds();
    expect(() => {
      new Attribution(['worker-0']).see(events[1]!);
    }).toThrow('event 2 came after event 0');
  });

  it('more has arrived than was sent', () => {
    const attribution = new Attribution(['worker-0', 'worker-1', 'worker-2']);
    attribute(synchronousRounds().told, attribution);
    expect(() => attribution.end({ timeNs: 1e9, sent: { messages: 26, bytes: 1040 } })).toThrow(
      'of 26 messages (1040 bytes) that were sent, 27 (1080) came to an end',
    );
  });
});
