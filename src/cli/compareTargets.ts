/** When a run got a measure below a value, and what it had taken by then. */
import { average } from '../scenario/statistics.js';
import type { Target } from '../scenario/compare.js';
import type { MeasurementLine } from './sweepMeasurements.js';

export interface Reached {
  readonly virtualSeconds: number;
  /** Moves of u. */
  readonly moves: number;
  /** Worker steps in all, and bytes sent; undefined where the run does not record worker_steps or bytes_sent. */
  readonly steps: number | undefined;
  readonly bytes: number | undefined;
}

/** The first measurement that is below, by the mean over workers; undefined where none is. */
export function timeToTarget(
  measurements: readonly MeasurementLine[],
  { measure, below }: Target,
): Reached | undefined {
  for (const { timeNs, iteration, values } of momentsOf(measurements)) {
    const value = meanOf(values, measure);
    if (value === undefined || !(value < below)) continue;
    const [steps, bytes] = [meanOf(values, 'worker_steps'), meanOf(values, 'bytes_sent')];
    return { virtualSeconds: timeNs / 1e9, moves: iteration, steps, bytes };
  }
  return undefined;
}

interface Moment {
  readonly timeNs: number;
  readonly iteration: number;
  /** By measure; those of workers by their number, one for all under -1. */
  readonly values: Map<string, Map<number, number>>;
}

/** The mean over workers of what was measured at one moment; undefined where it was not. */
function meanOf(values: Moment['values'], measure: string): number | undefined {
  const own = values.get(measure);
  return own && average([...own.values()]);
}

/** The measurements, those that were taken at once together. */
function* momentsOf(lines: readonly MeasurementLine[]): Generator<Moment, void> {
  let moment: Moment | undefined;
  for (const { timeNs, iteration, measure, worker = -1, value } of lines) {
    // The second value of a measure belongs to a second moment, even where no time has passed.
    const again = moment?.values.get(measure)?.has(worker) ?? false;
    if (moment?.timeNs !== timeNs || moment.iteration !== iteration || again) {
      if (moment !== undefined) yield moment;
      moment = { timeNs, iteration, values: new Map() };
    }
    const own = moment.values.get(measure) ?? new Map<number, number>();
    moment.values.set(measure, own.set(worker, value ?? NaN));
  }
  if (moment !== undefined) yield moment;
}
