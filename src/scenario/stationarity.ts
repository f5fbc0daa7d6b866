/** Binds the measures of stationarity: envelopes, gradients and residuals over a fixed sample of every I_j. */
import type { Layout } from '../compute/layout.js';
import type { Runner } from '../compute/runner.js';
import { BadInput } from '../conditions.js';
import type { Inputs, Tensors } from '../kernel/effects.js';
import { shuffle } from '../kernel/draws.js';
import type { Streams } from '../kernel/streams.js';
import type { Learner } from '../learning/evaluation.js';
import { batchGradient, meanGradient } from '../learning/gradient.js';
import type { Assignment } from '../learning/partition.js';
import { distinctHoldings } from '../learning/sameSamples.js';
import {
  envelopeMeasurer,
  envelopeNorms,
  lossGradientNorm,
  regularised,
  type Objective,
} from '../optimization/envelope.js';
import type { Coupling } from '../optimization/method.js';
import { potentialOf, type Potentials } from '../optimization/methods/alternating.js';
import { couplingForce, workerResiduals } from '../optimization/residuals.js';
import { valuesOf, type Vector } from '../vector.js';
import type { Settings } from './schema.js';

/**
 * Fills in `monitor.envelope` from the coupling of the run. Envelopes are in units of the mean loss: where the run's
 * gradients are `lossScale` times those of the mean loss, its lambda is so much larger in these units. Without a coupling
 * lambda stays open.
 */
export function completeEnvelope(settings: Settings, own: Coupling | undefined, lossScale: number): Settings {
  const { monitor, algorithm } = settings;
  if (own === undefined) return settings;
  const envelope = {
    potential: 'potential' in algorithm ? algorithm.potential : 'quad',
    eta: own.penalty.eta,
    lambda: own.lambda * lossScale,
    ...monitor.envelope,
  };
  return { ...settings, monitor: { ...monitor, envelope } };
}

/** What envelopes are measured under. */
export function envelopeCoupling(
  { monitor: { envelope } }: Settings,
  potentials: Potentials,
  layout: Layout,
): Coupling {
  const { potential = 'quad', eta = 1, lambda } = envelope;
  if (lambda === undefined) {
    throw new BadInput('envelopes need a coupling, and the method has none of its own', {
      path: ['monitor', 'measures'],
      remedy: 'set monitor.envelope.lambda',
    });
  }
  return { penalty: { potential: potentialOf(potentials, potential), eta, layout }, lambda };
}

export interface StationarityContext {
  readonly runner: Runner;
  readonly learner: Learner;
  readonly assignment: Assignment;
  /** What the gradient of each worker is a multiple of. */
  readonly lossScales: readonly number[];
  /** The coupling of the run. */
  readonly coupling: Coupling | undefined;
  /** That of the envelopes, where they are measured. */
  readonly envelope: Coupling | undefined;
  readonly settings: Settings;
  readonly streams: Streams;
}

type Task = (inputs: Inputs) => Promise<Tensors>;

/** Tasks of the monitor; each takes `u` `[P]` and `z`, a list of M vectors. */
export function stationarityTasks(context: StationarityContext) {
  const { runner, learner, settings, lossScales, coupling, envelope } = context;
  const { regularization } = settings.algorithm;
  const definition = batchGradient(learner);
  const objectiveOf = (indices: Int32Array, scale: number): Objective => {
    return async (parameters) => {
      const { loss, gradient } = await meanGradient(runner, definition, { parameters, indices });
      return { value: scale * loss, gradient: scale === 1 ? gradient : gradient.map((value) => scale * value) };
    };
  };
  // Drawn once: all measures are over the same samples.
  const samples = once(() => sampled(context));
  // The whole of F is divided by one number, so that it keeps its stationary points.
  const unit = lossScales[0]!;
  const terms = once(() =>
    samples().map(({ indices, workers }) => ({
      objective: regularised(objectiveOf(indices, lossScales[workers[0]!]! / unit), regularization / unit),
      count: workers.length,
      workers,
    })),
  );
  const ownObjectives = once(() => {
    const objectives: Objective[] = [];
    for (const { indices, workers } of samples()) {
      for (const j of workers) objectives[j] = regularised(objectiveOf(indices, lossScales[j]!), regularization);
    }
    return objectives;
  });
  const measurer = envelope === undefined ? undefined : envelopeMeasurer(envelope, settings.monitor.envelope);
  const force = coupling === undefined ? undefined : couplingForce(coupling);
  const envelopes: Task = async (inputs) => {
    const { u, z } = await pointOf(inputs);
    const queries = terms().map(({ workers, ...term }) => ({ ...term, alternative: meanOf(workers, z) }));
    const { gradient, lossGradient, residual } = await envelopeNorms(runner, measurer!, { u, terms: queries });
    return { gradient: one(gradient), lossGradient: one(lossGradient), residual: one(residual) };
  };
  return {
    envelope: envelopes,
    lossGradient: async (inputs: Inputs) => ({
      value: one(await lossGradientNorm((await pointOf(inputs)).u, terms())),
    }),
    workerResiduals: async (inputs: Inputs) => {
      const point = { ...(await pointOf(inputs)), objectives: ownObjectives() };
      return { value: Float32Array.from(await workerResiduals(runner, force!, point)) };
    },
  };
}

/** The distinct I_j, cut to a fixed random sample. */
function sampled({ assignment, settings, streams }: StationarityContext) {
  const { samples } = settings.monitor.envelope;
  const samplesMax = samples === 'all' ? Infinity : samples;
  return distinctHoldings(assignment).map(({ indices, workers }, holding) => {
    if (indices.length <= samplesMax) return { indices, workers };
    const drawn = shuffle(streams.stream('monitor', `samples/${holding}`), indices.slice());
    return { indices: drawn.slice(0, samplesMax), workers };
  });
}

async function pointOf({ u, z }: Inputs): Promise<{ u: Float32Array; z: readonly Float32Array[] }> {
  return { u: await valuesOf(u as Vector), z: await Promise.all((z as readonly Vector[]).map(valuesOf)) };
}

/** The mean of some copies. */
function meanOf(workers: readonly number[], z: readonly Float32Array[]): Float32Array {
  const mean = new Float64Array(z[0]!.length);
  for (const j of workers) z[j]!.forEach((value, index) => (mean[index]! += value / workers.length));
  return Float32Array.from(mean);
}

function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

function one(value: number): Float32Array {
  return Float32Array.of(value);
}
