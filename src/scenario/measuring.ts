/** What a run measures, and what must be known for that before it begins. */
import { measures, type MeasureName, type MeasureRow } from '../../actors/measures.js';
import { BadInput } from '../conditions.js';
import type { Dataset } from '../learning/dataset.js';
import type { Coupling, Rules } from '../optimization/method.js';
import { potentials } from '../optimization/potentials.js';
import type { LoadedProblem } from './problem.js';
import type { Settings } from './schema.js';
import { completeEnvelope, envelopeCoupling } from './stationarity.js';
import type { Tables } from './tables.js';
import { findMinimum, type Minimum } from './tasks.js';

export interface Measuring {
  /** The settings, with the envelope's coupling filled in. */
  readonly settings: Settings;
  readonly chosen: readonly MeasureName[];
  /** What envelopes are measured under, where they are. */
  readonly envelope: Coupling | undefined;
  /** The minimum of F, where the distance to it is measured. */
  readonly minimum: Minimum | undefined;
}

/** Throws BadInput where the data or the method cannot give a measure. */
export function planMeasures(problem: LoadedProblem, { coupling }: Rules, { potentials: known }: Tables): Measuring {
  const { dataset, assignment, learner, lossScales } = problem;
  const settings = completeEnvelope(problem.settings, coupling, lossScales[0]!);
  const chosen = chooseMeasures(settings, dataset, coupling);
  const asks = (task: string): boolean =>
    chosen.some((name) => {
      const row: MeasureRow = measures[name];
      return row.from === 'evaluated' && row.task === task;
    });
  const { regularization } = settings.algorithm;
  return {
    settings,
    chosen,
    envelope: asks('envelope') ? envelopeCoupling(settings, known, learner.layout) : undefined,
    minimum: asks('optimality')
      ? findMinimum({ dataset, assignment, coupling: coupling!, regularization, lossScales })
      : undefined,
  };
}

function chooseMeasures(
  { monitor: { measures: chosen }, stop, model, algorithm }: Settings,
  dataset: Dataset,
  coupling: Coupling | undefined,
): MeasureName[] {
  const all = [...new Set([...chosen, ...(stop.target === undefined ? [] : [stop.target.measure])])];
  const refuse = (name: MeasureName, needs: string): never => {
    const index = chosen.indexOf(name);
    const path = index < 0 ? ['stop', 'target', 'measure'] : ['monitor', 'measures', index];
    throw new BadInput(`${name} needs ${needs}`, { path, remedy: 'leave it out' });
  };
  const modelKind = typeof model === 'string' ? model : model!.kind;
  for (const name of all) {
    const row: MeasureRow = measures[name];
    if (row.from !== 'evaluated') continue;
    if (row.task === 'evaluateTest' && dataset.test === undefined) refuse(name, 'a test set, and the data has none');
    if (row.output === 'error' && !dataset.classification) refuse(name, 'classes, and the data has values');
    if (row.couples && coupling === undefined) {
      refuse(name, `a method that couples u and z_j, which ${algorithm.method} with these keys does not`);
    }
    if (row.task === 'optimality' && (dataset.convex === undefined || modelKind !== 'vector')) {
      refuse(name, 'a problem whose minimum is known: quadratic or logistic with the model vector');
    }
    if (row.task === 'optimality' && coupling!.penalty.potential !== potentials.quad.build()) {
      refuse(name, 'the potential quad, for which the minimum is known');
    }
  }
  return all;
}
