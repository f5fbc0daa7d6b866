/**
 * A quadratic for each worker, f_j(z) = 1/2 (z - c_j)' D_j (z - c_j).
 *
 * With D_j = Q diag(d) Q' it is the squared-error loss of one sample under the model `vector`:
 *
 *     A_j = diag(sqrt(d)) Q'    b_j = A_j c_j    f_j(z) = 1/2 ||A_j z - b_j||^2
 *
 * A_j and b_j are float32; D_j = A_j' A_j is formed from the rounded A_j.
 */
import { z } from 'zod';
import type { ConvexFunction } from '../../compute/convex.js';
import { drawNormals, shuffle } from '../../kernel/draws.js';
import type { Stream } from '../../kernel/streams.js';
import type { DatasetRow } from '../dataset.js';
import { sampleSet, sharedBytes, tableOf } from '../sampleSet.js';

const options = z.object({
  dimension: z.int().min(1).max(1000).default(10).describe('Number n of variables, at most 1000; 10 by default'),
  condition: z
    .number()
    .min(1)
    .max(1e6)
    .default(10)
    .describe(
      "Ratio of the largest eigenvalue of each worker's Hessian, which is 1, to the smallest, at most 1e6; 10 by default",
    ),
  spread: z
    .number()
    .min(0)
    .max(1e6)
    .default(1)
    .describe("Standard deviation of the workers' minimisers about their common centre; 1 by default"),
  rotate: z
    .boolean()
    .default(true)
    .describe('Whether eigenvectors are random; false makes the Hessians diagonal; true by default'),
});

/** One quadratic, and so one training sample, a worker. */
export const quadratic: DatasetRow<typeof options> = {
  description: 'a random quadratic for each worker, whose minimum is known',
  options,
  load: async ({ dimension: n, condition, spread, rotate }, { workers, random }) => {
    const cause = { path: ['data', 'dimension'], remedy: 'choose a smaller dimension or fewer workers' };
    const A = new Float32Array(sharedBytes(4 * workers * n * n, cause));
    const b = new Float32Array(sharedBytes(4 * workers * n, cause));
    const D = new Float32Array(workers * n * n);
    const c = new Float32Array(workers * n);
    const centre = drawNormals(random('centre'), n);
    // A worker has its own streams: more workers leave the problems of the others as they are.
    for (let worker = 0; worker < workers; worker += 1) {
      const eigenvalues = shuffle(random(`eigenvalues/${worker}`), logSpaced(n, condition));
      const basis = rotate ? orthogonalRows(random(`rotation/${worker}`), n) : identity(n);
      const offsets = drawNormals(random(`offset/${worker}`), n);
      const centreOf = c.subarray(worker * n, (worker + 1) * n);
      centreOf.set(centre.map((value, index) => value + spread * offsets[index]!));
      const map = A.subarray(worker * n * n, (worker + 1) * n * n);
      map.set(basis.map((value, index) => Math.sqrt(eigenvalues[Math.floor(index / n)]!) * value));
      b.set(multiply(map, centreOf), worker * n);
      D.set(gram(map, n), worker * n * n);
    }
    return {
      train: sampleSet(tableOf(A, [n, n]), tableOf(b, [n])),
      outputs: n,
      classification: false,
      defaults: { loss: 'squared-error', model: 'vector', batchSize: 'full' },
      natural: Array.from({ length: workers }, (_, worker) => Int32Array.of(worker)),
      convex: (indices) => meanOfSquares({ A, b, n, indices }),
      problem: {
        D: { shape: [workers, n, n], values: D },
        c: { shape: [workers, n], values: c },
      },
    };
  },
};

/** z -> mean over `indices` of 1/2 ||A_j z - b_j||^2. */
function meanOfSquares(problem: { A: Float32Array; b: Float32Array; n: number; indices: Int32Array }): ConvexFunction {
  const { A, b, n, indices } = problem;
  const maps = Array.from(indices, (index) => A.subarray(index * n * n, (index + 1) * n * n));
  const residual = (z: Float64Array, position: number): Float64Array =>
    multiply(maps[position]!, z).map((value, row) => value - b[indices[position]! * n + row]!);
  const hessian = new Float64Array(n * n);
  for (const map of maps) gram(map, n).forEach((value, index) => (hessian[index]! += value / maps.length));
  return {
    dimension: n,
    value: (z) => {
      let sum = 0;
      for (let position = 0; position < maps.length; position += 1) {
        for (const value of residual(z, position)) sum += 0.5 * value * value;
      }
      return sum / maps.length;
    },
    gradient: (z) => {
      // mean of A_j' (A_j z - b_j)
      const gradient = new Float64Array(n);
      maps.forEach((map, position) => {
        residual(z, position).forEach((value, row) => {
          for (let column = 0; column < n; column += 1) {
            gradient[column]! += (map[row * n + column]! * value) / maps.length;
          }
        });
      });
      return gradient;
    },
    hessian: () => hessian.slice(),
  };
}

/** From 1/condition to 1, neighbours in a constant ratio; a single one is 1. */
function logSpaced(n: number, condition: number): Float64Array {
  return Float64Array.from({ length: n }, (_, k) => Math.exp((-Math.log(condition) * k) / Math.max(1, n - 1)));
}

function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, index) => (index % (n + 1) === 0 ? 1 : 0));
}

/** The rows of a random orthogonal matrix `[n, n]`: normal rows, each made orthogonal to those before it and of length 1. */
function orthogonalRows(stream: Stream, n: number): Float64Array {
  const matrix = drawNormals(stream, n * n);
  const rowOf = (row: number): Float64Array => matrix.subarray(row * n, (row + 1) * n);
  for (let row = 0; row < n; row += 1) {
    const vector = rowOf(row);
    // Once more, because the first pass leaves rounding errors that are large beside a short remainder.
    for (let pass = 0; pass < 2; pass += 1) {
      for (let earlier = 0; earlier < row; earlier += 1) {
        const other = rowOf(earlier);
        const product = dot(vector, other);
        for (let index = 0; index < n; index += 1) vector[index]! -= product * other[index]!;
      }
      const length = Math.sqrt(dot(vector, vector));
      for (let index = 0; index < n; index += 1) vector[index]! /= length;
    }
  }
  return matrix;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += a[index]! * b[index]!;
  return sum;
}

/** A x in float64, for A `[n, n]`. */
function multiply(A: Float32Array, x: Float32Array | Float64Array): Float64Array {
  const n = x.length;
  return Float64Array.from({ length: n }, (_, row) => {
    let sum = 0;
    for (let column = 0; column < n; column += 1) sum += A[row * n + column]! * x[column]!;
    return sum;
  });
}

/** A' A in float64, for A `[n, n]`. */
function gram(A: Float32Array, n: number): Float64Array {
  const product = new Float64Array(n * n);
  for (let row = 0; row < n; row += 1) {
    for (let i = 0; i < n; i += 1) {
      const left = A[row * n + i]!;
      if (left === 0) continue;
      for (let j = 0; j < n; j += 1) product[i * n + j]! += left * A[row * n + j]!;
    }
  }
  return product;
}
