/**
 * The library: what the command line does, for programs.
 *
 *     const { measurements$, result } = simulate(loadScenario('scenarios/quadratic.yaml'));
 */
export { BadInput, Stopped } from './conditions.js';
export type { Fingerprint } from './compute/runner.js';
export { sizeOf, type Table } from './compute/table.js';
export type { TimedMeasurement } from './kernel/ledger.js';
export type { LoggedEvent } from './kernel/simulation.js';
export type { Dataset, DatasetContext, DatasetRow, SampleSet } from './learning/dataset.js';
export type { Model, ModelContext, ModelParameter, ModelRow } from './learning/model.js';
export { ball, box, everywhere, type Domain } from './optimization/domain.js';
export type { Potential, PotentialRow } from './optimization/potentials.js';
export { decodeSafetensors, encodeSafetensors, type NamedTensor, type NamedTensors } from './record/safetensors.js';
export { defineScenario, loadScenario, type Scenario, type ScenarioOptions } from './scenario/scenario.js';
export type { ScenarioInput } from './scenario/schema.js';
export {
  prepare,
  simulate,
  type Handle,
  type Run,
  type RunOptions,
  type RunResult,
  type RunStart,
} from './scenario/simulate.js';
export type { Extensions } from './scenario/tables.js';
