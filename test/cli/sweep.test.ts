import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sweepCommand } from '../../src/cli/sweep.js';
import { folder, refusal } from '../scenario/refused.js';
import { linesOf, manifestOf, start, straggler, type Ended } from './straggler.js';

const { path: home, write } = folder();

/** Two seeds of a point that is over at once, and one of each other point. */
const grid = ({ slowIterations = 40, lambda = 2, seeds = '[1, 2]' } = {}): string => `
scenario: quadratic
set: { stop.iterations: 40, monitor.every.iterations: 20 }
seeds: [1]
points:
  - { name: quick, set: { algorithm.lambda: ${lambda} }, seeds: ${seeds} }
  - { name: slow, set: { stop.iterations: ${slowIterations} } }
  - { name: wild, set: { algorithm.workerStep: 1.0e+30 } }
`;
const all = ['quick-1', 'quick-2', 'slow-1', 'wild-1'];

const sweep = (out: string, ...args: string[]): Ended => straggler(home, 'sweep', 'grid.yaml', '--out', out, ...args);
const digestsOf = (out: string, names = all) => names.map((name) => manifestOf(home, out, name).digests);
const manifestText = (...path: string[]): string => readFileSync(join(home, ...path, 'manifest.json'), 'utf8');

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20);
}

let whole: Ended;
beforeAll(() => {
  write('grid.yaml', grid());
  whole = sweep('whole');
});

describe('a sweep', () => {
  it('runs every point with every seed, each in a run directory', () => {
    expect(whole.status).toBe(0);
    expect(readdirSync(join(home, 'whole')).sort()).toEqual(['points.json', ...all, 'summary.json'].sort());
    expect(all.map((name) => manifestOf(home, 'whole', name).status)).toEqual([
      'completed',
      'completed',
      'completed',
      'diverged',
    ]);
    const { scenario } = manifestOf(home, 'whole/quick-2');
    expect(scenario).toMatchObject({ seed: 2, algorithm: { lambda: 2, workerStep: 0.1 }, stop: { iterations: 40 } });
    expect(straggler(home, 'verify', 'whole/quick-2').status).toBe(0);
  });

  it('tells on standard error what starts and ends', () => {
    const lines = whole.stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^grid: 4 runs, 4 to run(, \d at once)?$/);
    for (const name of all) expect(lines).toContain(`${name} starts`);
    const ends = lines.filter((line) => / in /.test(line));
    expect(ends[0]).toMatch(/^\S+ (completed|diverged) in \d+\.\d s; 1 of 4 done, about \d+\.\d s left$/);
    expect(ends[3]).toMatch(/^\S+ (completed|diverged) in \d+\.\d s; 4 of 4 done$/);
    expect(whole.stderr).toMatch(/^wild-1 diverged in /m);
  });

  it('tabulates the mean over seeds of the values that runs end with, averaged over workers', () => {
    const gaps = ['quick-1', 'quick-2'].map((name) => {
      const last = linesOf(home, 'whole', name, 'metrics.jsonl').filter((line) => line['iteration'] === 40);
      const values = last.filter(({ measure }) => measure === 'gap').map(({ value }) => value as number);
      expect(values).toHaveLength(4);
      return values.reduce((sum, value) => sum + value) / 4;
    });
    const mean = (gaps[0]! + gaps[1]!) / 2;
    // Of two values the standard error is half their distance; t_{0.975} is 12.706 with one degree of freedom.
    const halfWidth = (12.706 * Math.abs(gaps[0]! - gaps[1]!)) / 2;
    const rows = whole.stdout.split('\n').map((line) => line.split('│').map((cell) => cell.trim()));
    expect(rows[1]!.slice(1, 7)).toEqual(['point', 'runs', 'wall time', 'virtual s', 'kB sent', 'gap']);
    const [, point, runs, time, , , gap] = rows[3]!;
    expect([point, runs]).toEqual(['quick', '2 completed']);
    expect(time).toMatch(/^\d+\.\d s$/);
    expect(gap).toBe(`${Number(mean.toPrecision(4))} ± ${Number(halfWidth.toPrecision(2))}`);
    expect(rows[4]!.slice(1, 3)).toEqual(['slow', '1 completed']);
    expect(rows[4]![6]).toMatch(/^[\d.]+$/);
    expect(rows[5]!.slice(1, 3)).toEqual(['wild', '1 diverged']);
    expect(rows[5]!.slice(4, 7)).toEqual(['', '', '']);
    expect(whole.stdout).toMatch(/\nwritten to whole\/summary\.json\n$/);
  });

  it('tabulates the virtual time and the bytes that runs took', () => {
    // Steps of 10 ms and latencies of 2 ms: all wait for each other, and 40 moves take 39 rounds of 14 ms and a message.
    // Four copies of ten float32 come before every move, and four replies go out after it.
    const rows = whole.stdout.split('\n').map((line) => line.split('│').map((cell) => cell.trim()));
    expect(rows[3]!.slice(4, 6)).toEqual(['0.548 ± 0', '12.8 ± 0']);
    expect(rows[4]!.slice(4, 6)).toEqual(['0.548', '12.8']);
  });

  it('has every run with its final values in summary.json', () => {
    const { sweep: name, points } = JSON.parse(readFileSync(join(home, 'whole/summary.json'), 'utf8')) as {
      sweep: string;
      points: {
        name: string;
        runs: { final: Record<string, unknown> }[];
        took: Record<string, unknown>;
        measures: Record<string, unknown>;
      }[];
    };
    expect(name).toBe('grid');
    expect(points.map((point) => [point.name, point.runs.length])).toEqual([
      ['quick', 2],
      ['slow', 1],
      ['wild', 1],
    ]);
    const { digests, wallSeconds, counts } = manifestOf(home, 'whole/quick-2');
    const last = linesOf(home, 'whole/quick-2/metrics.jsonl').slice(-6);
    const [gap, single] = [last.slice(0, 4), last.slice(4)].map((lines) => lines.map(({ value }) => value));
    expect(points[0]!.runs[1]).toEqual({
      seed: 2,
      directory: 'quick-2',
      status: 'completed',
      reason: 'move',
      wallSeconds,
      virtualSeconds: 0.548,
      counts,
      final: { gap, optimality_gap: single![0], splitting_objective: single![1] },
      digests,
    });
    expect(points[0]!.measures['gap']).toMatchObject({ count: 2 });
    expect(points[0]!.took['moves']).toEqual({ count: 2, mean: 40, halfWidth: 0 });
    expect(points[0]!).not.toHaveProperty('target');
    expect(points[2]!.runs[0]).toMatchObject({ status: 'diverged', digests: manifestOf(home, 'whole/wild-1').digests });
    expect(points[2]!).toMatchObject({ took: {}, measures: {} });
  });

  it('again runs nothing, and shows the same table', () => {
    const before = all.map((name) => manifestText('whole', name));
    const again = sweep('whole');
    expect(again).toEqual({ status: 0, stdout: whole.stdout, stderr: 'grid: 4 runs, 0 to run\n' });
    expect(all.map((name) => manifestText('whole', name))).toEqual(before);
  });

  it('of which a point that was run has changed since is refused, and nothing is run', () => {
    write('grid.yaml', grid({ lambda: 3 }));
    expect(sweep('whole')).toEqual({
      status: 2,
      stdout: '',
      stderr:
        'straggler: grid.yaml:6:5: point quick: whole/quick-1 was made with another scenario: ' +
        'algorithm.lambda was 2 and is 3\n  name another directory with --out, or remove this run\n',
    });
    write('grid.yaml', grid());
  });
});

describe('a sweep with a target', () => {
  const told: Ended = ((): Ended => {
    write(
      'targets.yaml',
      `
scenario: quadratic
set: { monitor.every.iterations: 1, stop.target: { measure: optimality_gap, below: 1 } }
seeds: [1, 2]
points:
  - { name: free, set: {} }
  - { name: short, set: { stop.iterations: 1 } }
`,
    );
    return straggler(home, 'sweep', 'targets.yaml', '--out', 'targets', '--quiet');
  })();

  it('tells in how many runs it was reached, and marks what runs took that did not', () => {
    const rows = told.stdout.split('\n').map((line) => line.split('│').map((cell) => cell.trim()));
    expect(rows[1]!.slice(4, 7)).toEqual(['virtual s', 'kB sent', 'target']);
    expect(rows[3]![6]).toBe('2 of 2');
    expect(rows[3]![4]).not.toMatch(/>/);
    // The first move comes when all copies are there, one latency after the start.
    expect(rows[4]!.slice(4, 7)).toEqual(['> 0.002 ± 0', '> 0.32 ± 0', '0 of 2']);
    expect(told.stdout).toMatch(/\n>: on average at least, as not all runs reached the target before another limit\n$/);
  });

  it('has it in summary.json', () => {
    const { points } = JSON.parse(readFileSync(join(home, 'targets/summary.json'), 'utf8')) as {
      points: { target: unknown }[];
    };
    expect(points.map(({ target }) => target)).toEqual([
      { measure: 'optimality_gap', below: 1, reached: 2 },
      { measure: 'optimality_gap', below: 1, reached: 0 },
    ]);
  });
});

it('a table that would be too wide for a terminal goes on below', () => {
  const measured = ['gap', 'gap_max', 'gap_mean', 'penalty_force', 'objective', 'train_loss', 'optimality_gap'];
  write(
    'wide.yaml',
    `scenario: quadratic\nset: { stop.iterations: 2, monitor.measures: [${measured.join(', ')}] }\nseeds: [1, 2]\n` +
      'points: [{ name: only }]\n',
  );
  const lines = straggler(home, 'sweep', 'wide.yaml', '--quiet').stdout.trimEnd().split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
  const heads = lines
    .filter((line) => line.includes('│ point'))
    .map((line) => line.split('│').map((cell) => cell.trim()));
  expect(heads.map((cells) => cells[1])).toEqual(['point', 'point']);
  expect(heads.flatMap((cells) => cells.slice(2, -1)).slice(4)).toEqual(measured);
});

describe('a sweep that is interrupted', () => {
  const few = ['quick-1', 'slow-1', 'wild-1'];

  /** Starts a grid with a run that does not end, and waits for its manifest. */
  async function startSlow(out: string) {
    write('grid.yaml', grid({ slowIterations: 1_000_000_000, seeds: '[1]' }));
    const started = start(home, 'sweep', 'grid.yaml', '--out', out, '--jobs', '1');
    let stderr = '';
    started.process.stderr!.on('data', (text) => (stderr += String(text)));
    const running = join(home, out, '.running', String(started.process.pid), 'slow-1');
    await until(() => existsSync(join(running, 'manifest.json')));
    return { ...started, running, told: () => stderr };
  }

  /** Continues with an end for the slow run. */
  function finish(out: string): void {
    const done = manifestText(out, 'quick-1');
    write('grid.yaml', grid({ seeds: '[1]' }));
    const { status, stderr } = sweep(out);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^grid: 3 runs, 2 to run/);
    expect(manifestText(out, 'quick-1')).toBe(done);
    expect(digestsOf(out, few)).toEqual(digestsOf('whole', few));
    expect(readdirSync(join(home, out))).not.toContain('.running');
  }

  it('by SIGINT passes it on, has status 130, and is continued', async () => {
    const { process, ended, told } = await startSlow('SIGINT');
    process.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(told()).toMatch(/\nstraggler: interrupted, 1 of 3 runs done in SIGINT; the same command continues\n$/);
    expect(manifestOf(home, 'SIGINT/slow-1').status).toBe('interrupted');
    expect(readdirSync(join(home, 'SIGINT')).sort()).toEqual(['points.json', 'quick-1', 'slow-1', 'summary.json']);
    finish('SIGINT');
  });

  it('by SIGTERM has status 143', async () => {
    const { process, ended } = await startSlow('SIGTERM');
    process.kill('SIGTERM');
    expect(await ended).toBe(143);
    expect(manifestOf(home, 'SIGTERM/slow-1').status).toBe('interrupted');
  });

  it('by SIGKILL takes its runs along, leaves only whole run directories, and is continued', async () => {
    const { process, ended, running } = await startSlow('SIGKILL');
    process.kill('SIGKILL');
    expect(await ended).toBe(null);
    expect(readdirSync(join(home, 'SIGKILL')).sort()).toEqual(['.running', 'points.json', 'quick-1']);
    await until(() => manifestOf(running).status === 'interrupted');
    // Somebody else's half of a run makes no difference.
    mkdirSync(join(home, 'SIGKILL/wild-1'));
    finish('SIGKILL');
  });
});

it('two sweeps at once in one directory do not disturb each other', async () => {
  const quick = grid().split('\n').slice(0, 6).join('\n');
  write('pair.yaml', quick);
  const both = [1, 2].map(() => start(home, 'sweep', 'pair.yaml', '--out', 'shared'));
  expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 0]);
  expect(readdirSync(join(home, 'shared')).sort()).toEqual(['points.json', 'quick-1', 'quick-2', 'summary.json']);
  const pair = ['quick-1', 'quick-2'];
  expect(digestsOf('shared', pair)).toEqual(digestsOf('whole', pair));
});

it('a run that fails leaves the others their turn, and its exit status to the sweep', () => {
  write('csv.yaml', 'data: { dataset: csv, path: none.csv, label: y }\nworkers: 1\nstop: { iterations: 1 }\n');
  write(
    'failing.yaml',
    'scenario: quadratic\nset: { stop.iterations: 1 }\npoints: [{ name: data, scenario: csv.yaml }, { name: good }]\n',
  );
  const { status, stdout, stderr } = straggler(home, 'sweep', 'failing.yaml', '--quiet');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^straggler: data-0 failed with exit status 2\n {2}straggler: .*csv\.yaml:1:23: .*none\.csv/);
  expect(stdout).toMatch(/│ data +│ 1 missing +│/);
  expect(stdout).toMatch(/│ good +│ 1 completed +│/);
  expect(stdout).toMatch(/┘\n$/);
  expect(readdirSync(join(home, 'runs/failing')).sort()).toEqual(['good-7', 'points.json', 'summary.json']);
});

describe('arguments that are refused', () => {
  it.each([
    [['sweep'], "straggler: missing required argument 'sweep'\n(see straggler --help)\n"],
    [
      ['sweep', 'grid.yaml', '--jobs', '0'],
      "straggler: option '--jobs <number>' argument '0' is invalid. Expected a whole number of at least 1.\n" +
        '(see straggler --help)\n',
    ],
  ])('%j: status 2, one message', (args, stderr) => {
    expect(straggler(home, ...args)).toEqual({ status: 2, stdout: '', stderr });
  });

  it.each([
    ['unknown.yaml', 'unknown', '~/unknown.yaml:2:28: point a: algorithm.lamda: unknown key; did you mean lambda?'],
    [
      'grid.yaml',
      'strange',
      '~/strange is not the directory of a sweep: it is not empty, and has no points.json\n  name another with --out',
    ],
    ['grid.yaml', 'grid.yaml', '~/grid.yaml is not the directory of a sweep: it is a file\n  name another with --out'],
    [
      'grid.yaml',
      'grid.yaml/deep',
      'the directory ~/grid.yaml/deep cannot be made (ENOTDIR)\n  name another with --out',
    ],
  ])('%s with --out %s: nothing is written', async (file, out, message) => {
    write('grid.yaml', grid());
    write('unknown.yaml', 'scenario: quadratic\npoints: [{ name: a, set: { algorithm.lamda: 1 } }]\n');
    mkdirSync(join(home, 'strange/quick-1'), { recursive: true });
    expect(await refusal(() => sweepCommand(join(home, file), { out: join(home, out) }), home)).toBe(message);
    expect(readdirSync(join(home, 'strange'))).toEqual(['quick-1']);
    expect(existsSync(join(home, 'unknown'))).toBe(false);
  });
});

it('the help shows a sweep file that is good', () => {
  const { status, stdout } = straggler(home, 'sweep', '--help');
  expect(status).toBe(0);
  for (const text of ['--jobs <number>', '--out <directory>', '--quiet']) expect(stdout).toContain(text);
  const example = stdout
    .split('\n')
    .filter((line) => line.startsWith('  ') && /^ {2}(scenario|set|seeds|points|  -)/.test(line));
  expect(example).toHaveLength(6);
  // Bad only in that its scenario is not there: everything else has been read by then.
  write('example.yaml', example.join('\n').replace('mnist-sync ', 'nowhere '));
  expect(straggler(home, 'sweep', 'example.yaml').stderr).toMatch(
    /^straggler: example\.yaml:1:3: point weak: there is no scenario nowhere\n/,
  );
});
