/** What a scenario may say under `network`, and what it is refused with. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defineScenario } from '../../src/scenario/scenario.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { prepare } from '../../src/scenario/simulate.js';
import { folder, verdict } from './refused.js';

const { path: home, write } = folder();

/** Four workers. */
const good = 'data: { dataset: quadratic, dimension: 3 }\nstop: { iterations: 5 }\n';
const said = (text: string): Promise<string> => verdict(write('s.yaml', good + text));

/** A key with a list of one entry, on lines 4 and 5. */
const entry = (key: string, text: string): string => `network:\n  ${key}:\n    - { ${text} }\n`;
const line = (text: string): string => `network:\n  ${text}\n`;

describe('a worker that is not there', () => {
  it.each([
    [
      entry('faults', 'at: 1s, for: 1s, crash: worker-4'),
      '5:26: network.faults.0.crash: expected a worker from 0 to 3, not "worker-4"',
    ],
    [
      entry('faults', 'at: 1s, for: 1s, pause: worker-17'),
      '5:26: network.faults.0.pause: expected a worker from 0 to 3, not "worker-17"',
    ],
    [
      entry('faults', 'at: 1s, join: worker-4'),
      '5:17: network.faults.0.join: expected a worker from 0 to 3, not "worker-4"',
    ],
    [
      entry('faults', 'at: 1s, kill: worker-4'),
      '5:17: network.faults.0.kill: expected a worker from 0 to 3, not "worker-4"',
    ],
    [
      entry('links', 'workers: [0, 4], latency: 1ms'),
      '5:22: network.links.0.workers.1: expected a worker from 0 to 3, not 4',
    ],
    [
      entry('partitions', 'workers: [9], at: 1s, for: 1s'),
      '5:19: network.partitions.0.workers.0: expected a worker from 0 to 3, not 9',
    ],
    [
      entry('stragglers', 'workers: [4], slowdown: 2'),
      '5:19: network.stragglers.0.workers.0: expected a worker from 0 to 3, not 4',
    ],
    [
      entry('stragglers', 'workers: [-1], slowdown: 2'),
      '5:19: network.stragglers.0.workers.0: expected a number of at least 0, not -1',
    ],
    [entry('links', 'workers: [], latency: 1ms'), '5:9: network.links.0.workers: expected at least 1 item, not []'],
  ])('%j', async (text, expected) => {
    expect(await said(text)).toBe(`~/s.yaml:${expected}`);
  });

  it.each(['worker4', 'worker-01', 'Worker-1', 'monitor'])('or no actor at all: %s', async (name) => {
    expect(await said(entry('faults', `at: 1s, for: 1s, crash: ${name}`))).toBe(
      `~/s.yaml:5:26: network.faults.0.crash: expected an actor such as worker-2, or consensus, not "${name}"`,
    );
  });

  it('is no other one: the last of all is there', async () => {
    const faults = entry('faults', 'at: 1s, for: 1s, crash: worker-3');
    expect(await said(`algorithm: { quorum: 4 }\n${faults}  links: [{ workers: [3], latency: 1ms }]\n`)).toBe(
      'accepted',
    );
  });
});

describe('a fault', () => {
  it.each([
    [
      'without a time',
      'for: 1s, crash: worker-0',
      '5:7: network.faults.0: expected either at or every, not { for: 1s, crash: worker-0 }',
    ],
    [
      'with two kinds of time',
      'at: 1s, every: 1s, until: 5s, for: 1s, crash: worker-0',
      '5:7: network.faults.0: expected either at or every, not { at: 1s, every: 1s, until: 5s, for: 1s, crash: worker-0 }',
    ],
    [
      'of no kind',
      'at: 1s, for: 1s',
      '5:7: network.faults.0: expected one of kill, crash, pause, join, with the name of an actor, not { at: 1s, for: 1s }',
    ],
    [
      'of two kinds',
      'at: 1s, for: 1s, crash: worker-0, pause: worker-1',
      '5:7: network.faults.0: expected one of kill, crash, pause, join, with the name of an actor, not { at: 1s, for: 1s, crash: worker-0, pause: worker-1 }',
    ],
    [
      'a crash without an end',
      'at: 1s, crash: worker-0',
      '5:7: network.faults.0: a crash needs for: how long it lasts',
    ],
    [
      'a pause without an end',
      'at: 1s, pause: worker-0',
      '5:7: network.faults.0: a pause needs for: how long it lasts',
    ],
    [
      'a kill with an end',
      'at: 1s, for: 1s, kill: worker-0',
      '5:17: network.faults.0.for: kill lasts for ever: leave for out',
    ],
    [
      'a kill that comes again',
      'every: 1s, until: 3s, kill: worker-0',
      '5:9: network.faults.0.every: kill happens once: give at instead of every',
    ],
    [
      'that comes again for ever',
      'every: 1s, for: 1s, crash: worker-0',
      '5:7: network.faults.0: every needs until: no fault begins later',
    ],
    [
      'that comes once, until a time',
      'at: 1s, until: 3s, for: 1s, crash: worker-0',
      '5:17: network.faults.0.until: until goes with every',
    ],
    [
      'that comes again in no time',
      'every: 0, for: 0, until: 3s, crash: worker-0',
      '5:7: network.faults.0: expected every or for above zero, not { every: 0, for: 0, until: 3s, crash: worker-0 }',
    ],
    [
      'a pause that forgets',
      'at: 1s, for: 1s, pause: worker-0, memory: lost',
      '5:43: network.faults.0.memory: memory goes with crash',
    ],
    [
      'a consensus node that forgets',
      'at: 1s, for: 1s, crash: consensus, memory: lost',
      '5:44: network.faults.0.memory: the consensus node restarts from its last state: leave memory out',
    ],
    [
      'a consensus node that joins',
      'at: 1s, join: consensus',
      '5:17: network.faults.0.join: expected a worker, not "consensus"',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(entry('faults', text))).toBe(`~/s.yaml:${expected}`);
  });
});

describe('a process that would go round for ever at one time is refused, also where distributions say so', () => {
  const nothing = 'every: { distribution: constant, value: 0 }, for: 0';
  it.each([
    [
      'faults',
      `${nothing}, until: 3s, crash: worker-0`,
      '5:7: network.faults.0: expected every or for above zero, not { every: { distribution: constant, value: 0 }, for: 0, un...',
    ],
    [
      'partitions',
      `workers: [0], ${nothing}`,
      '5:7: network.partitions.0: expected every above zero, not { workers: [ 0 ], every: { distribution: constant, value:...',
    ],
    [
      'stragglers',
      `workers: [0], slowdown: 2, ${nothing}`,
      '5:36: network.stragglers.0.every: expected every or for above zero, not { distribution: constant, value: 0 }',
    ],
  ])('%s', async (key, text, expected) => {
    expect(await said(entry(key, text))).toBe(`~/s.yaml:${expected}`);
  });
});

describe('a partition', () => {
  it.each([
    [
      'without a time',
      'workers: [0], for: 1s',
      '5:7: network.partitions.0: expected either at or every, not { workers: [ 0 ], for: 1s }',
    ],
    [
      'that comes again and never ends',
      'workers: [0], every: 1s',
      '5:7: network.partitions.0: every needs for: how long it lasts',
    ],
    [
      'of one time, with a drawn length',
      'workers: [0], at: 1s, for: { distribution: exponential, mean: 1s }',
      '5:7: network.partitions.0: with at, for is a duration such as 2s',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(entry('partitions', text))).toBe(`~/s.yaml:${expected}`);
  });
});

describe('a straggler', () => {
  it.each([
    [
      'with a beginning only',
      'workers: [0], slowdown: 2, every: 1s',
      '5:36: network.stragglers.0.every: needs for: how long it lasts',
    ],
    [
      'with an end only',
      'workers: [0], slowdown: 2, for: 1s',
      '5:36: network.stragglers.0.for: needs every: how long it goes well',
    ],
    ['that is not slow', 'workers: [0]', '5:7: network.stragglers.0.slowdown: missing, expected a number'],
    [
      'that takes no time',
      'workers: [0], slowdown: 0',
      '5:23: network.stragglers.0.slowdown: expected a number above 0, not 0',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(entry('stragglers', text))).toBe(`~/s.yaml:${expected}`);
  });
});

describe('a link', () => {
  it.each([
    [line('bandwidth: 0'), '4:3: network.bandwidth: expected a rate above zero, not 0'],
    [
      line('links: [{ workers: [0], up: { bandwidth: 0B/s } }]'),
      '4:33: network.links.0.up.bandwidth: expected a rate above zero, not "0B/s"',
    ],
    [
      line('bandwidth: { piecewise: [{ from: 0, value: 0 }] }'),
      '4:39: network.bandwidth.piecewise.0.value: expected a rate above zero, not 0',
    ],
    [line('bottleneck: { up: 0 }'), '4:17: network.bottleneck.up: expected a rate above zero, not 0'],
    [line('loss: 1'), '4:3: network.loss: expected a number below 1, not 1'],
    [line('down: { loss: -0.1 }'), '4:11: network.down.loss: expected a number of at least 0, not -0.1'],
    [line('duplication: 1'), '4:3: network.duplication: expected a number below 1, not 1'],
    [line('corruption: often'), '4:3: network.corruption: expected a number, not "often"'],
    [line('retransmission: {}'), '4:3: network.retransmission.timeout: missing, expected a duration such as 10ms'],
    [
      line('retransmission: { timeout: 0 }'),
      '4:21: network.retransmission.timeout: expected a duration above zero, not 0',
    ],
    [
      line('retransmission: { timeout: 1s, backoff: 0.5 }'),
      '4:34: network.retransmission.backoff: expected a number of at least 1, not 0.5',
    ],
    [
      line('retransmission: { timeout: 1s, attempts: 0 }'),
      '4:34: network.retransmission.attempts: expected a number of at least 1, not 0',
    ],
    [line('retranmission: { timeout: 1s }'), '4:3: network.retranmission: unknown key; did you mean retransmission?'],
    [
      line('links: [{ workers: [0], latncy: 1ms }]'),
      '4:27: network.links.0.latncy: unknown key; did you mean latency?',
    ],
    [
      line('up: { stepTime: 1ms }'),
      '4:9: network.up.stepTime: unknown key; the keys here are latency, bandwidth, jitter, loss, corruption, duplication',
    ],
  ])('%j', async (text, expected) => {
    expect(await said(text)).toBe(`~/s.yaml:${expected}`);
  });
});

describe('pieces', () => {
  it.each([
    [
      'that do not increase',
      '[{ from: 0, value: 1ms }, { from: 2s, value: 3ms }, { from: 1s, value: 1ms }]',
      '4:79: network.latency.piecewise.2.from: expected a later time than before, not "1s"',
    ],
    [
      'of the same time',
      '[{ from: 0, value: 1ms }, { from: 0, value: 3ms }]',
      '4:53: network.latency.piecewise.1.from: expected a later time than before, not 0',
    ],
    [
      'that begin late',
      '[{ from: 1s, value: 1ms }]',
      '4:28: network.latency.piecewise.0.from: expected the first from to be 0, not "1s"',
    ],
    ['that are none', '[]', '4:14: network.latency.piecewise: expected at least 1 item, not []'],
    [
      'with an unknown key',
      '[{ from: 0, value: 3ms, vale: 2 }]',
      '4:49: network.latency.piecewise.0.vale: unknown key; did you mean value?',
    ],
  ])('%s', async (_, pieces, expected) => {
    expect(await said(line(`latency: { piecewise: ${pieces} }`))).toBe(`~/s.yaml:${expected}`);
  });
});

describe('a goal that cannot be reached', () => {
  it.each([
    [
      'a quorum of more than all',
      'algorithm:\n  quorum: 5\n',
      '4:3: algorithm.quorum: expected at most 4, the number of workers, not 5',
    ],
    [
      'a synchronous run in which a worker is killed',
      entry('faults', 'at: 1s, kill: worker-0'),
      '5:7: network.faults.0: worker-0 is killed, and a move needs 4 of 4 workers: the goal of the run may never be reached\n  set a quorum of at most 3, protocol.deadline, or stop.virtualTime',
    ],
    [
      'one in which a worker is cut off for ever',
      entry('partitions', 'workers: [1], at: 1s'),
      '5:7: network.partitions.0: worker-1 is cut off and never heals, and a move needs 4 of 4 workers: the goal of the run may never be reached\n  set a quorum of at most 3, protocol.deadline, or stop.virtualTime',
    ],
    [
      'one with a bound on staleness in which a worker is killed',
      `algorithm: { quorum: 1, staleness: { max: 3 } }\n${entry('faults', 'at: 1s, kill: worker-0')}`,
      '6:7: network.faults.0: worker-0 is killed, and the bound on staleness needs 4 of 4 workers: the goal of the run may never be reached\n  leave staleness.max out, or set stop.virtualTime',
    ],
    [
      'any run whose consensus node is killed',
      entry('faults', 'at: 1s, kill: consensus'),
      '5:7: network.faults.0: consensus is killed, and nothing moves u without it: the goal of the run may never be reached\n  let it crash and restart, or set stop.virtualTime',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(text)).toBe(`~/s.yaml:${expected}`);
  });

  it('is none where a quorum is left, or where time ends the run', async () => {
    const killed = entry('faults', 'at: 1s, kill: worker-0');
    expect(await said(`algorithm: { quorum: 3 }\n${killed}`)).toBe('accepted');
    const twice = `${killed}    - { at: 2s, kill: worker-1 }\n`;
    expect(await said(`algorithm: { quorum: 3 }\n${twice}`)).toContain('a move needs 3 of 4 workers');
    const timed = good.replace('iterations: 5', 'iterations: 5, virtualTime: 5s');
    expect(await verdict(write('s.yaml', timed + killed))).toBe('accepted');
  });
});

describe('compression', () => {
  const path = '4:3: network.compression';
  const lost = (by: string) => `${path}: both ends must remember all that was sent, and messages can be lost by ${by}`;
  const signs = 'compression: { up: { codec: sign } }';
  it.each([
    ['loss: 0.1', `${lost('loss or corruption')}; set network.retransmission`],
    [
      'links: [{ workers: [1], down: { corruption: 0.1 } }]',
      `${lost('loss or corruption')}; set network.retransmission`,
    ],
    ['partitions: [{ workers: [1], at: 1s, for: 1s }]', `${lost('partitions')}; set network.retransmission`],
    ['faults: [{ crash: consensus, at: 1s, for: 1s }]', `${lost('the crash of consensus')}; leave one of the two out`],
    ['loss: 0.1\n  retransmission: { timeout: 10ms }', undefined],
    ['faults: [{ pause: worker-1, at: 1s, for: 1s }]', undefined],
  ])('with %s', async (other, expected) => {
    const verdict = await said(`network:\n  ${signs}\n  ${other}\n`);
    expect(verdict).toBe(expected === undefined ? 'accepted' : `~/s.yaml:${expected}`);
  });

  it.each([
    ['{ codec: top-k }', '4:18: network.compression.up.share: missing, expected a number'],
    ['{ codec: topk }', '4:24: network.compression.up.codec: expected one of none, top-k, int8, sign, not "topk"'],
    [
      '{ codec: sign, share: 0.1 }',
      '4:37: network.compression.up.share: unknown key; the keys here are codec, threshold',
    ],
  ])('up: %s', async (codec, expected) => {
    expect(await said(line(`compression: { up: ${codec} }`))).toContain(expected);
  });
});

describe('a trace', () => {
  const remedy = '\n  a trace has the columns time and value, for example the line 0.5s,10ms';
  const traced = (csv: string, key = 'latency: { trace: t.csv }'): Promise<string> => {
    write('t.csv', csv);
    return said(line(key));
  };

  it.each([
    ['whose times decrease', 'time,value\n0,1ms\n2s,3ms\n1s,1ms\n', '4: the time 1s is not later than 2s before it'],
    [
      'with a time twice, after an empty line',
      'time,value\n0,1ms\n2s,3ms\n\n2s,1ms\n',
      '5: the time 2s is not later than 2s before it',
    ],
    ['that begins late', 'time,value\n1s,1ms\n', '2: the first time is 1s: expected 0'],
    ['with a cell that is no duration', 'time,value\n0,1ms\n1s,fast\n', '3: value: expected another value than fast'],
    ['with a value without a unit', 'time,value\n0,1ms\n1s,5\n', '3: value: expected another value than 5'],
    ['with a negative value', 'time,value\n0,-1ms\n', '2: value: expected another value than -1ms'],
    ['with an empty value, which is not zero', 'time,value\n0,1ms\n1s,\n', '3: value: expected a value'],
    ['with an empty time, which is not zero', 'time,value\n,1ms\n', '2: time: expected a value'],
    ['with a time that is none', 'time,value\n0,1ms\nlater,2ms\n', '3: time: expected another value than later'],
    ['without its columns', 'time,latency\n0,1ms\n', '1: expected the columns time and value'],
    ['without names of columns', '0,1ms\n1s,2ms\n', '1: expected the columns time and value'],
    ['with a short line', 'time,value\n0,1ms\n1s\n', '3: Invalid Record Length: columns length is 2, got 1 on line 3'],
    [
      'with a quote that is not closed',
      'time,value\n0,"1ms\n',
      '2: Quote Not Closed: the parsing is finished with an opening quote at line 2',
    ],
    ['that is empty', '', '1: there are no rows'],
    ['of a head alone', 'time,value\n', '1: there are no rows'],
  ])('%s', async (_, csv, expected) => {
    expect(await traced(csv)).toBe(`~/s.yaml:4:3: network.latency: ~/t.csv:${expected}${remedy}`);
  });

  it('is refused where its key stands, whatever that is', async () => {
    const bandwidth = 'links: [{ workers: [0], up: { bandwidth: { trace: t.csv } } }]';
    expect(await traced('time,value\n0,1MB/s\n1s,0\n', bandwidth)).toBe(
      `~/s.yaml:4:33: network.links.0.up.bandwidth: ~/t.csv:3: value: expected another value than 0${remedy}`,
    );
    const slowdown = 'stragglers: [{ workers: [0], slowdown: { trace: t.csv } }]';
    expect(await traced('time,value\n0,1\n1s,-2\n', slowdown)).toBe(
      `~/s.yaml:4:32: network.stragglers.0.slowdown: ~/t.csv:3: value: expected another value than -2${remedy}`,
    );
    expect(await traced('time,value\n0,1\n', 'stepTime: { trace: t.csv }')).toBe(
      `~/s.yaml:4:3: network.stepTime: ~/t.csv:2: value: expected another value than 1${remedy}`,
    );
  });

  it('that is not there, or a directory, is named', async () => {
    const readable = '\n  give the path of a readable file; relative paths start at the scenario file';
    expect(await said(line('latency: { trace: absent.csv }'))).toBe(
      `~/s.yaml:4:3: network.latency: ~/absent.csv does not exist${readable}`,
    );
    mkdirSync(join(home, 'folder.csv'));
    expect(await said(line('latency: { trace: folder.csv }'))).toBe(
      `~/s.yaml:4:3: network.latency: ~/folder.csv is a directory, not a file${readable}`,
    );
  });

  it('may have its columns in any order, more of them, blanks, a byte order mark, and the line ends of Windows', async () => {
    expect(await traced('\uFEFFvalue, time ,note\r\n1ms, 0,\r\n 2ms , 1s,rain\r\n')).toBe('accepted');
  });

  /** The digest of the events of a small run. */
  async function digestOf(network: ScenarioInput['network']): Promise<string> {
    const scenario = defineScenario(
      {
        data: { dataset: 'quadratic', dimension: 25 },
        workers: 2,
        network,
        monitor: { measures: [] },
        stop: { iterations: 20 },
      },
      { directory: home },
    );
    return (await (await prepare(scenario)).toEnd()).digests.events;
  }

  it('gives the run that the same pieces give', async () => {
    write('latency.csv', 'time,value\n0,2ms\n0.05s,500us\n120ms,7ms\n');
    write('rate.csv', 'time,value\n0,100kB/s\n61ms,25kB/s\n');
    write('slow.csv', 'time,value\n0,1\n100ms,2.5\n');
    const traced = await digestOf({
      stepTime: '10ms',
      latency: { trace: 'latency.csv' },
      bandwidth: { trace: 'rate.csv' },
      stragglers: [{ workers: [1], slowdown: { trace: 'slow.csv' } }],
    });
    const pieces = {
      stepTime: '10ms',
      latency: {
        piecewise: [
          { from: 0, value: '2ms' },
          { from: '50ms', value: '500us' },
          { from: '120ms', value: '7ms' },
        ],
      },
      bandwidth: {
        piecewise: [
          { from: 0, value: '100kB/s' },
          { from: '61ms', value: '25kB/s' },
        ],
      },
      stragglers: [
        {
          workers: [1],
          slowdown: {
            piecewise: [
              { from: 0, value: 1 },
              { from: '100ms', value: 2.5 },
            ],
          },
        },
      ],
    };
    expect(traced).toBe(await digestOf(pieces));
    expect(traced).not.toBe(await digestOf({ ...pieces, latency: '2ms' }));
    expect(traced).not.toBe(await digestOf({ ...pieces, bandwidth: '100kB/s' }));
    expect(traced).not.toBe(await digestOf({ ...pieces, stragglers: [] }));
  });
});

describe('the resolved scenario', () => {
  it('has every key of the network again, and gives the same run', async () => {
    write('latency.csv', 'time,value\n0,2ms\n50ms,500us\n');
    const exponential = (mean: string) => ({ distribution: 'exponential', mean }) as const;
    const input: ScenarioInput = {
      name: 'all-of-it',
      seed: 3,
      data: { dataset: 'quadratic', dimension: 25 },
      workers: 3,
      algorithm: { quorum: 1 },
      network: {
        stepTime: {
          piecewise: [
            { from: 0, value: exponential('10ms') },
            { from: '80ms', value: '4ms' },
          ],
        },
        sampleTime: '10us',
        latency: { trace: 'latency.csv' },
        bandwidth: {
          piecewise: [
            { from: 0, value: '100kB/s' },
            { from: '61ms', value: 'unlimited' },
          ],
        },
        jitter: exponential('100us'),
        loss: 0.1,
        up: { corruption: 0.05, bandwidth: '1MB/s' },
        down: { duplication: 0.2 },
        links: [{ workers: [2], latency: '5ms', up: { loss: 0.3 } }],
        bottleneck: { up: '150kB/s' },
        partitions: [
          { workers: [1], at: '30ms', for: '20ms' },
          { workers: [0], every: exponential('50ms'), for: '3ms' },
        ],
        retransmission: { timeout: '15ms', attempts: 50, backoff: 1.5 },
        stragglers: [
          { workers: [1], slowdown: 3, every: '30ms', for: exponential('20ms') },
          { workers: [2], stepTime: '20ms' },
        ],
        faults: [
          { every: exponential('90ms'), for: '10ms', until: '1s', crash: 'worker-0', memory: 'lost' },
          { at: '40ms', pause: 'worker-2', for: '15ms' },
          { at: '25ms', join: 'worker-1' },
        ],
      },
      monitor: { measures: [] },
      stop: { iterations: 60 },
    };
    const first = await prepare(defineScenario(input, { directory: home }));
    const { scenario } = first.start;
    const second = await prepare(defineScenario(scenario, { directory: home }));
    expect(second.start.scenario).toEqual(scenario);
    const [one, two] = [await first.toEnd(), await second.toEnd()];
    expect(one).toMatchObject({ status: 'completed', counts: { moves: 60 } });
    expect(two.digests).toEqual(one.digests);
    expect(one.counts.lost).toBeGreaterThan(10);
  });
});
