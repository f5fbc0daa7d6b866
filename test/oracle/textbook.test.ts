import { afterAll, describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import { layoutOf } from '../../src/compute/layout.js';
import type { Runner } from '../../src/compute/runner.js';
import { Streams } from '../../src/kernel/streams.js';
import { mnist } from '../../src/learning/datasets/mnist.js';
import { losses } from '../../src/learning/losses.js';
import { models } from '../../src/learning/models.js';
import { methodsOver } from '../../src/optimization/methods.js';
import { potentials } from '../../src/optimization/potentials.js';
import { defineScenario } from '../../src/scenario/scenario.js';
import { prepare } from '../../src/scenario/simulate.js';
import { nameTensors, readStart } from '../../src/scenario/state.js';

const workers = 4;
const moves = 12;
const algorithm = { lambda: 0.1, workerStep: 0.001, consensusStep: 0.005, momentum: 0.9, regularization: 1e-4 };
const scenario = defineScenario({
  seed: 5,
  data: { dataset: 'mnist', partition: { kind: 'iid' } },
  model: 'lenet5',
  workers,
  algorithm: { ...algorithm, gradient: 'sum', consensusScaling: 'scaled' },
  stop: { iterations: moves },
} as never);

const bytesOf = (values: Float32Array): Buffer => Buffer.from(values.slice().buffer);

describe('Algorithm 1 as a textbook loop over the same compiled functions', () => {
  let runner: Runner | undefined;
  afterAll(() => runner?.close());

  it('gives the same bits as a simulation with quorum: all and zero delays', async () => {
    const run = await prepare(scenario);
    const samples = new Map<string, Int32Array>();
    run.events$.subscribe(({ kind, facts }) => {
      const { worker, step, samples: drawn } = facts as { worker: number; step: number; samples: number[] };
      if (kind === 'step') samples.set(`${worker}/${step}`, Int32Array.from(drawn));
    });
    const { final } = await run.toEnd();

    const { train } = await mnist.load(
      {},
      { workers, random: (purpose) => new Streams(5).stream('data', purpose), resolve: (path) => path },
    );
    const tables = { 'train/inputs': train.inputs, 'train/targets': train.targets };
    runner = await openRunner({ runner: 'onnx', device: 'cpu', threads: 1 }, tables);
    const model = models.lenet5.build({}, { rowShape: [28, 28, 1], outputs: 10 });
    const layout = layoutOf(model.parameters);
    const { alternating } = methodsOver(potentials);
    const rules = alternating.rules(
      alternating.options.parse({ ...algorithm, gradient: 'sum', consensusScaling: 'scaled' }),
      {
        layout,
        sampleLosses: (parameters, inputs, targets) =>
          losses['cross-entropy'].perSample(model.apply(parameters, inputs), targets),
        batch: { inputs: { shape: [null, 28, 28, 1], dtype: 'float32' }, targets: { shape: [null], dtype: 'int32' } },
      },
    );
    let u: Float32Array = new Float32Array(layout.count);
    u = readStart(run.start.initial, layout, 'initial.safetensors');
    const z = Array.from({ length: workers }, () => u);
    const v = Array.from({ length: workers }, (): Float32Array => new Float32Array(layout.count));
    for (let t = 1; t <= moves; t += 1) {
      const tau = Float32Array.of(rules.consensusStepSize(t));
      u = (await runner.call(rules.consensusMove.whole, { u, z, tau }))['u']!;
      if (t === moves) break;
      for (let j = 0; j < workers; j += 1) {
        const indices = samples.get(`${j}/${t}`)!;
        const next = await runner.call(rules.workerStep.whole, {
          z: z[j]!,
          v: v[j]!,
          u,
          sigma: Float32Array.of(rules.workerStepSize(t)),
          inputs: { table: 'train/inputs', indices },
          targets: { table: 'train/targets', indices },
        });
        z[j] = next['z']!;
        v[j] = next['v']!;
      }
    }

    const expected = nameTensors({ u, uv: undefined, z, v }, layout);
    expect(Object.keys(expected)).toEqual(Object.keys(final.tensors));
    for (const [name, { values }] of Object.entries(expected)) {
      expect(bytesOf(final.tensors[name]!.values).equals(bytesOf(values)), name).toBe(true);
    }
  });
});
