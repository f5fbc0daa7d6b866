/** Assembles a simulation from a scenario: data, model, rules, actors, network and engine. */
import { isAbsolute, resolve } from 'node:path';
import { consensus } from '../../actors/consensus.js';
import { monitor } from '../../actors/monitor.js';
import { measures, type MeasureName, type MeasureRow } from '../../actors/measures.js';
import { consensusName, monitorName, workerName } from '../../actors/names.js';
import { worker } from '../../actors/worker.js';
import { openRunner } from '../compute/engines.js';
import { layoutOf, type Layout } from '../compute/layout.js';
import type { Fingerprint, Runner } from '../compute/runner.js';
import type { InputSpec } from '../compute/tensorFunction.js';
import { BadInput } from '../conditions.js';
import type { Engine } from '../kernel/effects.js';
import type { Limits, Simulation } from '../kernel/simulation.js';
import { Streams, type Stream } from '../kernel/streams.js';
import type { Dataset, SampleSet } from '../learning/dataset.js';
import { readBytes } from '../learning/inputFile.js';
import { sampleLosses, type Learner } from '../learning/evaluation.js';
import { losses } from '../learning/losses.js';
import type { Assignment } from '../learning/partition.js';
import { partitions } from '../learning/partitions.js';
import { checkBatchSize, sampler } from '../learning/sampling.js';
import { star } from '../network/star.js';
import { stepTimes } from '../network/stepTime.js';
import { scaledPenalty } from '../optimization/envelope.js';
import type { Coupling, Rules } from '../optimization/method.js';
import { potentials } from '../optimization/potentials.js';
import { decodeSafetensors } from '../record/safetensors.js';
import type { Scenario } from './scenario.js';
import { distributions, type Delay, type ModelSettings, type Settings } from './schema.js';
import { completeEnvelope, envelopeCoupling } from './stationarity.js';
import { checkStateSize, drawStart, readStart } from './state.js';
import { bindTasks, findMinimum, type Minimum } from './tasks.js';

/** Everything that a run needs and that its record tells of. */
export interface Assembly {
  /** The settings, with what follows from the data filled in: model, loss, partition, batch size. */
  readonly settings: Settings;
  readonly simulation: Omit<Simulation, 'onEvent' | 'onMeasurement' | 'signal'>;
  readonly layout: Layout;
  readonly dataset: Dataset;
  readonly assignment: Assignment;
  readonly rules: Rules;
  /** u^0 = z_j^0, `[P]`. */
  readonly start: Float32Array;
  readonly fingerprint: Fingerprint;
  readonly close: () => Promise<void>;
}

/** Throws BadInput (with the path of the key) where the scenario cannot be run here. */
export async function assemble(scenario: Scenario): Promise<Assembly> {
  const streams = new Streams(scenario.settings.seed);
  const dataset = await loadData(scenario, streams);
  const withData = complete(scenario.settings, dataset);
  const assignment = assign({ ...scenario, settings: withData }, dataset, streams);
  const learner = buildLearner({ ...scenario, settings: withData }, dataset);
  const rules = rulesOf(scenario, learner);
  const chosen = measured(withData, dataset, rules);
  const start = findStart(scenario, learner, streams);
  const lossScales = lossScalesOf(withData, assignment);
  const needsEnvelope = chosen.some((name) => {
    const row: MeasureRow = measures[name];
    return row.from === 'evaluated' && row.task === 'envelope';
  });
  const settings = completeEnvelope(withData, rules.coupling, lossScales[0]!);
  const envelope = needsEnvelope ? envelopeCoupling(settings, scenario.tables.potentials, learner.layout) : undefined;
  const { regularization } = settings.algorithm;
  // Found before the run, which is too late for bad input.
  const minimum = chosen.includes('optimality_gap')
    ? findMinimum({ dataset, assignment, coupling: rules.coupling!, regularization, lossScales })
    : undefined;
  const runner = await openRunner(settings.engine, tablesOf(dataset));
  const parts = {
    ...{ settings, streams, dataset, assignment, learner, rules, runner },
    ...{ start, chosen, lossScales, minimum, envelope },
  };
  const simulation = cast(parts);
  try {
    for (const coupling of [rules.coupling, envelope]) await tryPotential(runner, coupling);
    await tryStep(simulation.engine, { settings, assignment, start });
  } catch (error) {
    await runner.close();
    throw explained(error, settings);
  }
  return {
    settings,
    simulation,
    layout: learner.layout,
    dataset,
    assignment,
    rules,
    start,
    fingerprint: runner.fingerprint,
    close: () => runner.close(),
  };
}

function fileResolver({ directory }: Scenario): (path: string) => string {
  return (path) => (isAbsolute(path) ? path : resolve(directory, path));
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

/** Fills in what only the data can say. */
function complete(settings: Settings, { defaults, natural }: Dataset): Settings {
  const { data } = settings;
  const partition = data.partition ?? { kind: natural === undefined ? 'shared' : 'natural' };
  const batchSize = data.batchSize ?? defaults.batchSize ?? 20;
  return {
    ...settings,
    data: { ...data, partition, batchSize },
    model: settings.model ?? defaults.model,
    loss: settings.loss ?? defaults.loss,
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

/** The rules of the chosen method. */
function rulesOf({ settings: { algorithm }, tables }: Scenario, learner: Learner): Rules {
  return tables.methods[algorithm.method].rules(algorithm as never, {
    ...learner,
    sampleLosses: sampleLosses(learner),
  });
}

/** The measures to take; throws BadInput where the data or the method cannot give one. */
function measured(
  { monitor: { measures: chosen }, stop, model, algorithm }: Settings,
  dataset: Dataset,
  { coupling }: Rules,
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

function findStart(scenario: Scenario, { model, layout }: Learner, streams: Streams): Float32Array {
  const { initial, workers } = scenario.settings;
  checkStateSize(layout, workers);
  if (initial === undefined) return drawStart(model, layout, streams.stream('model', 'init'));
  const file = fileResolver(scenario)(initial);
  const bytes = readBytes({ file, path: ['initial'] });
  return readStart(decodeSafetensors(bytes, file, ['initial']), layout, file);
}

function tablesOf({ train, test }: Dataset) {
  return {
    'train/inputs': train.inputs,
    'train/targets': train.targets,
    ...(test === undefined ? {} : { 'test/inputs': test.inputs, 'test/targets': test.targets }),
  };
}

interface Parts {
  readonly settings: Settings;
  readonly streams: Streams;
  readonly dataset: Dataset;
  readonly assignment: Assignment;
  readonly learner: Learner;
  readonly rules: Rules;
  readonly runner: Runner;
  readonly start: Float32Array;
  readonly chosen: readonly MeasureName[];
  readonly lossScales: readonly number[];
  readonly minimum: Minimum | undefined;
  readonly envelope: Coupling | undefined;
}

/** Gives every actor its part. */
function cast(parts: Parts): Assembly['simulation'] {
  const { settings, streams, assignment, rules, start, chosen } = parts;
  const { algorithm, workers, data, network } = settings;
  const { quorum, combine, localSteps, overlap, stalenessMax, sends, handsOut, split } = rules.exchange;
  const stepNs = stepTimes(drawOf(network.stepTime), network.stragglers);
  const cluster = assignment.map((indices, index) => ({
    name: workerName(index),
    behaviour: worker({
      worker: index,
      start,
      localSteps,
      overlap,
      sends,
      split,
      stalenessMax,
      sampling: sampler({ sampling: data.sampling, batchSize: data.batchSize!, indices }) as never,
      stepNs: stepNs(index),
      stepSize: rules.workerStepSize,
    }),
  }));
  const centre = {
    name: consensusName,
    behaviour: consensus({
      workers,
      start,
      momentum: rules.consensusMomentum,
      quorum: quorum === 'all' ? workers : quorum,
      combine,
      handsOut: split ? 'nothing' : handsOut,
      weights: assignment.map(({ length }) => length),
      staleness: stalenessMax !== undefined,
      stepSize: rules.consensusStepSize,
    }),
  };
  const { iterations } = settings.monitor.every;
  return {
    actors: [...cluster, centre],
    monitor: { name: monitorName, behaviour: monitor({ workers, start, every: iterations, measures: chosen }) },
    network: star({
      latencyNs: drawOf(network.latency),
      bytesPerSecond: network.bandwidth === 'unlimited' ? Infinity : network.bandwidth,
      streams,
    }),
    engine: bindTasks(parts),
    streams,
    limits: limitsOf(settings),
  };
}

/** At the start u = z_j: a potential that is not finite there, as one of the user's own may be, cannot be used. */
async function tryPotential(runner: Runner, coupling: Coupling | undefined): Promise<void> {
  if (coupling === undefined) return;
  const w = new Float32Array(coupling.penalty.layout.count);
  const { value, gradient, outside } = await runner.call(scaledPenalty(coupling), { w });
  if (outside![0] === 0 && Number.isFinite(value![0]!) && gradient!.every(Number.isFinite)) return;
  throw new BadInput('the potential is not finite at 0, where a run starts: u = z_j', {
    path: ['algorithm', 'potential'],
    remedy: 'choose one whose domain contains 0, such as quad',
  });
}

/** One step of worker 0, thrown away: what the engine cannot compute is told before the run and not in its midst. */
async function tryStep(
  engine: Engine,
  { settings, assignment, start }: Pick<Assembly, 'settings' | 'assignment' | 'start'>,
): Promise<void> {
  const { batchSize } = settings.data;
  const indices = assignment[0]!.slice(0, batchSize === 'full' ? undefined : batchSize);
  const inputs = {
    z: start,
    v: new Float32Array(start.length),
    u: start,
    sigma: Float32Array.of(0),
    fresh: Float32Array.of(1),
    inputs: { table: 'train/inputs', indices },
    targets: { table: 'train/targets', indices },
  };
  await engine.run({ task: 'workerStep', inputs });
}

/** A model that the engine cannot compute, as a condition with its key; any other error as it is. */
function explained(error: unknown, { engine: { runner, device } }: Settings): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof BadInput && error.path === undefined) {
    return new BadInput(error.message, {
      path: ['model'],
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    });
  }
  const [, kernel] = /^Kernel '(\w+)' not registered for backend/.exec(error.message) ?? [];
  if (kernel === undefined) return error;
  return new BadInput(`the device ${device} of the runner ${runner} lacks ${kernel}, which this model needs`, {
    path: ['engine', 'device'],
    remedy: 'choose the runner onnx, or the device cpu',
  });
}

/** What the gradients of the workers are multiples of: 1 for the batch mean, the batch size for the batch sum. */
function lossScalesOf({ algorithm, data }: Settings, assignment: Assignment): number[] {
  return assignment.map(({ length }) => {
    if (algorithm.gradient === 'mean') return 1;
    return data.batchSize === 'full' ? length : data.batchSize!;
  });
}

/** What draws a delay in nanoseconds. */
function drawOf(delay: Delay): (stream: Stream) => number {
  if (typeof delay === 'number') return () => delay;
  const { distribution, ...options } = delay;
  return (stream) => distributions[distribution].draw(options as never, stream);
}

function limitsOf({ stop }: Settings): Limits {
  const { iterations, steps, virtualTime, target } = stop;
  return {
    counts: {
      ...(iterations === undefined ? {} : { move: iterations }),
      ...(steps === undefined ? {} : { step: steps }),
    },
    ...(virtualTime === undefined ? {} : { timeNs: virtualTime }),
    ...(target === undefined ? {} : { target }),
  };
}
