/** What the runs of a sweep found: one row a point for readers, all of it in summary.json. */
import Table from 'cli-table3';
import type { Manifest } from '../record/manifest.js';
import type { Target } from '../scenario/compare.js';
import { average, estimate, type Estimate } from '../scenario/statistics.js';
import type { SweepRun } from '../scenario/sweep.js';
import type { SweepDirectory } from './sweepDirectory.js';
import { finalMean, finalValues, readMeasurements, type Final } from './sweepMeasurements.js';

export interface RunRecord {
  readonly seed: number;
  /** The run directory, within that of the sweep. */
  readonly directory: string;
  readonly status: Manifest['status'] | 'missing';
  readonly reason?: string | undefined;
  readonly wallSeconds?: number | undefined;
  readonly virtualSeconds?: number | undefined;
  readonly counts?: Manifest['counts'];
  readonly final: Readonly<Record<string, Final>>;
  readonly digests?: Manifest['digests'];
}

export interface PointRecord {
  readonly name: string;
  readonly runs: readonly RunRecord[];
  /** What the runs that completed took: virtualSeconds, bytes, moves and so on. */
  readonly took: Readonly<Record<string, Estimate>>;
  /** The target of its runs, if they have one, and how many of those that completed reached it. */
  readonly target?: Target & { readonly reached: number };
  /** Final values over the seeds that completed, averaged over workers first; null where one is not finite. */
  readonly measures: Readonly<Record<string, Estimate>>;
}

/** Reads what is in the run directories of `runs`, which lie in `directory`. */
export function readResults(runs: readonly SweepRun[], directory: SweepDirectory): PointRecord[] {
  const records = runs.map((run) => ({ point: run.point, record: readRun(run, directory) }));
  return [...new Set(runs.map(({ point }) => point))].map((name): PointRecord => {
    const own = records.filter(({ point }) => point === name).map(({ record }) => record);
    // A run that diverged stopped somewhere on its way: its values are no result.
    const completed = own.filter(({ status }) => status === 'completed');
    const target = targetOf(runs.find(({ point }) => point === name)!);
    const reached = completed.filter(({ reason }) => reason === 'target').length;
    return {
      name,
      runs: own,
      took: estimates(completed.map(({ virtualSeconds, counts }) => ({ virtualSeconds: virtualSeconds!, ...counts }))),
      ...(target === undefined ? {} : { target: { ...target, reached } }),
      measures: estimates(completed.map(({ final }) => meansOverWorkers(final))),
    };
  });
}

function targetOf({ resolved }: SweepRun): Target | undefined {
  return (resolved as { readonly stop: { readonly target?: Target } }).stop.target;
}

function readRun(run: SweepRun, directory: SweepDirectory): RunRecord {
  const { seed, name } = run;
  const manifest = directory.manifest(run);
  if (manifest === undefined) return { seed, directory: name, status: 'missing', final: {} };
  const { status, reason, wallSeconds, virtualSeconds, counts, digests } = manifest;
  const final = finalValues(readMeasurements(directory.at(run)));
  return { seed, directory: name, status, reason, wallSeconds, virtualSeconds, counts, final, digests };
}

function meansOverWorkers(final: Readonly<Record<string, Final>>): Record<string, number> {
  return Object.fromEntries(Object.entries(final).map(([measure, value]) => [measure, finalMean(value)]));
}

/** An estimate of every quantity that some of `runs` have. */
function estimates(runs: readonly Readonly<Record<string, number>>[]): Record<string, Estimate> {
  const names = new Set(runs.flatMap((values) => Object.keys(values)));
  return Object.fromEntries([...names].map((name) => [name, estimate(runs.flatMap((values) => values[name] ?? []))]));
}

/** A column of the table: its head, and the cell of each point. */
interface Column {
  readonly head: string;
  readonly cells: readonly string[];
}

/** Columns in a terminal. */
const widthMax = 120;

/** The table: a row a point, a column a quantity. What would be too wide goes on below, with the names again. */
export function resultsTable(points: readonly PointRecord[]): string {
  const [names, ...columns] = resultsColumns(points);
  const parts: Column[][] = [];
  for (const column of columns) {
    const part = parts.at(-1);
    if (part !== undefined && widthOf([...part, column]) <= widthMax) part.push(column);
    else parts.push([names, column]);
  }
  const isMarked = columns.some(({ cells }) => cells.some((cell) => cell.startsWith(atLeast)));
  return [...parts.map(render), ...(isMarked ? [legend] : [])].join('\n');
}

/** The names of points, and a column for everything that is told of them. */
export function resultsColumns(points: readonly PointRecord[]): [Column, ...Column[]] {
  const column = (head: string, cell: (point: PointRecord) => string): Column => ({ head, cells: points.map(cell) });
  const measures = new Set(points.flatMap((point) => Object.keys(point.measures)));
  const hasTarget = points.some(({ target }) => target !== undefined);
  return [
    column('point', ({ name }) => name),
    column('runs', ({ runs }) => countStatuses(runs)),
    column('wall time', ({ runs }) => meanWallTime(runs)),
    column('virtual s', (point) => formatTaken(point, 'virtualSeconds')),
    sent(points),
    ...(hasTarget ? [column('target', formatReached)] : []),
    ...[...measures].map((measure) => column(measure, (point) => formatEstimate(point.measures[measure]))),
  ];
}

function render(columns: readonly Column[]): string {
  const table = new Table({ head: columns.map(({ head }) => head), style: { head: [], border: [], compact: true } });
  table.push(...columns[0]!.cells.map((_, row) => columns.map(({ cells }) => cells[row]!)));
  return table.toString();
}

/** With borders and a space on both sides of every cell. */
function widthOf(columns: readonly Column[]): number {
  return columns.reduce(
    (sum, { head, cells }) => sum + Math.max(...[head, ...cells].map(({ length }) => length)) + 3,
    1,
  );
}

const sizes = [
  { unit: 'GB', bytes: 1e9 },
  { unit: 'MB', bytes: 1e6 },
  { unit: 'kB', bytes: 1e3 },
] as const;

/** The bytes that were given to the network, in one unit. */
function sent(points: readonly PointRecord[]): Column {
  const most = Math.max(0, ...points.map(({ took }) => took['bytes']?.mean ?? 0));
  const { unit, bytes } = sizes.find((size) => size.bytes <= most) ?? { unit: 'bytes', bytes: 1 };
  return { head: `${unit} sent`, cells: points.map((point) => formatTaken(point, 'bytes', bytes)) };
}

/** What stands before a mean to which runs that did not reach their target contribute what they took nonetheless. */
const atLeast = '> ';
const legend = '>: on average at least, as not all runs reached the target before another limit';

function formatTaken({ took, target }: PointRecord, name: string, unit = 1): string {
  const value = took[name];
  if (value === undefined) return '';
  const text = formatEstimate({
    ...value,
    mean: value.mean / unit,
    ...(value.halfWidth === undefined ? {} : { halfWidth: value.halfWidth / unit }),
  });
  return target !== undefined && target.reached < value.count ? atLeast + text : text;
}

/** `4 of 5` */
function formatReached({ target, runs }: PointRecord): string {
  return target === undefined ? '' : `${target.reached} of ${runs.length}`;
}

/** `3 completed, 1 diverged` */
function countStatuses(runs: readonly RunRecord[]): string {
  const counts = new Map<string, number>();
  for (const { status } of runs) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${status}`).join(', ');
}

function meanWallTime(runs: readonly RunRecord[]): string {
  const times = runs.flatMap(({ wallSeconds }) => wallSeconds ?? []);
  return times.length === 0 ? '' : formatSeconds(average(times));
}

/** `294.1 ± 6.2`, or the value alone where there is one. */
function formatEstimate(value: Estimate | undefined): string {
  if (value === undefined) return '';
  if (!Number.isFinite(value.mean)) return 'not finite';
  const mean = significant(value.mean, 4);
  return value.halfWidth === undefined ? mean : `${mean} ± ${significant(value.halfWidth, 2)}`;
}

/** The value with so many significant digits, and no zeros behind them. */
export function significant(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}

/** `4.2 s`, `3 min 20 s`, `2 h 5 min` */
export function formatSeconds(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
