/** When a run got a measure below a value, and what it had taken by then. */
import { average } from '../scenario/statistics.js';
import type { Target } from '../scenario/compare.js';
import type { MeasurementLine } from './sweepMeasurements.js';

export interface Reached {
  readonly virtualSeconds: number;
  /** Moves of u. */
  readonly moves: number;
  /** Undefined where the run does not record bytes_sent. */
  readonly bytes: number | undefined;
}

/** The first measurement that is below, by the mean over workers; undefined where none is. */
export function timeToTarget(
  measurements: readonly MeasurementLine[],
  { measure, below }: Target,
): Reached | undefined {
  const moments = momentsOf(measurements.filter((line) => line.measure === measure));
  const first = moments.find(({ values }) => average([...values.values()]) < below);
  if (first === undefined) return undefined;
  const { timeNs, iteration } = first;
  const sent = measurements.find(
    (line) => line.measure === 'bytes_sent' && line.timeNs === timeNs && line.iteration === iteration,
  );
  return { virtualSeconds: timeNs / 1e9, moves: iteration, bytes: sent?.value ?? undefined };
}

interface Moment {
  readonly timeNs: number;
  readonly iteration: number;
  /** One a worker, or one under -1. */
  readonly values: Map<number, number>;
}

/** The lines of one measure, those that were taken at once together. */
function momentsOf(lines: readonly MeasurementLine[]): Moment[] {
  const moments: Moment[] = [];
  for (const { timeNs, iteration, worker = -1, value } of lines) {
    let moment = moments.at(-1);
    // A worker's second value belongs to a second measurement, even where no time has passed.
    if (moment?.timeNs !== timeNs || moment.iteration !== iteration || moment.values.has(worker)) {
      moments.push((moment = { timeNs, iteration, values: new Map() }));
    }
    moment.values.set(worker, value ?? NaN);
  }
  return moments;
}
