/** What it takes a run to get a measure below a value, while the run is repeated. */
import type { MeasureName } from '../../actors/measures.js';
import { costs, type Target } from '../scenario/compare.js';
import type { Run } from '../scenario/simulate.js';
import { timeToTarget } from './compareTargets.js';
import type { MeasurementLine } from './sweepMeasurements.js';
import type { TargetRecord } from './traceRecord.js';

/** What a repetition measures for `targets`. */
export function measuresFor(targets: readonly Target[]): MeasureName[] {
  return targets.length === 0 ? [] : [...new Set([...targets.map(({ measure }) => measure), ...costs])];
}

/** Follows `run`; returns what tells of the targets at its end. */
export function followTargets({ measurements$ }: Run, targets: readonly Target[]): () => TargetRecord[] {
  const measurements: MeasurementLine[] = [];
  measurements$.subscribe((measurement) => measurements.push(measurement));
  return () => targets.map((target) => ({ ...target, reached: timeToTarget(measurements, target) ?? null }));
}
