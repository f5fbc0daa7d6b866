import { afterAll, describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import { layoutOf } from '../../src/compute/layout.js';
import { drawNormals } from '../../src/kernel/draws.js';
import { batchEvaluation, evaluateSet, type Learner } from '../../src/learning/evaluation.js';
import { batchGradient, meanGradient } from '../../src/learning/gradient.js';
import { losses } from '../../src/learning/losses.js';
import type { Model } from '../../src/learning/model.js';
import { models } from '../../src/learning/models.js';
import { distinctHoldings } from '../../src/learning/sameSamples.js';
import { loadDataset } from './refusals.js';
import { streamOf } from './statistics.js';

const n = 5;
const { train, convex, outputs } = await loadDataset('logistic', {
  dimension: n,
  samplesPerWorker: 150,
  testSamples: 0,
});
const tables = { 'train/inputs': train.inputs, 'train/targets': train.targets };
const runner = await openRunner({ runner: 'onnx', device: 'cpu', threads: 1 }, tables);
afterAll(() => runner.close());

function learnerOf(model: Model): Learner {
  return {
    model,
    layout: layoutOf(model.parameters),
    loss: losses['cross-entropy'],
    batch: { inputs: { shape: [null, n], dtype: 'float32' }, targets: { shape: [null], dtype: 'int32' } },
  };
}

describe('meanGradient', () => {
  it.each([1, 199, 200, 201, 440])('agrees with float64 sums over %i samples', async (count) => {
    const model = models.vector.build({}, { rowShape: [n], outputs });
    const definition = batchGradient(learnerOf(model));
    const parameters = Float32Array.from(drawNormals(streamOf('parameters'), n));
    // Every seventh sample, round and round: 450 and 7 have no common factor.
    const indices = Int32Array.from({ length: count }, (_, position) => (7 * position) % 450);
    const { loss, gradient } = await meanGradient(runner, definition, { parameters, indices });
    const expected = convex!(indices);
    expect(loss).toBeCloseTo(expected.value(Float64Array.from(parameters)), 5);
    expected.gradient(Float64Array.from(parameters)).forEach((slope, index) => {
      expect(gradient[index]).toBeCloseTo(slope, 5);
    });
  });

  it('is the slope of the loss of a network in any direction', async () => {
    const learner = learnerOf(models.mlp.build({ hidden: [8, 6] }, { rowShape: [n], outputs }));
    const [definition, evaluation] = [batchGradient(learner), batchEvaluation(learner)];
    const { count } = learner.layout;
    const indices = Int32Array.from({ length: 450 }, (_, index) => index);
    const parameters = Float32Array.from(drawNormals(streamOf('network'), count));
    const { gradient } = await meanGradient(runner, definition, { parameters, indices });
    const lossAt = async (step: number, direction: ArrayLike<number>): Promise<number> => {
      const moved = parameters.map((value, index) => value + step * direction[index]!);
      const { loss } = await evaluateSet(runner, evaluation, { parameters: moved, set: 'train', indices });
      return loss / indices.length;
    };
    for (let draw = 0; draw < 5; draw += 1) {
      const direction = drawNormals(streamOf(`direction/${draw}`), count);
      const slope = gradient.reduce((sum, value, index) => sum + value * direction[index]!, 0);
      // Rounding leaves an error of about 1e-7 / h, and the kinks of ReLU that lie in between one of about h.
      const h = 3e-4;
      const expected = ((await lossAt(h, direction)) - (await lossAt(-h, direction))) / (2 * h);
      expect(Math.abs(slope - expected)).toBeLessThan(2e-3 * Math.max(1, Math.abs(expected)));
    }
  });

  it('gives the same bits twice', async () => {
    const definition = batchGradient(learnerOf(models.softmax.build({}, { rowShape: [n], outputs })));
    const parameters = Float32Array.from(drawNormals(streamOf('bits'), n + 1));
    const indices = Int32Array.from({ length: 450 }, (_, index) => 449 - index);
    const first = await meanGradient(runner, definition, { parameters, indices });
    expect(await meanGradient(runner, definition, { parameters, indices })).toEqual(first);
  });
});

describe('distinctHoldings', () => {
  it('keeps each list once, with its workers', () => {
    const lists = [[4, 5], [1, 2], [4, 5], [1, 2, 3], [1, 2], [5, 4], [1]];
    const holdings = distinctHoldings(lists.map((list) => Int32Array.from(list)));
    expect(holdings.map(({ indices, workers }) => `${indices.join()}: ${workers.join()}`)).toEqual([
      '4,5: 0,2',
      '1,2: 1,4',
      '1,2,3: 3',
      '5,4: 5',
      '1: 6',
    ]);
  });
});
