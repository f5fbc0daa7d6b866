/** What it takes a run to get a measure below a value, while the run is repeated. */
import type { MeasureName } from '../../actors/measures.js';
import type { Target } from '../scenario/compare.js';
import type { Run } from '../scenario/simulate.js';
import { timeToTarget, type Reached } from './compareTargets.js';
import type { MeasurementLine } from './sweepMeasurements.js';
import type { TargetRecord } from './traceRecord.js';

/** What a repetition measures for `targets`. */
export function measuresFor(targets: readonly Target[]): MeasureName[] {
  if (targets.length === 0) return [];
  return [...new Set([...targets.map(({ measure }) => measure), 'bytes_sent' as const])];
}

/** Follows `run`; returns what tells of the targets at its end. */
export function followTargets({ events$, measurements$ }: Run, targets: readonly Target[]): () => TargetRecord[] {
  if (targets.length === 0) return () => [];
  const measurements: MeasurementLine[] = [];
  const moves = new Map([[0, { timeNs: 0, steps: 0 }]]);
  let steps = 0;
  events$.subscribe(({ kind, timeNs, facts }) => {
    if (kind === 'step') steps += 1;
    if (kind === 'move') moves.set(facts['version'] as number, { timeNs, steps });
  });
  measurements$.subscribe((measurement) => measurements.push(measurement));
  // A measurement is taken directly after a move, or at the end of the run.
  const stepsAt = ({ moves: version, virtualSeconds }: Reached): number => {
    const move = moves.get(version)!;
    return move.timeNs / 1e9 === virtualSeconds ? move.steps : steps;
  };
  return () =>
    targets.map((target) => {
      const reached = timeToTarget(measurements, target);
      return { ...target, reached: reached === undefined ? null : { ...reached, steps: stepsAt(reached) } };
    });
}
