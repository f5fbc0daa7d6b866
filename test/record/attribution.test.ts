import { describe, expect, it } from 'vitest';
import { Attribution, type AttributionRecord } from '../../src/record/attribution.js';
import { faulty, follow, quadratic } from './follow.js';
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
      return { at, cause: script.step(at, `worker-${worker}`, reply, { worker, step: version, version }) };
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
    ns: { compute: (R - 1) * s * ms, transfer, wait: (R - 1) * (k - 1) * s * ms, idle: 0 },
    // A copy waits as long as its worker, but for the first ones, which arrive together.
    queueing: { copies: R, meanNs: ((R - 1) * (k - 1) * s * ms) / R, maxNs: (k - 1) * s * ms },
  };
  const slow = {
    steps: R - 1,
    ns: { compute: (R - 1) * k * s * ms, transfer, wait: 0, idle: 0 },
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
function attribute({ workers, events, losses, result, timeNs }: Awaited<ReturnType<typeof follow>>): AttributionRecord {
  const attribution = new Attribution(workers);
  for (const event of events) attribution.see(event);
  for (const loss of losses) attribution.lose(loss);
  return attribution.end({ timeNs, sent: result.counts });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('synchronous rounds with one straggler', () => {
  it('written by hand, come to what algebra says', () => {
    const attribution = new Attribution(['worker-0', 'worker-1', 'worker-2']);
    const { events } = synchronousRounds();
    for (const event of events) attribution.see(event);
    const record = attribution.end({ timeNs: events.at(-1)!.timeNs, sent: { messages: 27, bytes: 27 * 40 } });
    expectClosedForm(record);
    expect(record.traffic.links).toHaveLength(6);
    expect(record.traffic.rest).toEqual({ messages: 0, bytes: 0 });
  });

  it('simulated, come to the same; the replies of the last move are under way', async () => {
    const { workers, moves, slowdown, step, latency, bytes } = rounds;
    const record = attribute(
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
    expectClosedForm(record);
    const { links, sent, rest } = record.traffic;
    expect(rest).toEqual({ messages: workers, bytes: workers * bytes });
    expect(sent).toEqual({ messages: 2 * workers * moves, bytes: 2 * workers * moves * bytes });
    for (const { kind, delivered, lost } of links) {
      const messages = kind === 'deliver' ? moves : moves - 1;
      expect({ delivered, lost }).toEqual({ delivered: { messages, bytes: messages * bytes }, lost: {} });
    }
  });
});

describe('the states of a worker', () => {
  const up = ['worker-0', 'consensus'] as const;
  const down = ['consensus', 'worker-0'] as const;

  it('waiting begins where nothing of its exchange is under way', () => {
    const script = new Script();
    const first = script.message(2, 'deliver', up, 0, { worker: 0, step: 0, version: 0 });
    const step = script.step(16, 'worker-0', script.message(6, 'reply', down, first), { step: 1 });
    script.message(18, 'deliver', up, step, { worker: 0, step: 1, version: 1 });
    expect(statesOf('worker-0', script.events, 25)).toBe('0 transfer 6 compute 16 transfer 18 wait 25');
  });

  it('between two messages of its exchange it waits for the other workers', () => {
    const script = new Script();
    script.message(2, 'deliver', up, 0, { worker: 0, step: 0, version: 0 });
    const other = script.message(5, 'deliver', ['worker-1', 'consensus'], 0, { worker: 1, step: 0, version: 0 });
    script.step(19, 'worker-0', script.message(9, 'reply', down, other), { step: 1 });
    expect(statesOf('worker-0', script.events, 19)).toBe('0 transfer 2 wait 5 transfer 9 compute 19');
  });

  it('computing wins over a message that is under way: with overlap only the rest of it is transfer', () => {
    const script = new Script();
    const step = script.step(10, 'worker-0', 0, { step: 1 });
    script.step(20, 'worker-0', step, { step: 2 });
    const copy = script.message(25, 'deliver', up, step);
    script.message(32, 'reply', down, copy);
    expect(statesOf('worker-0', script.events, 40)).toBe('0 compute 10 compute 20 transfer 32 wait 40');
  });

  it('a message that arrives after the next step has begun is not what was waited for', () => {
    const script = new Script();
    const step = script.step(10, 'worker-0', 0, { step: 1 });
    const slowest = script.message(14, 'slowest', down, 0);
    script.message(15, 'deliver', up, step, { worker: 0, step: 1, version: 0 });
    script.step(24, 'worker-0', slowest, { step: 2 });
    expect(statesOf('worker-0', script.events, 24)).toBe('0 compute 10 wait 14 compute 24');
  });

  it('a step that is not complete at the end counts as computing if its start is told, and else as waiting', () => {
    const script = new Script();
    script.message(6, 'reply', down, 0);
    expect(statesOf('worker-0', script.events, 12, [{ at: 6, step: 1 }])).toBe('0 transfer 6 compute 12');
    expect(statesOf('worker-0', script.events, 12)).toBe('0 transfer 6 wait 12');
  });

  it('so does a step that a crash ends, up to the crash, less a pause that the crash ends too', () => {
    const script = new Script();
    script.message(6, 'reply', down, 0);
    script.fault(8, 'pause', 'worker-0');
    script.fault(10, 'crash', 'worker-0');
    script.fault(15, 'restart', 'worker-0');
    const starts = [{ at: 6, step: 1 }];
    expect(statesOf('worker-0', script.events, 20, starts)).toBe('0 transfer 6 compute 8 idle 10 idle 15 wait 20');
    expect(statesOf('worker-0', script.events, 20)).toBe('0 transfer 6 wait 8 idle 15 wait 20');
  });

  it('telling the starts of steps that complete changes nothing', () => {
    const script = new Script();
    const step = script.step(16, 'worker-0', script.message(6, 'reply', down, 0), { step: 1 });
    script.step(26, 'worker-0', step, { step: 2 });
    const starts = [6, 16].map((at, index) => ({ at, step: index + 1 }));
    expect(statesOf('worker-0', script.events, 26, starts)).toBe(statesOf('worker-0', script.events, 26));
  });

  it('a pause within a step is idle, and so is what a message to the paused worker takes longer', () => {
    const script = new Script();
    const reply = script.message(6, 'reply', down, 0);
    script.fault(8, 'pause', 'worker-0');
    script.fault(11, 'resume', 'worker-0');
    const step = script.step(19, 'worker-0', reply, { step: 1 });
    script.fault(20, 'pause', 'worker-0');
    script.fault(30, 'resume', 'worker-0');
    script.message(30, 'reply', down, step);
    expect(statesOf('worker-0', script.events, 31)).toBe(
      '0 transfer 6 compute 8 idle 11 compute 19 transfer 20 idle 30 wait 31',
    );
  });

  it('a crash makes a worker idle until it is restarted', () => {
    const script = new Script();
    script.message(6, 'reply', down, 0);
    script.fault(10, 'crash', 'worker-0');
    // One that is down cannot be paused, and what would have ended the pause ends nothing.
    script.fault(12, 'pause', 'worker-0');
    script.fault(13, 'resume', 'worker-0');
    const again = script.instant(20, 'rejoin', 'worker-0', script.fault(20, 'restart', 'worker-0'));
    script.step(30, 'worker-0', script.message(24, 'reply', down, again), { step: 1 });
    expect(statesOf('worker-0', script.events, 30)).toBe('0 transfer 6 wait 10 idle 20 transfer 24 compute 30');
  });

  it('one that is killed is idle to the end, one that joins was idle before', () => {
    const killed = new Script();
    killed.step(10, 'worker-0', 0, { step: 1 });
    killed.fault(20, 'kill', 'worker-0');
    expect(statesOf('worker-0', killed.events, 25)).toBe('0 compute 10 wait 20 idle 25');
    const joined = new Script();
    joined.fault(5, 'join', 'worker-0');
    expect(statesOf('worker-0', joined.events, 8)).toBe('0 idle 5 wait 8');
  });
});

describe('a run with losses, duplicates, a crash, a pause, a join and a partition', async () => {
  const run = await follow(faulty);
  const { result, events, losses, measurements } = run;
  const { timeNs, workers, criticalPath, staleness, traffic } = attribute(run);

  it('the states of each worker add up to the time of the run', () => {
    expect(timeNs).toBe(1000 * ms);
    for (const { ns } of workers) expect(sum(Object.values(ns))).toBe(timeNs);
    expect(workers.map(({ ns }) => ns.idle / ms)).toEqual([0, 150, 90, 300]);
  });

  it('the time of computing is that of completed steps, less the pause in one of them', () => {
    const steps = events.filter(({ kind }) => kind === 'step');
    const took = workers.map(({ worker }) =>
      sum(steps.filter(({ actor }) => actor === worker).map((step) => step.timeNs - step.cause.timeNs)),
    );
    const paused = steps.filter(
      ({ actor, cause, timeNs: at }) => actor === 'worker-2' && cause.timeNs < 187 * ms && at > 277 * ms,
    );
    expect(paused).toHaveLength(1);
    expect(workers.map(({ ns }) => ns.compute)).toEqual(took.map((ns, worker) => (worker === 2 ? ns - 90 * ms : ns)));
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

describe('what cannot be', () => {
  it('an event is missing', () => {
    const { events } = synchronousRounds();
    expect(() => {
      new Attribution(['worker-0']).see(events[1]!);
    }).toThrow('event 2 came after event 0');
  });

  it('more has arrived than was sent', () => {
    const attribution = new Attribution(['worker-0', 'worker-1', 'worker-2']);
    for (const event of synchronousRounds().events) attribution.see(event);
    expect(() => attribution.end({ timeNs: 1e9, sent: { messages: 26, bytes: 1040 } })).toThrow(
      'of 26 messages (1040 bytes) that were sent, 27 (1080) came to an end',
    );
  });
});
