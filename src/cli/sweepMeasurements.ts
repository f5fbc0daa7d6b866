/** What metrics.jsonl of a run holds, and what its measures end with. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { average } from '../scenario/statistics.js';

/** A line of metrics.jsonl; null is a value that is not finite. */
export interface MeasurementLine {
  readonly timeNs: number;
  readonly iteration: number;
  readonly measure: string;
  readonly worker?: number;
  readonly value: number | null;
}

/** The last value of a measure: one, or one a worker. */
export type Final = number | null | readonly (number | null)[];

/** The measurements of the run directory `run`, in the order in which they were taken. */
export function readMeasurements(run: string): MeasurementLine[] {
  const file = join(run, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as MeasurementLine);
}

/** The last value of each measure, in worker order. */
export function finalValues(measurements: readonly MeasurementLine[]): Record<string, Final> {
  const final = new Map<string, number | null | (number | null)[]>();
  for (const { measure, worker, value } of measurements) {
    if (worker === undefined) final.set(measure, value);
    else {
      let list = final.get(measure);
      if (!Array.isArray(list)) final.set(measure, (list = []));
      list[worker] = value;
    }
  }
  return Object.fromEntries(final);
}

/** The value, or its mean over workers; NaN where one is not finite. */
export function finalMean(final: Final): number {
  return average([final].flat().map((value) => value ?? NaN));
}
