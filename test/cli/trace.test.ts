import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attributionText } from '../../src/cli/attributionTables.js';
import { traceCommand, type TraceCommandOptions } from '../../src/cli/trace.js';
import type { TraceRecord } from '../../src/cli/traceRecord.js';
import { verifyCommand } from '../../src/cli/verify.js';
import { traceFile } from '../record/perfetto.js';
import { folder, refusal } from '../scenario/refused.js';
import { catchPrinted } from './printed.js';
import { linesOf, manifestOf, short, straggler } from './straggler.js';

const { path: home } = folder();

const printed = catchPrinted();
beforeAll(() => {
  straggler(home, 'run', ...short, '--quiet', '--set', 'monitor.measures=[objective]', '--out', 'run');
  straggler(home, 'run', ...short, '--quiet', '--out', 'altered');
  straggler(home, 'run', 'quadratic', '--quiet', '--set', 'stop={virtualTime: 21ms}', '--out', 'cut');
});

/** Traces a run of `home`; returns the exit status, and what was printed, with the folder as `~`. */
async function trace(run: string, options: TraceCommandOptions = {}): Promise<{ status: number; text: string }> {
  const status = await traceCommand(join(home, run), options);
  // Without colours, and with paths that do not depend on where the test runs.
  const text = printed.text().replaceAll(/\S*\/(?=(run|altered|cut)\b|elsewhere)/g, '~/');
  return { status, text: `\n${text}` };
}

function recordOf(run: string): TraceRecord {
  return JSON.parse(readFileSync(join(home, run, 'attribution.json'), 'utf8')) as TraceRecord;
}

describe('trace', () => {
  it('writes both files, and prints the tables', async () => {
    const { status, text } = await trace('run', { target: ['objective<1e-9'] });
    expect(status).toBe(0);
    expect(text.replace(/\u001b\[\d+m/g, '')).toMatchInlineSnapshot(`
      "
      quadratic, seed 7: completed after 0.072 s of virtual time
      ┌──────────┬───────┬─────────────────┬──────────────────┬──────┬──────────────┬─────────┐
      │ worker   │ steps │ compute         │ transfer         │ wait │ a copy waits │ longest │
      ├──────────┼───────┼─────────────────┼──────────────────┼──────┼──────────────┼─────────┤
      │ worker-0 │ 5     │ 0.05 s (69.4 %) │ 0.022 s (30.6 %) │ 0 s  │ 0 s          │ 0 s     │
      │ worker-1 │ 5     │ 0.05 s (69.4 %) │ 0.022 s (30.6 %) │ 0 s  │ 0 s          │ 0 s     │
      │ worker-2 │ 5     │ 0.05 s (69.4 %) │ 0.022 s (30.6 %) │ 0 s  │ 0 s          │ 0 s     │
      │ worker-3 │ 5     │ 0.05 s (69.4 %) │ 0.022 s (30.6 %) │ 0 s  │ 0 s          │ 0 s     │
      │ mean     │ 5     │ 0.05 s (69.4 %) │ 0.022 s (30.6 %) │ 0 s  │ 0 s          │ 0 s     │
      └──────────┴───────┴─────────────────┴──────────────────┴──────┴──────────────┴─────────┘
      critical path: compute 69.4 %, messages 30.6 %
      ┌───────────────────────┬──────┬─────────┬────────┐
      │ critical path         │ legs │ time    │ share  │
      ├───────────────────────┼──────┼─────────┼────────┤
      │ worker-3 compute      │ 5    │ 0.05 s  │ 69.4 % │
      │ worker-3 -> consensus │ 6    │ 0.012 s │ 16.7 % │
      │ consensus -> worker-3 │ 5    │ 0.01 s  │ 13.9 % │
      └───────────────────────┴──────┴─────────┴────────┘
      ┌───────────┬─────────────┬─────────┐
      │ staleness │ copies used │ share   │
      ├───────────┼─────────────┼─────────┤
      │ 0         │ 24          │ 100.0 % │
      └───────────┴─────────────┴─────────┘
      ┌──────────────────────┬─────────┬──────────┬───────┬──────┐
      │ link                 │ kind    │ messages │ bytes │ lost │
      ├──────────────────────┼─────────┼──────────┼───────┼──────┤
      │ worker -> consensus  │ deliver │ 24       │ 960   │      │
      │ consensus -> worker  │ reply   │ 20       │ 800   │      │
      │ under way at the end │         │ 4        │ 160   │      │
      │ all that was sent    │         │ 48       │ 1,920 │      │
      └──────────────────────┴─────────┴──────────┴───────┴──────┘
      ┌──────────────────┬──────────────┬───────┬──────────────┬───────┐
      │ target           │ virtual time │ moves │ worker steps │ bytes │
      ├──────────────────┼──────────────┼───────┼──────────────┼───────┤
      │ objective < 1e-9 │ not reached  │       │              │       │
      └──────────────────┴──────────────┴───────┴──────────────┴───────┘
      written to ~/run/trace.json, ~/run/attribution.json
      "
    `);
    const { traceEvents, otherData } = traceFile.parse(JSON.parse(readFileSync(join(home, 'run/trace.json'), 'utf8')));
    expect(traceEvents.filter(({ ph }) => ph === 'f')).toHaveLength(4 * (6 + 5));
    const { digests, seed } = manifestOf(home, 'run');
    expect(otherData).toMatchObject({ scenario: 'quadratic', seed, digests });
    expect(recordOf('run')).toMatchObject({ scenario: 'quadratic', seed, digests, timeNs: 72e6 });
  });

  it('leaves a run that verifies', async () => {
    await trace('run');
    expect(await verifyCommand(join(home, 'run'))).toBe(0);
  });

  it('tells what a target took: the first measurement that is below', async () => {
    const rows = linesOf(home, 'run', 'metrics.jsonl').filter(({ measure }) => measure === 'objective');
    expect(rows.map(({ iteration }) => iteration)).toEqual([0, 3, 6]);
    const [first, middle] = rows.map(({ value }) => value as number) as [number, number];
    const below = (first + middle) / 2;
    await trace('run', { target: [`objective<${below}`, 'objective < -1', 'gap<1e9'] });
    const { targets } = recordOf('run');
    // A round takes 14 ms, but the first one 2 ms; at a move every worker has sent a copy, and gets a reply.
    const reached = { virtualSeconds: 0.03, moves: 3, steps: 4 * 2, bytes: 2 * 3 * 4 * 40 };
    expect(targets).toEqual([
      { measure: 'objective', below, reached },
      { measure: 'objective', below: -1, reached: null },
      { measure: 'gap', below: 1e9, reached: { virtualSeconds: 0, moves: 0, steps: 0, bytes: 0 } },
    ]);
  });

  it('goes to another file with --out, and replaces an older one', async () => {
    const out = join(home, 'elsewhere.json');
    writeFileSync(out, 'older');
    expect((await trace('cut', { out })).status).toBe(0);
    expect(traceFile.safeParse(JSON.parse(readFileSync(out, 'utf8'))).success).toBe(true);
    expect(existsSync(join(home, 'cut/trace.json'))).toBe(false);
  });

  it('a run that virtual time ends: what is left after the last event, and what is under way', async () => {
    await trace('cut');
    const { timeNs, criticalPath, traffic, workers } = recordOf('cut');
    // Steps end at 14 ms, copies arrive at 16 ms, and replies at 18 ms.
    expect({ timeNs, ...criticalPath, shares: criticalPath.shares.length }).toEqual({
      timeNs: 21e6,
      ns: 18e6,
      afterNs: 3e6,
      shares: 3,
    });
    expect(traffic.rest).toEqual({ messages: 0, bytes: 0 });
    expect(workers[0]!.ns).toEqual({ compute: 13e6, lost: 0, transfer: 8e6, wait: 0, idle: 0 });
  });

  it('another run than the recorded one: status 4, and nothing is written', async () => {
    const file = join(home, 'altered/manifest.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/("events": ")[0-9a-f]{8}/, '$1deadbeef'));
    const before = readdirSync(join(home, 'altered')).sort();
    const result = await trace('altered');
    expect(result.status).toBe(4);
    const shortened = result.text.replaceAll(/\b([0-9a-f]{8})[0-9a-f]{56}\b/g, '$1').split('\n');
    expect(shortened.slice(1, 4)).toEqual([
      '~/altered: the repetition is another run',
      'digests.events differs',
      '  manifest.json     deadbeef',
    ]);
    expect(readdirSync(join(home, 'altered')).sort()).toEqual(before);
  });
});

describe('the tables of a large run', () => {
  it('sum up what is beyond twelve rows, and have losses by reason', () => {
    const numbers = Array.from({ length: 15 }, (_, number) => number);
    const ns = { compute: 600e6, lost: 0, transfer: 300e6, wait: 50e6, idle: 50e6 };
    const lost = { loss: { messages: 2, bytes: 80 }, down: { messages: 1, bytes: 40 } };
    const text = attributionText({
      scenario: 'large',
      seed: 1,
      status: 'diverged',
      digests: { events: '', state: '' },
      acknowledges: true,
      timeNs: 1e9,
      workers: numbers.map((worker) => ({
        worker: `worker-${worker}`,
        steps: 10 * worker,
        ns,
        queueing: { copies: worker, meanNs: worker * 1e6, maxNs: worker * 2e6 },
      })),
      criticalPath: {
        ns: 900e6,
        afterNs: 100e6,
        shares: numbers.map((worker) => ({ kind: 'compute', of: `worker-${worker}`, legs: worker, ns: 60e6 })),
      },
      staleness: numbers.map((staleness) => ({ staleness, copies: 10 })),
      traffic: {
        links: numbers.map((worker) => ({
          from: `worker-${worker}`,
          to: 'consensus',
          kind: 'deliver',
          delivered: { messages: 10, bytes: 400 },
          lost: worker < 2 ? lost : {},
        })),
        sent: { messages: 156, bytes: 6240 },
        rest: { messages: 0, bytes: 0 },
      },
      targets: [],
    });
    const lines = text.replace(/\u001b\[\d+m/g, '').split('\n');
    const shown = lines.filter((line) => /diverged|more|mean|worker-11|path|12 to|0 to|after|->|all/.test(line));
    expect(`\n${shown.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      large, seed 1: diverged after 1 s of virtual time
      │ worker-11      │ 110   │ 0.6 s (60.0 %) │ 0.3 s (30.0 %) │ 0.05 s (5.0 %) │ 0.05 s (5.0 %) │ 0.011 s      │ 0.022 s │
      │ mean of 3 more │ 130   │ 0.6 s (60.0 %) │ 0.3 s (30.0 %) │ 0.05 s (5.0 %) │ 0.05 s (5.0 %) │ 0.01305 s    │ 0.028 s │
      │ mean           │ 70    │ 0.6 s (60.0 %) │ 0.3 s (30.0 %) │ 0.05 s (5.0 %) │ 0.05 s (5.0 %) │ 0.009667 s   │ 0.028 s │
      critical path: compute 90.0 %
      │ critical path        │ legs │ time   │ share  │
      │ worker-11 compute    │ 11   │ 0.06 s │ 6.0 %  │
      │ 3 more               │ 39   │ 0.18 s │ 18.0 % │
      │ after the last event │      │ 0.1 s  │ 10.0 % │
      │ 0 to 1    │ 20          │ 13.3 % │
      │ 10 to 11  │ 20          │ 13.3 % │
      │ 12 to 13  │ 20          │ 13.3 % │
      │ worker -> consensus │ deliver │ 150      │ 6,000 │ 4 loss, 2 down (240 bytes) │
      │ all that was sent   │         │ 156      │ 6,240 │                            │
      "
    `);
  });
});

it('values of staleness have a row each where they are few, however far apart', () => {
  const values = [0, 1, 2, 8, 13, 40];
  const text = attributionText({
    scenario: 'asynchronous',
    seed: 1,
    status: 'completed',
    digests: { events: '', state: '' },
    acknowledges: false,
    timeNs: 1e9,
    workers: [],
    criticalPath: { ns: 0, afterNs: 1e9, shares: [] },
    staleness: values.map((staleness) => ({ staleness, copies: 5 })),
    traffic: { links: [], sent: { messages: 0, bytes: 0 }, rest: { messages: 0, bytes: 0 } },
    targets: [],
  });
  const rows = [...text.matchAll(/│ (\d+) +│ 5 +│/g)].map(([, value]) => Number(value));
  expect(rows).toEqual(values);
});

describe('trace refuses', () => {
  const refused = (run: string, options: TraceCommandOptions = {}): Promise<string> =>
    refusal(() => traceCommand(join(home, run), options), home);

  it('what is no run directory', async () => {
    expect(await refused('nowhere')).toBe(
      '~/nowhere is not a run directory: it has no manifest.json\n  give a directory that `straggler run` wrote',
    );
  });

  it('a target that is no target', async () => {
    expect(await refused('run', { target: ['objektive<1'] })).toBe(
      '--target objektive<1: unknown measure\n  did you mean objective?',
    );
  });

  it('a target that the data cannot give', async () => {
    expect(await refused('run', { target: ['test_error<0.1'] })).toBe(
      '~/run/manifest.json: monitor.measures.0: test_error needs a test set, and the data has none\n  leave it out',
    );
  });

  it('a file that cannot be written', async () => {
    expect(await refused('run', { out: join(home, 'no/such/place.json') })).toBe(
      '~/no/such/place.json cannot be written (ENOENT)\n  name another file with --out',
    );
  });
});
