import fc from 'fast-check';
import { Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import type { ConvexFunction } from '../../src/compute/convex.js';
import { BadInput } from '../../src/conditions.js';
import { drawNormals } from '../../src/kernel/draws.js';
import { Streams } from '../../src/kernel/streams.js';
import { coupledValue, minimiseCoupled } from '../../src/optimization/minimum.js';

/** 1/2 (z - c)' D (z - c) */
function quadratic(D: Matrix, c: readonly number[]): ConvexFunction {
  const difference = (z: Float64Array): Matrix => Matrix.columnVector(z.map((value, index) => value - c[index]!));
  return {
    dimension: c.length,
    value: (z) => difference(z).dot(D.mmul(difference(z))) / 2,
    gradient: (z) => Float64Array.from(D.mmul(difference(z)).to1DArray()),
    hessian: () => Float64Array.from(D.to1DArray()),
  };
}

/** The mean of log(1 + exp(-x' z)) over rows x. */
function logistic(rows: readonly (readonly number[])[]): ConvexFunction {
  const n = rows[0]!.length;
  const margin = (x: readonly number[], z: Float64Array): number =>
    x.reduce((sum, value, index) => sum + value * z[index]!, 0);
  const weight = (x: readonly number[], z: Float64Array): number => 1 / (1 + Math.exp(margin(x, z)));
  const average = (f: (x: readonly number[]) => number): number => rows.reduce((sum, x) => sum + f(x), 0) / rows.length;
  return {
    dimension: n,
    value: (z) => average((x) => Math.log1p(Math.exp(-margin(x, z)))),
    gradient: (z) => Float64Array.from({ length: n }, (_, i) => average((x) => -weight(x, z) * x[i]!)),
    hessian: (z) =>
      Float64Array.from({ length: n * n }, (_, index) =>
        average((x) => weight(x, z) * (1 - weight(x, z)) * x[Math.floor(index / n)]! * x[index % n]!),
      ),
  };
}

const stream = new Streams(7).stream('test', 'minimum');

function randomQuadratics(workers: number, n: number): { D: Matrix; c: number[] }[] {
  return Array.from({ length: workers }, () => {
    const root = Matrix.from1DArray(n, n, drawNormals(stream, n * n));
    return { D: root.transpose().mmul(root), c: [...drawNormals(stream, n)] };
  });
}

describe('minimiseCoupled', () => {
  it.each([1e-3, 1, 1e6])('solves the full linear system of quadratics, coupling %f', (rho) => {
    const [M, n, nu] = [3, 4, 0.01];
    const parts = randomQuadratics(M, n);
    // All unknowns (u, z_0, ..., z_2) at once: M rho u - rho sum z_j = 0, (D_j + nu + rho) z_j - rho u = D_j c_j.
    const size = (M + 1) * n;
    const A = Matrix.zeros(size, size);
    const b = Matrix.zeros(size, 1);
    A.setSubMatrix(Matrix.eye(n, n, M * rho), 0, 0);
    parts.forEach(({ D, c }, worker) => {
      const at = (worker + 1) * n;
      A.setSubMatrix(Matrix.add(D, Matrix.eye(n, n, nu + rho)), at, at);
      A.setSubMatrix(Matrix.eye(n, n, -rho), 0, at);
      A.setSubMatrix(Matrix.eye(n, n, -rho), at, 0);
      b.setSubMatrix(D.mmul(Matrix.columnVector(c)), at, 0);
    });
    const expected = solve(A, b).to1DArray();
    const functions = parts.map(({ D, c }) => quadratic(D, c));
    const { u, z } = minimiseCoupled({ functions, regularization: nu, coupling: rho });
    const found = [...u, ...z.flatMap((zj) => [...zj])];
    const digits = rho > 1 ? 7 : 10;
    found.forEach((value, index) => expect(value).toBeCloseTo(expected[index]!, digits));
  });

  it('finds the value of two scalar parabolas in closed form', () => {
    // 1/2 (z - 1)^2 and 1/2 (z + 3)^2 with rho = 2: u = -1 and z = -1 +- 2/3, so each difference to c is 4/3.
    const functions = [quadratic(Matrix.eye(1), [1]), quadratic(Matrix.eye(1), [-3])];
    const { u, z, value } = minimiseCoupled({ functions, regularization: 0, coupling: 2 });
    expect(u[0]).toBeCloseTo(-1, 14);
    expect(z[0]![0]).toBeCloseTo(-1 / 3, 14);
    expect(z[1]![0]).toBeCloseTo(-5 / 3, 14);
    // 2 (1/2 (4/3)^2 + 1/2 2 (2/3)^2) = 16/9 + 8/9
    expect(value).toBeCloseTo(8 / 3, 14);
  });

  it('finds the regularised logistic minimum that bisection finds', () => {
    // One worker: u = z, and nu z = 1 / (1 + exp(z)).
    const nu = 0.1;
    let [low, high] = [0, 10];
    for (let step = 0; step < 60; step += 1) {
      const middle = (low + high) / 2;
      if (nu * middle < 1 / (1 + Math.exp(middle))) low = middle;
      else high = middle;
    }
    const { u, z } = minimiseCoupled({ functions: [logistic([[1]])], regularization: nu, coupling: 5 });
    expect(u[0]).toBeCloseTo(low, 12);
    expect(z[0]![0]).toBeCloseTo(low, 12);
  });

  it.each([1e-4, 1, 1e8])('no point near the minimum of logistic losses is lower, coupling %f', (rho) => {
    const functions = Array.from({ length: 3 }, () =>
      logistic(Array.from({ length: 20 }, () => [...drawNormals(stream, 3)])),
    );
    const problem = { functions, regularization: 1e-3, coupling: rho };
    const { u, z, value } = minimiseCoupled(problem);
    expect(value).toBe(coupledValue(problem, { u, z }));
    const step = fc.double({ min: -1, max: 1, noNaN: true });
    const steps = fc.tuple(fc.array(step, { minLength: 12, maxLength: 12 }), fc.constantFrom(1e-1, 1e-3, 1e-5));
    fc.assert(
      fc.property(steps, fc.boolean(), ([by, size], together) => {
        const along = (from: Float64Array, offset: number): Float64Array =>
          from.map((x, index) => x + size * by[offset + index]!);
        // Together: all copies move alike, which costs no coupling.
        const moved = { u: along(u, 0), z: z.map((zj, worker) => along(zj, together ? 0 : 3 * (worker + 1))) };
        expect(coupledValue(problem, moved)).toBeGreaterThanOrEqual(value - 1e-13);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('finds the minimum from a start where full Newton steps diverge', () => {
    // sqrt(1 + (z - 20)^2): from 0 the Newton step overshoots to 8000, and the next ones further.
    const f: ConvexFunction = {
      dimension: 1,
      value: ([z]) => Math.sqrt(1 + (z! - 20) * (z! - 20)),
      gradient: ([z]) => Float64Array.of((z! - 20) / Math.sqrt(1 + (z! - 20) * (z! - 20))),
      hessian: ([z]) => {
        const root = Math.sqrt(1 + (z! - 20) * (z! - 20));
        return Float64Array.of(1 / (root * root * root));
      },
    };
    const { u, value } = minimiseCoupled({ functions: [f, f], regularization: 0, coupling: 1 });
    expect(u[0]).toBeCloseTo(20, 9);
    expect(value).toBeCloseTo(2, 14);
  });

  it('finds the value also where the minimiser is not unique', () => {
    // (z_0 + z_1 - 3)^2 / 2 leaves one direction free.
    const free = quadratic(
      new Matrix([
        [1, 1],
        [1, 1],
      ]),
      [3, 0],
    );
    expect(minimiseCoupled({ functions: [free, free], regularization: 0, coupling: 1 }).value).toBeCloseTo(0, 12);
  });

  it('refuses a function without a minimum', () => {
    const linear: ConvexFunction = {
      dimension: 1,
      value: ([z]) => z!,
      gradient: () => Float64Array.of(1),
      hessian: () => Float64Array.of(0),
    };
    const call = () => minimiseCoupled({ functions: [linear], regularization: 0, coupling: 1 });
    expect(call).toThrow(BadInput);
    expect(call).toThrow(/^the minimum of F was not found in 100 Newton steps/);
  });
});
