import * as tf from '@tensorflow/tfjs';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import type { ConvexFunction } from '../../src/compute/convex.js';
import { readRows } from '../../src/compute/feeds.js';
import { sizeOf, type Table } from '../../src/compute/table.js';
import type { Dataset } from '../../src/learning/dataset.js';
import { losses } from '../../src/learning/losses.js';
import { models } from '../../src/learning/models.js';
import { loadDataset } from './refusals.js';
import { mean, streamOf } from './statistics.js';

/** The mean loss of samples as a run computes it: rows of tables, the model vector, the table of losses. */
function lossOfRun({ train, outputs, defaults }: Dataset, indices: Int32Array, z: Float64Array): number {
  const tensorOf = (table: Table): tf.Tensor => {
    const size = indices.length * sizeOf(table.rowShape);
    const target = table.dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
    readRows(table, indices, target);
    return tf.tensor(target, [indices.length, ...table.rowShape], table.dtype);
  };
  const model = models.vector.build({}, { rowShape: train.inputs.rowShape, outputs });
  const result = model.apply([tf.tensor1d(Float32Array.from(z))], tensorOf(train.inputs));
  return losses[defaults.loss].perSample(result, tensorOf(train.targets)).mean().dataSync()[0]!;
}

/** Central differences of `f`, each error about 1e-9. */
function differences(f: (z: Float64Array) => number, z: Float64Array): Float64Array {
  const h = 1e-5;
  return z.map((_, index) => {
    const shifted = (by: number) => f(z.map((value, other) => (other === index ? value + by : value)));
    return (shifted(h) - shifted(-h)) / (2 * h);
  });
}

function expectDerivatives(f: ConvexFunction, z: Float64Array): void {
  const gradient = f.gradient(z);
  differences(f.value, z).forEach((slope, index) => expect(gradient[index]!).toBeCloseTo(slope, 7));
  const hessian = f.hessian(z);
  for (let row = 0; row < z.length; row += 1) {
    const expected = differences((point) => f.gradient(point)[row]!, z);
    expected.forEach((slope, column) => expect(hessian[row * z.length + column]!).toBeCloseTo(slope, 7));
  }
}

function pointOf(n: number): Float64Array {
  const stream = streamOf('point');
  return Float64Array.from({ length: n }, () => 2 * stream.double() - 1);
}

/** D_j of problem.safetensors. */
function hessianOf({ problem }: Dataset, worker: number): Matrix {
  const { values, shape } = problem!.D!;
  const n = shape[1]!;
  return Matrix.from1DArray(n, n, values.subarray(worker * n * n, (worker + 1) * n * n));
}

describe('quadratic', () => {
  it('gives each worker one sample, and is described by D and c', async () => {
    const data = await loadDataset('quadratic', { dimension: 6 }, { workers: 3 });
    expect(data.train.inputs.rowShape).toEqual([6, 6]);
    expect(data.train.targets.rowShape).toEqual([6]);
    expect(data.natural!.map((indices) => [...indices])).toEqual([[0], [1], [2]]);
    expect(data.problem!.D!.shape).toEqual([3, 6, 6]);
    expect(data.problem!.c!.shape).toEqual([3, 6]);
    expect({
      count: data.train.count,
      outputs: data.outputs,
      classification: data.classification,
      test: data.test,
    }).toEqual({ count: 3, outputs: 6, classification: false, test: undefined });
  });

  it('its loss is 1/2 (z - c)^T D (z - c), in a run and in float64', async () => {
    const data = await loadDataset('quadratic', { dimension: 6, condition: 50 }, { workers: 3 });
    const z = pointOf(6);
    for (let worker = 0; worker < 3; worker += 1) {
      const c = data.problem!.c!.values.subarray(worker * 6, (worker + 1) * 6);
      const difference = Matrix.columnVector(z.map((value, index) => value - c[index]!));
      const expected = difference.transpose().mmul(hessianOf(data, worker)).mmul(difference).get(0, 0) / 2;
      const indices = Int32Array.of(worker);
      expect(data.convex!(indices).value(z) / expected).toBeCloseTo(1, 6);
      expect(lossOfRun(data, indices, z) / expected).toBeCloseTo(1, 5);
    }
  });

  it.each([true, false])('eigenvalues run from 1/condition to 1 in equal ratios (rotate: %s)', async (rotate) => {
    const data = await loadDataset('quadratic', { dimension: 5, condition: 16, rotate }, { workers: 2 });
    for (let worker = 0; worker < 2; worker += 1) {
      const D = hessianOf(data, worker);
      const eigenvalues = [...new EigenvalueDecomposition(D).realEigenvalues].sort((a, b) => a - b);
      [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1].forEach((value, index) => expect(eigenvalues[index]!).toBeCloseTo(value, 6));
      const offDiagonal = Matrix.sub(D, Matrix.diag(D.diagonal())).norm();
      if (rotate) expect(offDiagonal).toBeGreaterThan(0.1);
      else expect(offDiagonal).toBe(0);
    }
  });

  it('spread is the standard deviation of the minimisers about their centre', async () => {
    const workers = 200;
    const data = await loadDataset('quadratic', { dimension: 20, spread: 3 }, { workers });
    const c = data.problem!.c!.values;
    const squares: number[] = [];
    for (let column = 0; column < 20; column += 1) {
      const values = Array.from({ length: workers }, (_, worker) => c[worker * 20 + column]!);
      const centre = mean(values);
      squares.push(...values.map((value) => (value - centre) * (value - centre) * (workers / (workers - 1))));
    }
    // 4,000 squares of variance 2 * 81: the mean errs by 0.2.
    expect(Math.abs(mean(squares) - 9)).toBeLessThan(0.8);
    const alike = (await loadDataset('quadratic', { dimension: 2, spread: 0 }, { workers: 2 })).problem!.c!.values;
    expect([...alike.subarray(0, 2)]).toEqual([...alike.subarray(2)]);
  });

  it('one dimension has the eigenvalue 1', async () => {
    const data = await loadDataset('quadratic', { dimension: 1, condition: 9 });
    expect([...data.problem!.D!.values].map((value) => Number(value.toFixed(6)))).toEqual([1, 1, 1, 1]);
  });

  it('more workers leave the problems of the others as they are', async () => {
    const few = await loadDataset('quadratic', {}, { workers: 2 });
    const more = await loadDataset('quadratic', {}, { workers: 5 });
    for (const key of ['D', 'c']) {
      const { values } = few.problem![key]!;
      expect(values).toEqual(more.problem![key]!.values.slice(0, values.length));
    }
    const other = await loadDataset('quadratic', {}, { workers: 2, seed: 8 });
    expect(other.problem!.c!.values).not.toEqual(few.problem!.c!.values);
  });

  it('derivatives agree with finite differences', async () => {
    const data = await loadDataset('quadratic', { dimension: 4 });
    expectDerivatives(data.convex!(Int32Array.of(0, 2, 3)), pointOf(4));
  });
});

describe('logistic', () => {
  it('gives each worker its samples, and a test set of the mixture', async () => {
    const data = await loadDataset('logistic', { dimension: 3, samplesPerWorker: 5, testSamples: 7 }, { workers: 2 });
    expect(data.natural!.map((indices) => [...indices])).toEqual([
      [0, 1, 2, 3, 4],
      [5, 6, 7, 8, 9],
    ]);
    expect(data.train.inputs).toMatchObject({ rowShape: [3], dtype: 'float32' });
    expect(data.train.targets).toMatchObject({ rowShape: [], dtype: 'int32' });
    expect([data.train.count, data.test!.count, data.outputs, data.classification]).toEqual([10, 7, 1, true]);
    expect([...data.problem!.labels!.values]).toEqual([...data.train.targets.values]);
    expect([...data.problem!.features!.values]).toEqual([...data.train.inputs.values]);
    expect((await loadDataset('logistic', { testSamples: 0 })).test).toBeUndefined();
  });

  it('the convex function is the loss of a run', async () => {
    const data = await loadDataset('logistic', {});
    const z = pointOf(10);
    const indices = Int32Array.of(3, 500, 17, 799);
    expect(data.convex!(indices).value(z)).toBeCloseTo(lossOfRun(data, indices, z), 6);
  });

  it('is -log sigmoid(s x z) for one sample, also where exp overflows', async () => {
    const data = await loadDataset('logistic', { dimension: 1, samplesPerWorker: 1 }, { workers: 1 });
    const s = data.train.targets.values[0] === 1 ? 1 : -1;
    const x = data.train.inputs.values[0]!;
    const f = data.convex!(Int32Array.of(0));
    expect(f.value(Float64Array.of(0.7 / x))).toBeCloseTo(Math.log(1 + Math.exp(-s * 0.7)), 14);
    expect(f.value(Float64Array.of((-s * 1e4) / x))).toBeCloseTo(1e4, 6);
    expect(f.value(Float64Array.of((s * 1e4) / x))).toBe(0);
  });

  it('derivatives agree with finite differences', async () => {
    const data = await loadDataset('logistic', { dimension: 4 });
    expectDerivatives(data.convex!(data.natural![1]!), pointOf(4));
  });

  it('labels follow the logistic model: without heterogeneity the score at the true parameter is centred', async () => {
    const data = await loadDataset('logistic', { samplesPerWorker: 5000, heterogeneity: 0 });
    const parameter = streamOf('parameter');
    // The common parameter is the first draw of its stream; Box and Muller by hand.
    const theta = Float64Array.from({ length: 10 }, () => {
      const radius = Math.sqrt(-2 * Math.log(1 - parameter.double()));
      return radius * Math.cos(2 * Math.PI * parameter.double());
    });
    const f = data.convex!(Int32Array.from({ length: data.train.count }, (_, index) => index));
    // The score has the covariance hessian / N, so N g' H^-1 g is chi-square with 10 degrees: 29.588 at 0.999.
    const g = Matrix.columnVector(f.gradient(theta));
    const H = Matrix.from1DArray(10, 10, f.hessian(theta));
    expect(data.train.count * scoreStatistic(H, g)).toBeLessThan(29.588);
  });

  it('heterogeneity moves feature means apart, and 0 leaves them at zero', async () => {
    const meansOf = async (heterogeneity: number): Promise<number[]> => {
      const keys = { dimension: 2, samplesPerWorker: 10_000, heterogeneity };
      const { train } = await loadDataset('logistic', keys, { workers: 2 });
      return [0, 1].map((worker) => mean(train.inputs.values.subarray(worker * 20_000, (worker + 1) * 20_000)));
    };
    // A mean of 20,000 standard normal numbers errs by 0.007.
    for (const value of await meansOf(0)) expect(Math.abs(value)).toBeLessThan(0.03);
    const [first, second] = await meansOf(3);
    expect(Math.abs(first! - second!)).toBeGreaterThan(0.1);
  });
});

function scoreStatistic(H: Matrix, g: Matrix): number {
  const { eigenvectorMatrix: V, realEigenvalues } = new EigenvalueDecomposition(H, { assumeSymmetric: true });
  const rotated = V.transpose().mmul(g).to1DArray();
  return rotated.reduce((sum, value, index) => sum + (value * value) / realEigenvalues[index]!, 0);
}
