import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { compareCommand, type CompareCommandOptions } from '../../src/cli/compare.js';
import { planComparison } from '../../src/scenario/compare.js';
import { unpairedStreams } from '../../src/scenario/pairing.js';
import { folder, refusal } from '../scenario/refused.js';
import { linesOf, manifestOf, start, straggler, type Ended } from './straggler.js';

const { path: home, write } = folder();

interface Keys {
  readonly name?: string;
  readonly data?: string;
  readonly lambda?: number;
  readonly algorithm?: string;
  readonly network?: string;
  readonly measures?: string;
  readonly stop?: string;
  readonly more?: string;
}

/** Writes a scenario that is over at once; only draws of step times differ from seed to seed, beside the problem. */
function scenario(file: string, keys: Keys = {}): string {
  const { name = file.replace('.yaml', ''), data = '', algorithm = '', network = '', more = '' } = keys;
  const { lambda = 1, measures = 'gap, optimality_gap', stop = 'iterations: 40' } = keys;
  return write(
    file,
    `name: ${name}
data: { dataset: quadratic, dimension: 3${data} }
workers: 2
algorithm: { workerStep: 0.1, consensusStep: 0.1, lambda: ${lambda}${algorithm} }
network: { stepTime: { distribution: lognormal, median: 10ms, sigma: 0.5 }, latency: 2ms${network} }
monitor: { every: { iterations: 10 }, measures: [${measures}] }
stop: { ${stop} }
${more}
`,
  );
}

const compare = (...args: string[]): Ended => straggler(home, 'compare', ...args);

/** The cells of each row by the title of its group and its name. */
function rowsOf({ stdout }: Ended): Record<string, string[]> {
  let title = '';
  const rows: Record<string, string[]> = {};
  for (const line of stdout.split('\n').filter((each) => each.startsWith('│'))) {
    const [first, ...cells] = line.split('│').slice(1, -1);
    if (cells.length === 0) title = first!.trim();
    else rows[`${title} / ${first!.trim()}`] = cells.map((cell) => cell.trim());
  }
  return rows;
}

interface Quantity {
  readonly name: string;
  readonly estimate: Record<'a' | 'b' | 'difference', { mean: number; halfWidth: number }>;
  readonly perSeed: readonly { seed: number; a: number | null; b: number | null }[];
}

function recordOf(out: string) {
  const text = readFileSync(join(home, out, 'comparison.json'), 'utf8');
  return JSON.parse(text) as Record<'final' | 'total', Quantity[]> & {
    unpaired: Record<string, unknown>[];
    omissions: string[];
    pairs: unknown[];
    targets: { quantities: Quantity[]; [key: string]: unknown }[];
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** t_{0.975} with 2 degrees of freedom: NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2. */
const quantile = 4.303;

/** Half the width of the 95% interval of the mean of three values. */
function halfWidthOf(values: readonly number[]): number {
  const squares = values.map((value) => (value - mean(values)) * (value - mean(values)));
  return quantile * Math.sqrt(squares.reduce((sum, value) => sum + value) / 2 / 3);
}

const seeds = [1, 2, 3];
const target = 'optimality_gap<0.5';
let whole: Ended;
beforeAll(() => {
  scenario('loose.yaml');
  scenario('tight.yaml', { lambda: 0.5 });
  scenario('prompt.yaml', { algorithm: ', quorum: 1', stop: 'iterations: 80' });
  whole = compare('loose.yaml', 'prompt.yaml', '--seeds', '1..3', '--out', 'whole', '--target', target);
});

describe('a comparison', () => {
  const runs = (name: string): string[] => seeds.map((seed) => join(home, 'whole', `${name}-${seed}`));
  const measurements = (run: string, measure: string) =>
    linesOf(run, 'metrics.jsonl').filter((line) => line['measure'] === measure);

  it('runs both scenarios with every seed, each in a run directory, pair by pair', () => {
    expect(whole.status).toBe(0);
    const names = seeds.flatMap((seed) => [`loose-${seed}`, `prompt-${seed}`]);
    expect(readdirSync(join(home, 'whole')).sort()).toEqual(['comparison.json', ...names, 'points.json'].sort());
    expect(whole.stderr).toMatch(/^loose-vs-prompt: 6 runs, 6 to run(, \d at once)?$/m);
    expect(whole.stderr.match(/^\S+(?= starts$)/gm)).toEqual(names);
    expect(manifestOf(home, 'whole/prompt-2')).toMatchObject({
      status: 'completed',
      scenario: { seed: 2, algorithm: { quorum: 1 } },
    });
  });

  it('says who is compared, and where the rest is', () => {
    const lines = whole.stdout.split('\n');
    expect(lines.slice(0, 2)).toEqual(['A  loose   loose.yaml', 'B  prompt  prompt.yaml']);
    expect(lines.slice(-3)).toEqual([
      'B - A is the mean difference of the pairs, with its 95% Student-t interval',
      'written to whole/comparison.json',
      '',
    ]);
    expect(Object.keys(rowsOf(whole))).toEqual([
      ' / 3 pairs',
      'final value / gap',
      'final value / optimality_gap',
      'whole run / virtual seconds',
      'whole run / moves of u',
      'whole run / worker steps',
      'whole run / bytes sent',
      'until optimality_gap < 0.5 / virtual seconds',
      'until optimality_gap < 0.5 / moves of u',
      'until optimality_gap < 0.5 / worker steps',
      'until optimality_gap < 0.5 / bytes sent',
    ]);
  });

  it('has the mean paired difference of final values, averaged over workers, with its interval', () => {
    const finals = (name: string): number[] =>
      runs(name).map((run) =>
        mean(
          measurements(run, 'gap')
            .slice(-2)
            .map(({ value }) => value as number),
        ),
      );
    const [a, b] = [finals('loose'), finals('prompt')];
    const differences = a.map((value, index) => b[index]! - value);
    const [gap] = recordOf('whole').final;
    expect(gap!.perSeed).toEqual(seeds.map((seed, index) => ({ seed, a: a[index], b: b[index] })));
    expect(gap!.estimate.a.mean).toBeCloseTo(mean(a), 12);
    expect(gap!.estimate.b.mean).toBeCloseTo(mean(b), 12);
    expect(gap!.estimate.difference.mean).toBeCloseTo(mean(differences), 12);
    // The table of quantiles has four digits.
    expect(gap!.estimate.difference.halfWidth / halfWidthOf(differences)).toBeCloseTo(1, 3);
    const [meanOfA, meanOfB, , lower] = rowsOf(whole)['final value / gap']!;
    expect([meanOfA, meanOfB]).toEqual([mean(a), mean(b)].map((value) => `${Number(value.toPrecision(4))}`));
    expect(lower).toBe(`${differences.filter((difference) => difference < 0).length} of 3`);
  });

  it('has what the whole runs took, as their manifests tell', () => {
    const totals = (name: string) => runs(name).map((run) => manifestOf(run));
    const [a, b] = [totals('loose'), totals('prompt')];
    const seconds = a.map(({ virtualSeconds }, index) => b[index]!.virtualSeconds! - virtualSeconds!);
    const recorded = recordOf('whole').total.map(({ name, estimate }) => [name, estimate.difference.mean] as const);
    const counts = (count: 'moves' | 'steps'): number =>
      mean(a.map((manifest, index) => b[index]!.counts![count] - manifest.counts![count]));
    expect(Object.fromEntries(recorded.slice(0, 3))).toEqual({
      'virtual seconds': expect.closeTo(mean(seconds), 12),
      'moves of u': 40,
      'worker steps': expect.closeTo(counts('steps'), 12),
    });
    expect(rowsOf(whole)['whole run / moves of u']).toEqual(['40', '80', '+40 ± 0', '0 of 3']);
    // What the monitor saw last is the count, as both runs end with a move.
    const bytes = runs('prompt').map((run) => measurements(run, 'bytes_sent').at(-1)!['value'] as number);
    expect(recorded[3]![0]).toBe('bytes sent');
    expect(recordOf('whole').total[3]!.estimate.b.mean).toBeCloseTo(mean(bytes), 9);
  });

  it('has what it took to get a measure below a value, up to the first measurement that is', () => {
    const firsts = runs('prompt').map((run) => {
      const first = measurements(run, 'optimality_gap').find(({ value }) => (value as number) < 0.5)!;
      const [steps, sent] = ['worker_steps', 'bytes_sent'].map(
        (measure) => measurements(run, measure).find(({ iteration }) => iteration === first['iteration'])!['value'],
      );
      return [(first['timeNs'] as number) / 1e9, first['iteration'], steps, sent];
    });
    expect(firsts.every(([seconds]) => Number(seconds) > 0)).toBe(true);
    const [reached] = recordOf('whole').targets;
    expect(reached).toMatchObject({ measure: 'optimality_gap', below: 0.5, reached: 3, completed: 3 });
    expect(reached!.quantities.map(({ perSeed }) => perSeed.map(({ b }) => b))).toEqual(
      [0, 1, 2, 3].map((column) => firsts.map((row) => row[column])),
    );
    expect(whole.stdout).toContain('\noptimality_gap < 0.5 was reached in 3 of 3 pairs\n');
  });

  it('again runs nothing, prints the same, and writes the same', () => {
    const before = readFileSync(join(home, 'whole/comparison.json'), 'utf8');
    const again = compare('loose.yaml', 'prompt.yaml', '--seeds', '1,2,3', '--out', 'whole', '--target', target);
    expect(again).toEqual({ status: 0, stdout: whole.stdout, stderr: 'loose-vs-prompt: 6 runs, 0 to run\n' });
    expect(readFileSync(join(home, 'whole/comparison.json'), 'utf8')).toBe(before);
  });

  it('of which a scenario has changed since is refused', () => {
    const args = ['--seeds', '1..3', '--out', 'whole', '--set', 'algorithm.lambda=3'];
    expect(compare('loose.yaml', 'prompt.yaml', ...args).stderr).toBe(
      'straggler: loose.yaml: whole/loose-1 was made with another scenario: algorithm.lambda was 1 and is 3\n' +
        '  name another directory with --out, or remove this run\n',
    );
  });

  it('pairs what the seed draws: with another lambda each pair takes the same time', () => {
    const args = ['--seeds', '4,9', '--quiet', '--set', 'stop.iterations=10', '--set', 'monitor.measures=[objective]'];
    const ended = compare('loose.yaml', 'tight.yaml', ...args);
    expect({ status: ended.status, stderr: ended.stderr }).toEqual({ status: 0, stderr: '' });
    expect(ended.stdout).not.toContain('written to');
    const rows = rowsOf(ended);
    expect(rows['whole run / virtual seconds']!.slice(2)).toEqual(['0 ± 0', 'all equal']);
    expect(rows['final value / objective']![3]).not.toBe('all equal');
    const times = [4, 9].map((seed) => manifestOf(home, `runs/loose-vs-tight/tight-${seed}`).virtualSeconds);
    expect(times[0]).not.toBe(times[1]);
  });
});

it('a comparison that is interrupted has status 130, tells what is done so far, and is continued', async () => {
  scenario('endless.yaml', { stop: 'iterations: 1000000000' });
  const args = ['loose.yaml', 'endless.yaml', '--seeds', '1,2', '--out', 'SIGINT', '--jobs', '1'];
  const started = start(home, 'compare', ...args);
  const running = join(home, 'SIGINT/.running', String(started.process.pid), 'endless-1/manifest.json');
  while (!existsSync(running)) await delay(20);
  started.process.kill('SIGINT');
  expect(await started.ended).toBe(130);
  expect(recordOf('SIGINT').pairs[0]).toEqual({
    seed: 1,
    a: { directory: 'loose-1', status: 'completed' },
    b: { directory: 'endless-1', status: 'interrupted' },
  });
  scenario('endless.yaml');
  const { status, stderr } = compare(...args);
  expect(status).toBe(0);
  expect(stderr).toMatch(/^loose-vs-endless: 4 runs, 3 to run$/m);
});

/** What a run that somebody made by hand left. */
interface HandMade {
  readonly status?: string;
  readonly virtualSeconds?: number;
  readonly lost?: number;
  /** Lines of metrics.jsonl: milliseconds, iteration, measure, a value or one a worker. */
  readonly lines?: readonly (readonly [number, number, string, number | null | readonly (number | null)[]])[];
  /** What the data added to the scenario. */
  readonly data?: object;
}

/** Writes the runs of a comparison, as if they had been run; `made` has them by name. */
function writeRuns(out: string, files: readonly [string, string], made: Readonly<Record<string, HandMade>>): void {
  const paths = files.map((file) => join(home, file)) as [string, string];
  const ids = [...new Set(Object.keys(made).map((name) => Number(/\d+$/.exec(name)![0])))];
  const { runs } = planComparison(paths, { seeds: ids, set: [], targets: [] });
  mkdirSync(join(home, out));
  const put = (name: string, text: string): void => {
    writeFileSync(join(home, out, name), text);
  };
  put('points.json', JSON.stringify(Object.fromEntries(runs.map(({ name, resolved }) => [name, resolved]))));
  for (const { name, resolved } of runs) {
    const { status = 'completed', virtualSeconds = 1, lines = [], data = {}, lost = 0 } = made[name]!;
    const plain = resolved as { data: object };
    const counts = { events: 9, messages: 4, bytes: 48, lost, steps: 3, moves: 2 };
    mkdirSync(join(home, out, name));
    const manifest = { status, scenario: { ...plain, data: { ...plain.data, ...data } }, engine: {}, sets: {} };
    put(join(name, 'manifest.json'), JSON.stringify({ ...manifest, virtualSeconds, counts }));
    const rows = lines.flatMap(([ms, iteration, measure, values]) =>
      [values].flat().map((value, worker) => {
        const each = Array.isArray(values) ? { worker } : {};
        return JSON.stringify({ timeNs: ms * 1e6, iteration, measure, ...each, value });
      }),
    );
    put(join(name, 'metrics.jsonl'), rows.map((row) => `${row}\n`).join(''));
  }
}

/** Compares within this process, where nothing is left to run; files are told without the folder. */
async function told(files: readonly [string, string], options: CompareCommandOptions): Promise<Ended> {
  const texts = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      texts[stream] += String(text).replaceAll(`${home}/`, '');
      return true;
    }),
  );
  try {
    const status = await compareCommand([join(home, files[0]), join(home, files[1])], options);
    return { status, ...texts };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe('the numbers of a comparison', () => {
  const made = (objective: number | null, virtualSeconds = 1): HandMade => ({
    virtualSeconds,
    lines: [[5, 10, 'objective', objective]],
  });
  const files = ['left.yaml', 'right.yaml'] as const;
  const again = (out: string, options: Partial<CompareCommandOptions> = {}): Promise<Ended> => {
    const seedList = [...new Set(readdirSync(join(home, out)).flatMap((name) => /-(\d+)$/.exec(name)?.[1] ?? []))];
    return told(files, { seeds: seedList.join(','), out: join(home, out), ...options });
  };
  const left = { measures: 'objective, gap', stop: 'iterations: 40, target: { measure: objective, below: 5 }' };
  beforeAll(() => {
    scenario('left.yaml', left);
    scenario('right.yaml', { measures: 'gap, objective' });
  });

  it('are right where they can be worked out by hand', async () => {
    const values = [
      [10, 9],
      [12, 12],
      [11, 9.5],
      [13, 11.5],
    ] as const;
    const runs = values.flatMap(([a, b], index) => [
      [`left-${index + 1}`, made(a, 0.1 * index)] as const,
      [`right-${index + 1}`, made(b, 0.1 * index + 0.3)] as const,
    ]);
    writeRuns('hand', files, Object.fromEntries(runs));
    const rows = rowsOf(await again('hand'));
    // Differences -1, 0, -1.5 and -1.5: a variance of 1.5 / 3, and 3.182 sqrt(0.5 / 4) = 1.125 with 3 degrees of freedom.
    expect(rows['final value / objective']).toEqual(['11.5', '10.5', '-1.0 ± 1.1', '3 of 4, 1 equal']);
    // Equal differences, whatever the rounding of 0.1 + 0.3 is.
    expect(rows['whole run / virtual seconds']).toEqual(['0.15', '0.45', '+0.3 ± 0', '0 of 4']);
    expect(rows['whole run / bytes sent']).toEqual(['48', '48', '0 ± 0', 'all equal']);
  });

  it('of large values are rounded to whole ones, and of tiny ones have an exponent', async () => {
    const tiny = { 'left-3': made(1e-9), 'right-3': made(2e-9), 'left-4': made(1e-9), 'right-4': made(2.2e-9) };
    writeRuns('large', files, {
      'left-1': made(23_100.4),
      'right-1': made(21_000),
      'left-2': made(2e4),
      'right-2': made(1e4),
    });
    writeRuns('tiny', files, tiny);
    // Two differences d and e have the half width 12.706 |d - e| / 2.
    const difference = `-6,050 ± ${Math.round((12.706205 * (10_000 - 2100.4)) / 2).toLocaleString('en-US')}`;
    expect(rowsOf(await again('large'))['final value / objective']).toEqual(['21,550', '15,500', difference, '2 of 2']);
    expect(rowsOf(await again('tiny'))['final value / objective']).toEqual([
      '1e-9',
      '2.1e-9',
      '+1.1e-9 ± 1.3e-9',
      '0 of 2',
    ]);
  });

  it('are those of the pairs that completed; a value that is not finite stays in sight', async () => {
    writeRuns('broken', files, {
      'left-1': made(7),
      'right-1': made(6),
      'left-2': made(8),
      'right-2': { ...made(1), status: 'diverged' },
      'left-3': made(8),
      'right-3': made(null),
    });
    const ended = await again('broken');
    const rows = rowsOf(ended);
    expect(rows['final value / objective']).toEqual(['7.5', 'not finite', 'not finite', '1 of 2']);
    expect(rows['whole run / moves of u']).toEqual(['2', '2', '0 ± 0', 'all equal']);
    expect(ended.stdout).toContain('\n2 of 3 pairs completed; B diverged with seed 2\n');
    expect(recordOf('broken').final[0]!.perSeed).toEqual([
      { seed: 1, a: 7, b: 6 },
      { seed: 2, a: 8, b: null },
      { seed: 3, a: 8, b: null },
    ]);
  });

  it('without a pair that completed are none', async () => {
    const bad = { ...made(1), status: 'diverged' };
    writeRuns('none', files, {
      'left-1': bad,
      'right-1': made(1),
      'left-2': bad,
      'right-2': bad,
      'left-3': bad,
      'right-3': bad,
    });
    const { status, stdout } = await again('none', { quiet: true });
    expect(status).toBe(0);
    expect(stdout).toBe(
      'A  left   left.yaml\nB  right  right.yaml\nobjective < 5 was reached in 0 of 0 pairs\n' +
        '0 of 3 pairs completed; A diverged with seeds 1 to 3; B diverged with seeds 2, 3\n',
    );
  });

  it('have the messages that were lost where any were', async () => {
    writeRuns('lossless', files, { 'left-1': made(1), 'right-1': made(1), 'left-2': made(1), 'right-2': made(1) });
    expect(rowsOf(await again('lossless'))).not.toHaveProperty('whole run / messages lost');
    const lossy = { ...made(1), lost: 3 };
    writeRuns('lossy', files, { 'left-1': made(1), 'right-1': lossy, 'left-2': made(1), 'right-2': lossy });
    expect(rowsOf(await again('lossy'))['whole run / messages lost']).toEqual(['0', '3', '+3 ± 0', '0 of 2']);
  });

  it('to a target leave out the pairs of which one did not reach it, and tell', async () => {
    const course = (...values: number[]): HandMade => ({
      lines: values.map((value, index) => [100 * index, 10 * index, 'objective', value]),
    });
    writeRuns('reached', files, {
      'left-1': course(9, 4, 6, 4),
      'right-1': course(9, 8, 3),
      'left-2': course(9, 7, 4.9),
      'right-2': course(9, 5, 5.1),
      'left-3': course(9, 8, 4.9, 4.8),
      'right-3': course(9, 4),
      'left-4': course(9, 9),
      'right-4': course(9, 9),
    });
    const ended = await again('reached');
    const rows = rowsOf(ended);
    // After 100 and 200 ms, and after 200 and 100 ms: differences of 0.1 s and -0.1 s, and 12.706 sqrt(0.02 / 2).
    expect(rows['until objective < 5 / virtual seconds']).toEqual(['0.15', '0.15', '0.0 ± 1.3', '1 of 2']);
    expect(rows['until objective < 5 / moves of u']!.slice(0, 2)).toEqual(['15', '15']);
    expect(rows).not.toHaveProperty('until objective < 5 / bytes sent');
    expect(ended.stdout).toContain(
      '\nobjective < 5 was reached in 2 of 4 pairs; not by A with seed 4; not by B with seeds 2, 4\n',
    );
  });

  it('to a target that one side never reached are none', async () => {
    const slow: HandMade = { lines: [[0, 0, 'objective', 9]] };
    const quick: HandMade = { lines: [[100, 10, 'objective', 4]] };
    writeRuns('never', files, { 'left-1': slow, 'right-1': quick, 'left-2': slow, 'right-2': quick });
    const ended = await again('never');
    expect(ended.stdout).toContain('\nobjective < 5 was reached in 0 of 2 pairs; never by A\n');
    expect(Object.keys(rowsOf(ended)).filter((name) => name.startsWith('until'))).toEqual([]);
  });

  it('to a target of workers are those of their mean, with the steps and bytes of the same moment', async () => {
    const course = (ms: number): HandMade => ({
      lines: [
        [0, 0, 'gap', [9, 9]],
        [0, 0, 'bytes_sent', 100],
        [ms, 10, 'worker_steps', 25],
        [ms, 10, 'bytes_sent', 200],
        // One worker is below, and their mean is not.
        [ms, 10, 'gap', [1, 5.2]],
        // A second measurement at the same time.
        [ms, 20, 'worker_steps', 27],
        [ms, 20, 'bytes_sent', 300],
        [ms, 20, 'gap', [2, 3.8]],
        // The end, at the same time and without another move.
        [ms, 20, 'worker_steps', 29],
        [ms, 20, 'bytes_sent', 320],
        [ms, 20, 'gap', [1, 1]],
      ],
    });
    const runs = { 'left-1': course(50), 'right-1': course(60), 'left-2': course(40), 'right-2': course(40) };
    writeRuns('workers', files, runs);
    const ended = await again('workers', { target: ['gap < 3'] });
    const rows = rowsOf(ended);
    expect(rows['until mean gap < 3 / virtual seconds']!.slice(0, 2)).toEqual(['0.045', '0.05']);
    expect(rows['until mean gap < 3 / moves of u']).toEqual(['20', '20', '0 ± 0', 'all equal']);
    expect(rows['until mean gap < 3 / worker steps']).toEqual(['27', '27', '0 ± 0', 'all equal']);
    expect(rows['until mean gap < 3 / bytes sent']).toEqual(['300', '300', '0 ± 0', 'all equal']);
    // Given ones stand in place of that of stop.target.
    expect(Object.keys(rows).filter((name) => name.startsWith('until objective'))).toEqual([]);
  });

  it('come with a line for what stop.target names and only one records', async () => {
    writeRuns('omitted', files, { 'left-1': made(1), 'right-1': made(1), 'left-2': made(1), 'right-2': made(1) });
    scenario('left.yaml', { ...left, stop: 'iterations: 40, target: { measure: gap_max, below: 0.01 }' });
    writeRuns('omission', files, { 'left-1': {}, 'right-1': {}, 'left-2': {}, 'right-2': {} });
    const message = 'gap_max < 0.01 is no target: right does not record it';
    const { status, stderr } = await again('omission', { quiet: true });
    expect({ status, stderr }).toEqual({ status: 0, stderr: `straggler: ${message}\n` });
    expect(recordOf('omission').omissions).toEqual([message]);
    scenario('left.yaml', left);
  });

  it('come with a line for what the data turn out to keep from being paired', async () => {
    const full = { data: { batchSize: 'full', partition: { kind: 'natural' } } };
    const one = { data: { batchSize: 1, partition: { kind: 'natural' } } };
    writeRuns('unpaired', files, { 'left-1': full, 'right-1': one, 'left-2': full, 'right-2': one });
    const { stderr } = await again('unpaired', { quiet: true });
    expect(stderr).toBe('straggler: samples are not paired: data.batchSize differs\n');
    expect(recordOf('unpaired').unpaired).toMatchObject([
      { stream: 'data/*, worker-*/samples', differing: ['data.batchSize'] },
    ]);
  });
});

describe('what is not paired', () => {
  const lognormal = '{ distribution: lognormal, median: 10ms, sigma: 0.5 }';
  it.each([
    [
      'nothing, with another method, potential, straggler, bandwidth and end',
      [
        'algorithm.quorum=1',
        'algorithm.potential=cubic',
        'network.stragglers=[{ workers: [0], slowdown: 3 }]',
        'network.bandwidth=1Gbit/s',
        'stop.iterations=7',
        'monitor.measures=[gap_max]',
        'engine.device=webgpu',
      ],
      [],
    ],
    ['nothing, with what is the same in other units', ['network.latency=0.002s'], []],
    ['nothing yet, where the data have the last word', ['model=vector', 'data.batchSize=full'], []],
    ['starting points', ['initial=u.safetensors'], ['starting points are not paired: initial differs']],
    ['samples', ['data.sampling=epoch'], ['samples are not paired: data.sampling differs']],
    [
      'samples of another problem',
      ['data.condition=5', 'data.dimension=4'],
      ['samples are not paired: data.dimension and data.condition differ'],
    ],
    [
      'samples of another dataset, whose keys are others',
      ['data.dataset=logistic'],
      ['samples are not paired: data.dataset differs'],
    ],
    ['samples of more workers', ['workers=3'], ['samples are not paired: workers differs']],
    ['step times', ['network.stepTime.sigma=0.4'], ['step times are not paired: network.stepTime.sigma differs']],
    [
      'step times that are constant',
      ['network.stepTime=10ms'],
      ['step times are not paired: network.stepTime differs'],
    ],
    ['latencies', ['network.latency=3ms'], ['latencies are not paired: network.latency differs']],
    [
      'latencies and step times',
      [`network.latency=${lognormal}`, 'network.stepTime.distribution=constant', 'network.stepTime.value=1ms'],
      [
        'step times are not paired: network.stepTime.distribution differs',
        'latencies are not paired: network.latency differs',
      ],
    ],
  ])('%s', (_, set, messages) => {
    const paths = [scenario('one.yaml'), scenario('other.yaml')] as const;
    const resolved = (overrides: string[]): unknown =>
      planComparison(paths, { seeds: [1], set: overrides, targets: [] }).pairs[0]![1].resolved;
    expect(unpairedStreams(resolved([]), resolved(set)).map(({ message }) => message)).toEqual(messages);
  });
});

describe('what is not paired among the keys of the network', () => {
  const wide = { distribution: 'exponential', mean: '5ms' };
  const narrow = { distribution: 'exponential', mean: '1ms' };
  it.each([
    [
      'nothing, where only a share or a factor differs',
      { loss: 0.1 },
      { loss: 0.2, stragglers: [{ slowdown: 2 }] },
      [],
    ],
    ['nothing, where one of the two draws nothing', {}, { jitter: wide, faults: [{ every: wide, for: '1s' }] }, []],
    [
      'a direction, and the links of some workers',
      { latency: '1ms', links: [{ workers: [1], latency: '3ms' }] },
      { latency: '1ms', up: { latency: wide }, links: [{ workers: [1], latency: '3ms', down: { latency: '4ms' } }] },
      ['latencies are not paired: network.up.latency and network.links.0.down.latency differ'],
    ],
    [
      'links of other workers',
      { links: [{ workers: [0, 1], latency: wide }] },
      { links: [{ workers: [0, 2], latency: wide }] },
      ['latencies are not paired: network.links.0.workers.1 differs'],
    ],
    [
      'a jitter of another kind',
      { jitter: wide },
      { jitter: narrow },
      ['jitters are not paired: network.jitter.mean differs'],
    ],
    [
      'stragglers with step times of their own, and their phases',
      { stragglers: [{ slowdown: 2, every: wide, for: wide }, { stepTime: '1s' }] },
      { stragglers: [{ slowdown: 3, every: wide, for: narrow }, { stepTime: '2s' }] },
      [
        'step times are not paired: network.stragglers.1.stepTime differs',
        'phases of stragglers are not paired: network.stragglers.0.for.mean differs',
      ],
    ],
    [
      'faults that come in both',
      { faults: [{ every: '1s', for: wide, crash: 'worker-0' }], partitions: [{ at: '1s', workers: [0] }] },
      { faults: [{ every: '2s', for: wide, pause: 'worker-1' }], partitions: [{ at: '2s', workers: [1] }] },
      ['partitions and faults are not paired: network.faults.0.every differs'],
    ],
  ])('%s', (_, first, second, messages) => {
    const found = unpairedStreams({ network: first }, { network: second });
    expect(found.map(({ message }) => message)).toEqual(messages);
  });
});

describe('the sides', () => {
  it('that have one name are told apart', () => {
    const paths = [scenario('c.yaml', { name: 'same' }), scenario('d.yaml', { name: 'same' })] as const;
    const { name, runs } = planComparison(paths, { seeds: [3, 1], set: [], targets: [] });
    expect(name).toBe('same-vs-same-2');
    expect(runs.map((run) => run.name)).toEqual(['same-3', 'same-2-3', 'same-1', 'same-2-1']);
  });
});

describe('arguments that are refused', () => {
  it.each([
    [['compare', 'a.yaml', '--seeds', '1,2'], "straggler: missing required argument 'B'\n(see straggler --help)\n"],
    [
      ['compare', 'a.yaml', 'b.yaml'],
      "straggler: required option '--seeds <list>' not specified\n(see straggler --help)\n",
    ],
    [
      ['compare', 'loose.yaml', 'tight.yaml', '--seeds', '1-10'],
      'straggler: --seeds 1-10: expected whole numbers\n  write a range, 1..10, or a list, 1,2,5\n',
    ],
  ])('%j: status 2, one message', (args, stderr) => {
    expect(straggler(home, ...args)).toEqual({ status: 2, stdout: '', stderr });
  });

  const fine = { seeds: '1,2' };
  const range = 'write a range, 1..10, or a list, 1,2,5';
  it.each([
    ['loose.yaml', { seeds: '' }, `--seeds : expected whole numbers\n  ${range}`],
    ['loose.yaml', { seeds: '1,,2' }, `--seeds 1,,2: expected whole numbers\n  ${range}`],
    ['loose.yaml', { seeds: '-1..3' }, `--seeds -1..3: expected whole numbers\n  ${range}`],
    ['loose.yaml', { seeds: '1.5,2' }, `--seeds 1.5,2: expected whole numbers\n  ${range}`],
    ['loose.yaml', { seeds: '9..1' }, '--seeds 9..1: 9 is above 1\n  write 1..9'],
    ['loose.yaml', { seeds: '4' }, '--seeds 4: an interval needs at least 2 seeds\n  give more, as in --seeds 1..10'],
    ['loose.yaml', { seeds: '1..3,2' }, '--seeds 1..3,2: the seed 2 is there twice\n  name each once'],
    ['loose.yaml', { seeds: '1..1000000000' }, '--seeds 1..1000000000: too many seeds\n  choose at most 10000'],
    [
      'loose.yaml',
      { seeds: '1,9007199254740993' },
      '--seeds 1,9007199254740993: 9007199254740993 is too large\n  choose at most 9007199254740991',
    ],
    [
      'loose.yaml',
      { ...fine, target: ['optimality-gap<1'] },
      '--target optimality-gap<1: unknown measure\n  did you mean optimality_gap?',
    ],
    [
      'loose.yaml',
      { ...fine, target: ['speed<1'] },
      /^--target speed<1: unknown measure\n {2}choose one of gap, gap_max, [\w, ]*bytes_sent/,
    ],
    [
      'loose.yaml',
      { ...fine, target: ['test_error'] },
      "--target test_error: expected measure<value\n  write for example --target 'test_error<0.05'",
    ],
    ['loose.yaml', { ...fine, target: ['gap<low'] }, '--target gap<low: expected a number after <\n  write gap<0.05'],
    ['loose.yaml', { ...fine, target: ['gap<'] }, '--target gap<: expected a number after <\n  write gap<0.05'],
    [
      'loose.yaml',
      { ...fine, target: ['objective<1'] },
      '--target objective<1: ~/loose.yaml does not record objective\n' +
        '  add it to monitor.measures, in the file or for both with --set',
    ],
    ['loose.yaml', { ...fine, set: ['seed=3'] }, '--set seed=3: the seeds are given by --seeds\n  leave it out'],
    [
      'loose.yaml',
      { ...fine, set: ['algorithm.lamda=3'] },
      '~/loose.yaml: --set algorithm.lamda=3: unknown key; did you mean lambda?',
    ],
    [
      './tight.yaml',
      fine,
      '~/./tight.yaml and ~/tight.yaml are the same file\n' +
        '  give two scenarios: copy the file, and change in the copy what is to be compared',
    ],
    ['nowhere.yaml', fine, /^there is no scenario ~\/nowhere\.yaml\n {2}give a YAML file, or /],
    ['bad.yaml', fine, '~/bad.yaml:1:29: data.dimenson: unknown key; did you mean dimension?'],
    [
      'loose.yaml',
      { ...fine, out: join(home, 'strange') },
      '~/strange is not the directory of a comparison: it is not empty, and has no points.json\n' +
        '  name another with --out',
    ],
  ])('%s with %j: nothing is written', async (file, options, message) => {
    write('bad.yaml', 'data: { dataset: quadratic, dimenson: 3 }\nstop: { iterations: 5 }\n');
    mkdirSync(join(home, 'strange/quick-1'), { recursive: true });
    const out = { out: join(home, 'refused'), ...options };
    const said = await refusal(() => compareCommand([`${home}/${file}`, join(home, 'tight.yaml')], out), home);
    expect(said).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(existsSync(join(home, 'refused'))).toBe(false);
    expect(readdirSync(join(home, 'strange'))).toEqual(['quick-1']);
  });
});

it('the help names the options, and shows commands', () => {
  const { status, stdout } = straggler(home, 'compare', '--help');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Usage: straggler compare \[options\] <A> <B>\n/);
  const options = ['--seeds <list>', '--target <measure<value>', '--set <path=value>', '--jobs <number>', '--quiet'];
  for (const text of [...options, '--out <directory>', 'Examples:']) expect(stdout).toContain(text);
});
