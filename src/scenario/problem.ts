/** The problem of a run: data, their partition, the model and where it starts. */
import { isAbsolute, resolve } from 'node:path';
import { layoutOf } from '../compute/layout.js';
import type { Tables as ResidentTables } from '../compute/feeds.js';
import type { InputSpec } from '../compute/tensorFunction.js';
import { BadInput } from '../conditions.js';
import type { Streams } from '../kernel/streams.js';
import type { Dataset, SampleSet } from '../learning/dataset.js';
import { readBytes } from '../learning/inputFile.js';
import type { Learner } from '../learning/evaluation.js';
import { losses } from '../learning/losses.js';
import type { Assignment } from '../learning/partition.js';
import { partitions } from '../learning/partitions.js';
import { checkBatchSize } from '../learning/sampling.js';
import { decodeSafetensors } from '../record/safetensors.js';
import type { Scenario } from './scenario.js';
import type { ModelSettings, Settings } from './schema.js';
import { checkStateSize, drawStart, readStart } from './state.js';

/** What is trained, on which samples, from where. */
export interface LoadedProblem {
  /** The settings, with what follows from the data filled in: model, loss, partition, batch size. */
  readonly settings: Settings;
  readonly dataset: Dataset;
  readonly assignment: Assignment;
  readonly learner: Learner;
  /** u^0 = z_j^0, `[P]`. */
  readonly start: Float32Array;
  /** What the gradient of each worker is a multiple of: 1 for the batch mean, the batch size for the batch sum. */
  readonly lossScales: readonly number[];
}

/** Throws BadInput where the data cannot be read, or do not go with the rest of the scenario. */
export async function loadProblem(scenario: Scenario, streams: Streams): Promise<LoadedProblem> {
  const dataset = await loadData(scenario, streams);
  const settings = complete(scenario, dataset);
  const completed = { ...scenario, settings };
  const assignment = assign(completed, dataset, streams);
  const learner = buildLearner(completed, dataset);
  const start = findStart(completed, learner, streams);
  return { settings, dataset, assignment, learner, start, lossScales: lossScalesOf(settings, assignment) };
}

function loadData(scenario: Scenario, streams: Streams): Promise<Dataset> {
  const { tables, settings } = scenario;
  const { dataset, ...options } = settings.data;
  return tables.datasets[dataset]!.load(options, {
    workers: settings.workers,
    random: (purpose) => streams.stream('data', purpose),
    resolve: fileResolver(scenario),
  });
}

/** Fills in what only the data, or the number of workers, can say. */
function complete({ settings, tables }: Scenario, { defaults, natural }: Dataset): Settings {
  const { data, algorithm, workers } = settings;
  const partition = data.partition ?? { kind: natural === undefined ? 'shared' : 'natural' };
  const batchSize = data.batchSize ?? defaults.batchSize ?? 20;
  return {
    ...settings,
    data: { ...data, partition, batchSize },
    model: settings.model ?? defaults.model,
    loss: settings.loss ?? defaults.loss,
    algorithm: { ...algorithm, ...tables.methods[algorithm.method].complete?.(algorithm as never, workers) },
  };
}

function assign(scenario: Scenario, dataset: Dataset, streams: Streams): Assignment {
  const { data, workers } = scenario.settings;
  const { kind, ...options } = data.partition!;
  const { train, classification, natural } = dataset;
  const assignment = partitions[kind].assign(options as never, {
    workers,
    count: train.count,
    labels: classification ? (train.targets.values as Int32Array) : undefined,
    natural,
    random: (purpose: string) => streams.stream('data', purpose),
    resolve: fileResolver(scenario),
  });
  checkBatchSize(data.batchSize!, assignment);
  return assignment;
}

function buildLearner({ settings, tables }: Scenario, dataset: Dataset): Learner {
  const chosen = settings.model!;
  const { kind, ...options }: ModelSettings = typeof chosen === 'string' ? { kind: chosen } : chosen;
  const row = tables.models[kind]!;
  const { inputs, targets } = dataset.train;
  const context = { rowShape: inputs.rowShape, outputs: dataset.outputs };
  const model = row.build(row.options.parse(options) as never, context);
  const loss = losses[settings.loss!];
  if ((loss.targets === 'classes') !== dataset.classification) {
    const needs = loss.targets === 'classes' ? 'classes, and the data has values' : 'values, and the data has classes';
    throw new BadInput(`the loss ${settings.loss!} needs ${needs}`, {
      path: ['loss'],
      remedy: `choose ${dataset.defaults.loss}`,
    });
  }
  const spec = ({ rowShape, dtype }: SampleSet['inputs']): InputSpec => ({ shape: [null, ...rowShape], dtype });
  return { model, layout: layoutOf(model.parameters), loss, batch: { inputs: spec(inputs), targets: spec(targets) } };
}

function findStart(scenario: Scenario, { model, layout }: Learner, streams: Streams): Float32Array {
  const { initial, workers } = scenario.settings;
  checkStateSize(layout, workers);
  if (initial === undefined) return drawStart(model, layout, streams.stream('model', 'init'));
  const file = fileResolver(scenario)(initial);
  const bytes = readBytes({ file, path: ['initial'] });
  return readStart(decodeSafetensors(bytes, file, ['initial']), layout, file);
}

/** The sets as the tables that computations read from. */
export function tablesOf({ train, test }: Dataset): ResidentTables {
  return {
    'train/inputs': train.inputs,
    'train/targets': train.targets,
    ...(test === undefined ? {} : { 'test/inputs': test.inputs, 'test/targets': test.targets }),
  };
}

function lossScalesOf({ algorithm, data }: Settings, assignment: Assignment): number[] {
  return assignment.map(({ length }) => {
    if (algorithm.gradient === 'mean') return 1;
    return data.batchSize === 'full' ? length : data.batchSize!;
  });
}

function fileResolver({ directory }: Scenario): (path: string) => string {
  return (path) => (isAbsolute(path) ? path : resolve(directory, path));
}
