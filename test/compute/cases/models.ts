/** Cases of whole worker steps: every model with its losses, forward, backward, momentum and penalty. */
import { layoutOf } from '../../../src/compute/layout.js';
import { losses, type LossName } from '../../../src/learning/losses.js';
import { models } from '../../../src/learning/models.js';
import type { Model } from '../../../src/learning/model.js';
import { alternating } from '../../../src/optimization/methods/alternating.js';
import { potentials } from '../../../src/optimization/potentials.js';
import { numbers, spread, whole, type Case } from './case.js';

interface Problem {
  readonly model: Model;
  readonly rowShape: readonly number[];
  readonly outputs: number;
  readonly batch: number;
  readonly loss: LossName;
  readonly gradient: 'mean' | 'sum';
  readonly coupling?: { readonly potential: string; readonly eta: number };
  /** Whether the step is the one that searches for what is feasible. */
  readonly searched?: boolean;
}

/** One step of a worker at arbitrary parameters, with momentum and every term of Delta. */
function step(name: string, problem: Problem): Case {
  const { model, rowShape, outputs, batch, loss, gradient, searched = false } = problem;
  const layout = layoutOf(model.parameters);
  const classes = losses[loss].targets === 'classes';
  const targetShape = classes ? [] : [outputs];
  const { options, rules } = alternating(potentials);
  const coupling = problem.coupling ?? { potential: 'quad', eta: 0.5 };
  const keys = { ...coupling, gradient, lambda: 0.3, momentum: 0.9, regularization: 0.01 };
  const { workerStep } = rules(options.parse(keys), {
    layout,
    sampleLosses: (parameters, inputs, targets) => losses[loss].perSample(model.apply(parameters, inputs), targets),
    batch: {
      inputs: { shape: [null, ...rowShape], dtype: 'float32' },
      targets: { shape: [null, ...targetShape], dtype: classes ? 'int32' : 'float32' },
    },
  });
  const definition = searched ? workerStep.searched! : workerStep.whole;
  const vector = [layout.count];
  const labels = Array.from({ length: batch }, (_, index) => index % Math.max(outputs, 2));
  return {
    name: `the worker step of ${name} with ${loss}, ${gradient}${problem.coupling === undefined ? '' : `, ${coupling.potential}${searched ? ', searched' : ''}`}`,
    inputs: {
      ...{ z: spread(vector, -0.3, 0.3, 1), v: spread(vector, -0.1, 0.1, 2), u: spread(vector, -0.3, 0.3, 3) },
      sigma: numbers([1], [0.125]),
      inputs: spread([batch, ...rowShape], 0, 1),
      targets: classes ? whole([batch], labels) : spread([batch, ...targetShape]),
    },
    evaluate: definition.evaluate,
    gradients: 'none',
  };
}

const image = { rowShape: [28, 28, 1], outputs: 10 };
const features = { rowShape: [6], outputs: 3 };

/** A small network under each potential, taken whole well inside the domain, and searched beyond it. */
const coupled = Object.keys(potentials).flatMap((potential) => {
  const mlp: Problem = {
    model: models.mlp.build({ hidden: [5] }, features),
    ...features,
    ...{ batch: 4, loss: 'cross-entropy', gradient: 'mean' },
  };
  const bounded = !['quad', 'cubic'].includes(potential);
  return [
    step('mlp', { ...mlp, coupling: { potential, eta: 4 } }),
    ...(bounded ? [step('mlp', { ...mlp, coupling: { potential, eta: 0.4 }, searched: true })] : []),
  ];
});

export const modelCases: readonly Case[] = [
  step('lenet5', {
    model: models.lenet5.build({}, image),
    ...image,
    batch: 2,
    loss: 'cross-entropy',
    gradient: 'mean',
  }),
  step('lenet5 with a head', {
    model: models.lenet5.build({ head: 7 }, { rowShape: [16, 20, 3], outputs: 4 }),
    ...{ rowShape: [16, 20, 3], outputs: 4, batch: 3, loss: 'squared-error', gradient: 'sum' },
  }),
  step('mlp', {
    model: models.mlp.build({ hidden: [5, 4] }, features),
    ...features,
    batch: 7,
    loss: 'cross-entropy',
    gradient: 'sum',
  }),
  step('mlp', {
    model: models.mlp.build({ hidden: [5] }, features),
    ...features,
    batch: 4,
    loss: 'squared-error',
    gradient: 'mean',
  }),
  step('softmax', {
    model: models.softmax.build({}, features),
    ...features,
    batch: 5,
    loss: 'cross-entropy',
    gradient: 'mean',
  }),
  step('softmax of one output', {
    model: models.softmax.build({}, { rowShape: [6], outputs: 1 }),
    ...{ rowShape: [6], outputs: 1, batch: 5, loss: 'cross-entropy', gradient: 'mean' },
  }),
  step('vector', {
    model: models.vector.build({}, { rowShape: [3, 4], outputs: 3 }),
    ...{ rowShape: [3, 4], outputs: 3, batch: 5, loss: 'squared-error', gradient: 'sum' },
  }),
  step('vector of classes', {
    model: models.vector.build({}, { rowShape: [4], outputs: 1 }),
    ...{ rowShape: [4], outputs: 1, batch: 5, loss: 'cross-entropy', gradient: 'mean' },
  }),
  ...coupled,
];
