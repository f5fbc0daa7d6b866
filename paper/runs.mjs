/** Reads what `straggler sweep scenarios/paper/paper.yaml` has left: final values from summary.json, curves from metrics.jsonl. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { estimate } from '../dist/src/scenario/statistics.js';

export function readPoints(path) {
  const file = join(path, 'summary.json');
  if (!existsSync(file)) throw new Error(`${file} is not there: run npm run paper first`);
  const { points } = JSON.parse(readFileSync(file, 'utf8'));
  return points.map((point) => ({
    ...point,
    runs: point.runs.map((run) => ({ ...run, path: join(path, run.directory) })),
  }));
}

/** Mean and 95% half-width of the final values over the seeds that completed; undefined where there is none. */
export function finalOf(point, measure) {
  const values = (point?.runs ?? []).filter(({ status }) => status === 'completed').map(({ final }) => final[measure]);
  return values.length === 0 || values.includes(null) || values.includes(undefined) ? undefined : estimate(values);
}

/** The course of a measure in one run: [[iteration, value], ...]. */
export function courseOf(run, measure) {
  const file = join(run.path, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter((row) => row.measure === measure && row.value !== null)
    .map(({ iteration, value }) => [iteration, value]);
}

export const potentials = ['quad', 'cubic', 'tan', 'tan-sep', 'log', 'log-sep'];
