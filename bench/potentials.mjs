/** What a potential costs: one LeNet-5 worker step on one thread, as the simulator calls it. */
import { openRunner } from '../dist/src/compute/engines.js';
import { layoutOf } from '../dist/src/compute/layout.js';
import { losses } from '../dist/src/learning/losses.js';
import { models } from '../dist/src/learning/models.js';
import { methodsOver } from '../dist/src/optimization/methods.js';
import { potentials } from '../dist/src/optimization/potentials.js';

const batch = 20;

/** For each potential, what takes `count` steps one after the other and returns the milliseconds of one. */
export async function potentialSteps() {
  const runner = await openRunner({ runner: 'onnx', device: 'cpu', threads: 1 }, {});
  const model = models.lenet5.build({}, { rowShape: [28, 28, 1], outputs: 10 });
  const layout = layoutOf(model.parameters);
  const { alternating } = methodsOver(potentials);
  const problem = {
    layout,
    sampleLosses: (parameters, inputs, targets) =>
      losses['cross-entropy'].perSample(model.apply(parameters, inputs), targets),
    batch: { inputs: { shape: [null, 28, 28, 1], dtype: 'float32' }, targets: { shape: [null], dtype: 'int32' } },
  };
  const vector = (scale) => Float32Array.from({ length: layout.count }, (_, index) => scale * Math.sin(7 * index));
  const images = Float32Array.from({ length: batch * 784 }, (_, index) => Math.abs(Math.sin(index)));
  const feeds = {
    u: vector(0.03),
    // ||u - z|| is 0.2, inside every domain: a step is taken whole.
    z: vector(0.0315),
    v: vector(1e-5),
    sigma: Float32Array.of(1e-6),
    inputs: images,
    targets: Int32Array.from({ length: batch }, (_, index) => index % 10),
  };
  return new Map(
    Object.keys(potentials).map((potential) => {
      const options = { potential, momentum: 0.9, gradient: 'sum', regularization: 1e-4 };
      const { workerStep } = alternating.rules(alternating.options.parse(options), problem);
      const time = async (count) => {
        const began = performance.now();
        for (let step = 0; step < count; step += 1) await runner.call(workerStep.whole, feeds);
        return (performance.now() - began) / count;
      };
      return [potential, time];
    }),
  );
}
