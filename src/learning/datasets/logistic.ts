/**
 * Binary logistic regression on data that differ from worker to worker. Worker j has the parameter theta_j and
 * the feature mean m_j; with h the heterogeneity and xi standard normal,
 *
 *     theta_j = theta + h xi    m_j = h xi    x = m_j + xi    P(label 1 | x) = 1 / (1 + exp(-theta_j' x))
 *
 * The loss of z is log(1 + exp(-s x' z)), with s = 1 for label 1 and -1 for label 0.
 */
import { z } from 'zod';
import type { ConvexFunction } from '../../compute/convex.js';
import { drawNormal, drawNormals } from '../../kernel/draws.js';
import { drawIndex, type Stream } from '../../kernel/streams.js';
import type { DatasetRow, SampleSet } from '../dataset.js';
import { sampleSet, sharedBytes, tableOf } from '../sampleSet.js';

const options = z.object({
  dimension: z.int().min(1).max(1000).default(10).describe('Number n of features, at most 1000; 10 by default'),
  samplesPerWorker: z.int().min(1).default(200).describe('Number of training samples of each worker; 200 by default'),
  heterogeneity: z
    .number()
    .min(0)
    .max(1000)
    .default(1)
    .describe(
      "Standard deviation of the workers' parameters and feature means; 0 makes all workers alike; 1 by default",
    ),
  testSamples: z
    .int()
    .min(0)
    .default(1000)
    .describe('Number of test samples, each of a worker drawn at random; 0 for no test set; 1000 by default'),
});

/** One law of features and labels. */
interface Law {
  readonly parameter: Float64Array;
  readonly mean: Float64Array;
}

/** Samples of every worker one after the other: worker j has samples j s ... (j + 1) s - 1. */
export const logistic: DatasetRow<typeof options> = {
  description: 'synthetic binary logistic regression, whose minimum can be found exactly',
  options,
  load: async ({ dimension: n, samplesPerWorker, heterogeneity, testSamples }, { workers, random }) => {
    const common = drawNormals(random('parameter'), n);
    const laws = Array.from({ length: workers }, (_, worker): Law => {
      const parameters = drawNormals(random(`parameter/${worker}`), n);
      return {
        parameter: common.map((value, index) => value + heterogeneity * parameters[index]!),
        mean: drawNormals(random(`mean/${worker}`), n).map((value) => heterogeneity * value),
      };
    });
    // A worker has its own streams: more workers leave the data of the others as they are.
    const train = drawSet(n, workers * samplesPerWorker, (sample) => {
      const worker = Math.floor(sample / samplesPerWorker);
      return { law: laws[worker]!, stream: random(`samples/${worker}`) };
    });
    const testStream = random('test');
    const test = drawSet(n, testSamples, () => ({ law: laws[drawIndex(testStream, workers)]!, stream: testStream }));
    const features = train.inputs.values as Float32Array;
    const labels = train.targets.values as Int32Array;
    return {
      train,
      ...(testSamples > 0 && { test }),
      outputs: 1,
      classification: true,
      defaults: { loss: 'cross-entropy', model: 'vector' },
      natural: Array.from({ length: workers }, (_, worker) =>
        Int32Array.from({ length: samplesPerWorker }, (_, sample) => worker * samplesPerWorker + sample),
      ),
      convex: (indices) => meanLogisticLoss({ features, labels, n, indices }),
      problem: {
        features: { shape: [train.count, n], values: features },
        labels: { shape: [train.count], values: Float32Array.from(labels) },
      },
    };
  },
};

/** `count` samples, each of the law and from the stream that `source` names. */
function drawSet(n: number, count: number, source: (sample: number) => { law: Law; stream: Stream }): SampleSet {
  const cause = { path: ['data', 'dimension'], remedy: 'choose a smaller dimension or fewer samples' };
  const features = new Float32Array(sharedBytes(4 * count * n, cause));
  const labels = new Int32Array(sharedBytes(4 * count, cause));
  for (let sample = 0; sample < count; sample += 1) {
    const { law, stream } = source(sample);
    let margin = 0;
    for (let index = 0; index < n; index += 1) {
      features[sample * n + index] = law.mean[index]! + drawNormal(stream);
      margin += features[sample * n + index]! * law.parameter[index]!;
    }
    labels[sample] = stream.double() < sigmoid(margin) ? 1 : 0;
  }
  return sampleSet(tableOf(features, [n]), tableOf(labels, []));
}

/** z -> mean over `indices` of log(1 + exp(-s x' z)). */
function meanLogisticLoss(data: {
  features: Float32Array;
  labels: Int32Array;
  n: number;
  indices: Int32Array;
}): ConvexFunction {
  const { features, labels, n, indices } = data;
  const count = indices.length;
  /** Calls `use` with each sample's row offset and its margin s x' z, and s. */
  const each = (z: Float64Array, use: (offset: number, margin: number, sign: number) => void): void => {
    for (const index of indices) {
      const offset = index * n;
      const sign = labels[index] === 1 ? 1 : -1;
      let product = 0;
      for (let k = 0; k < n; k += 1) product += features[offset + k]! * z[k]!;
      use(offset, sign * product, sign);
    }
  };
  return {
    dimension: n,
    value: (z) => {
      let sum = 0;
      each(z, (_, margin) => (sum += Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin)))));
      return sum / count;
    },
    gradient: (z) => {
      // mean of -s sigmoid(-margin) x
      const gradient = new Float64Array(n);
      each(z, (offset, margin, sign) => {
        const factor = (-sign * sigmoid(-margin)) / count;
        for (let k = 0; k < n; k += 1) gradient[k]! += factor * features[offset + k]!;
      });
      return gradient;
    },
    hessian: (z) => {
      // mean of sigmoid(margin) sigmoid(-margin) x x'
      const hessian = new Float64Array(n * n);
      each(z, (offset, margin) => {
        const factor = (sigmoid(margin) * sigmoid(-margin)) / count;
        for (let i = 0; i < n; i += 1) {
          const left = factor * features[offset + i]!;
          for (let k = 0; k < n; k += 1) hessian[i * n + k]! += left * features[offset + k]!;
        }
      });
      return hessian;
    },
  };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
