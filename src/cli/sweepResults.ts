/** What the runs of a sweep found: one row a point for readers, all of it in summary.json. */
import Table from 'cli-table3';
import type { Manifest } from '../record/manifest.js';
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
  readonly final: Readonly<Record<string, Final>>;
  readonly digests?: Manifest['digests'];
}

export interface PointRecord {
  readonly name: string;
  readonly runs: readonly RunRecord[];
  /** Final values over the seeds that completed, averaged over workers first; null where one is not finite. */
  readonly measures: Readonly<Record<string, Estimate>>;
}

/** Reads what is in the run directories of `runs`, which lie in `directory`. */
export function readResults(runs: readonly SweepRun[], directory: SweepDirectory): PointRecord[] {
  const records = runs.map((run) => ({ point: run.point, record: readRun(run, directory) }));
  return [...new Set(runs.map(({ point }) => point))].map((name): PointRecord => {
    const own = records.filter(({ point }) => point === name).map(({ record }) => record);
    return { name, runs: own, measures: estimates(own) };
  });
}

function readRun(run: SweepRun, directory: SweepDirectory): RunRecord {
  const { seed, name } = run;
  const manifest = directory.manifest(run);
  if (manifest === undefined) return { seed, directory: name, status: 'missing', final: {} };
  const { status, reason, wallSeconds, digests } = manifest;
  const final = finalValues(readMeasurements(directory.at(run)));
  return { seed, directory: name, status, reason, wallSeconds, final, digests };
}

function estimates(runs: readonly RunRecord[]): Record<string, Estimate> {
  // A run that diverged stopped somewhere on its way: its values are no result.
  const completed = runs.filter(({ status }) => status === 'completed');
  const measures = new Set(completed.flatMap(({ final }) => Object.keys(final)));
  return Object.fromEntries(
    [...measures].map((measure) => {
      const values = completed.map(({ final }) => finalMean(final[measure]!));
      return [measure, estimate(values)];
    }),
  );
}

/** The table: a row a point, a column a measure. */
export function resultsTable(points: readonly PointRecord[]): string {
  const measures = [...new Set(points.flatMap((point) => Object.keys(point.measures)))];
  const table = new Table({
    head: ['point', 'runs', 'wall time', ...measures],
    style: { head: [], border: [], compact: true },
  });
  for (const point of points) {
    const values = measures.map((measure) => formatEstimate(point.measures[measure]));
    table.push([point.name, countStatuses(point.runs), meanWallTime(point.runs), ...values]);
  }
  return table.toString();
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
