/** Binds the names of computations to what computes them. */
import type { Runner } from '../compute/runner.js';
import type { Layout } from '../compute/layout.js';
import type { TensorFunction } from '../compute/tensorFunction.js';
import type { Engine, Inputs, Tensors } from '../kernel/effects.js';
import type { Streams } from '../kernel/streams.js';
import type { Dataset } from '../learning/dataset.js';
import { batchEvaluation, evaluateSet, type Learner } from '../learning/evaluation.js';
import type { Assignment } from '../learning/partition.js';
import { couplingMeasures } from '../optimization/coupling.js';
import type { Attempt, Coupling, Rules } from '../optimization/method.js';
import { potentials } from '../optimization/potentials.js';
import { coupledValue, minimiseCoupled, type CoupledProblem } from '../optimization/minimum.js';
import { here, valuesOf, type Vector } from '../vector.js';
import type { Settings } from './schema.js';
import { stationarityTasks } from './stationarity.js';

export interface TaskContext {
  readonly runner: Runner;
  readonly rules: Rules;
  readonly learner: Learner;
  readonly dataset: Dataset;
  readonly assignment: Assignment;
  readonly settings: Settings;
  /** What a batch's gradient is a multiple of: 1 for the mean, the batch size of each worker for the sum. */
  readonly lossScales: readonly number[];
  /** Given where the measure `optimality_gap` is taken. */
  readonly minimum: Minimum | undefined;
  /** What envelopes are measured under, where they are. */
  readonly envelope: Coupling | undefined;
  readonly streams: Streams;
}

/** The coupled problem in float64 and the minimum of its F. */
export interface Minimum {
  readonly problem: CoupledProblem;
  readonly value: number;
}

type Task = (inputs: Inputs) => Promise<Tensors>;
type Evaluate = (definition: TensorFunction, inputs: Inputs) => Promise<Tensors>;

/** The engine of a run: tasks by name. */
export function bindTasks(context: TaskContext): Engine {
  const { runner, rules } = context;
  const alone: Evaluate = (definition, inputs) => runner.keep(definition, inputs);
  const together: Evaluate = (definition, inputs) => runner.join(definition, inputs);
  // What a result that was thought over depends on.
  const origins = new WeakMap<Promise<Tensors>, Promise<Tensors>>();
  const attempted = ({ whole, searched }: Attempt, evaluate: Evaluate): Task => {
    if (searched === undefined) return (inputs) => evaluate(whole, inputs);
    return (inputs) => {
      const attempt = evaluate(whole, inputs);
      const result = attempt.then((taken) => withinDomain(taken, () => alone(searched, inputs)));
      origins.set(result, attempt);
      return result;
    };
  };
  const { elastic } = rules;
  const tasks: Record<string, Task> = {
    workerStep: attempted(rules.workerStep, together),
    consensusMove: attempted(rules.consensusMove, alone),
    ...(elastic === undefined ? {} : { elastic: (inputs) => alone(elastic, inputs) }),
    ...measureTasks(context),
    ...stationarityTasks({ ...context, coupling: rules.coupling }),
  };
  return {
    wait: (result) => runner.wait(result, origins.get(result)),
    knownFinite: (result) => runner.knownFinite(result),
    run: ({ task, inputs }) => {
      const bound = tasks[task];
      if (bound === undefined) throw new Error(`no computation is named ${task}`);
      return bound(inputs);
    },
  };
}

/** A step as it was taken whole or, where that would leave the domain of the potential, again with a search. */
async function withinDomain(taken: Tensors, search: () => Promise<Tensors>): Promise<Tensors> {
  if (here(taken['leaves']!)[0] === 0) return taken;
  const kept = await search();
  if (here(kept['outside']!)[0]! > 0) throw new Error('an iterate left the domain of the potential');
  return kept;
}

/** Tasks of the monitor; each takes `u` `[P]` and `z`, a list of M vectors. */
function measureTasks(context: TaskContext): Record<string, Task> {
  const { runner, rules, learner, dataset, assignment, settings, lossScales, minimum } = context;
  const { regularization } = settings.algorithm;
  const evaluation = batchEvaluation(learner);
  const couple = couplingMeasures(rules.coupling ?? none(learner.layout));
  const everything = {
    train: range(dataset.train.count),
    test: range(dataset.test?.count ?? 0),
  };
  const evaluate =
    (set: 'train' | 'test'): Task =>
    async ({ u }) => {
      const parameters = u as Vector;
      const indices = everything[set];
      const { loss, errors } = await evaluateSet(runner, evaluation, { parameters, set, indices });
      const objective = loss + (regularization / 2) * squaredNorm(await valuesOf(parameters));
      return { loss: one(loss), error: one(errors / indices.length), objective: one(objective) };
    };
  return {
    coupling: ({ u, z }) => runner.call(couple, { u: u!, z: z! }),
    evaluateTrain: evaluate('train'),
    evaluateTest: evaluate('test'),
    // F(u, z) = sum_j [ f_j(z_j) + (nu/2) ||z_j||^2 + (1/lambda) phihat(u - z_j) ]
    splitting: async ({ u, z }) => {
      const copies = z as readonly Vector[];
      const coupled = runner.call(couple, { u: u!, z: copies });
      const losses = await Promise.all(
        copies.map(async (parameters, worker) => {
          const indices = assignment[worker]!;
          const { loss } = await evaluateSet(runner, evaluation, { parameters, set: 'train', indices });
          return (lossScales[worker]! * loss) / indices.length;
        }),
      );
      const { penalty, norms } = await coupled;
      const sum = losses.reduce((total, loss) => total + loss, 0);
      return { value: one(sum + (regularization / 2) * norms![0]! + penalty![0]!) };
    },
    optimality: async ({ u, z }) => {
      const { problem, value } = minimum!;
      const wide = async (vector: Vector): Promise<Float64Array> => Float64Array.from(await valuesOf(vector));
      const point = { u: await wide(u as Vector), z: await Promise.all((z as readonly Vector[]).map(wide)) };
      return { value: one(coupledValue(problem, point) - value) };
    },
  };
}

/** What stands in where a method does not couple: the gap is measured all the same. */
function none(layout: Layout): Coupling {
  return { penalty: { potential: potentials.quad.build(), eta: 1, layout }, lambda: Infinity };
}

/** Finds the minimum of F: only for convex data under the potential quad. Throws BadInput where it is not attained. */
export function findMinimum({
  dataset,
  assignment,
  coupling: { penalty, lambda },
  regularization,
  lossScales,
}: Pick<TaskContext, 'dataset' | 'assignment' | 'lossScales'> & {
  readonly coupling: Coupling;
  readonly regularization: number;
}): Minimum {
  const { eta } = penalty;
  const functions = assignment.map((indices, worker) => {
    const mean = dataset.convex!(indices);
    const scale = lossScales[worker]!;
    if (scale === 1) return mean;
    const times = (values: Float64Array): Float64Array => values.map((value) => scale * value);
    return {
      dimension: mean.dimension,
      value: (z: Float64Array) => scale * mean.value(z),
      gradient: (z: Float64Array) => times(mean.gradient(z)),
      hessian: (z: Float64Array) => times(mean.hessian(z)),
    };
  });
  // (1/lambda) ||w / eta||^2 = (rho/2) ||w||^2
  const problem = { functions, regularization, coupling: 2 / (lambda * eta * eta) };
  return { problem, value: minimiseCoupled(problem).value };
}

function range(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, index) => index);
}

function one(value: number): Float32Array {
  return Float32Array.of(value);
}

function squaredNorm(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}
