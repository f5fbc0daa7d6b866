/**
 * The minimum of the coupled problem with a quadratic potential, in float64:
 *
 *     F(u, z) = sum_j [ f_j(z_j) + (nu/2) ||z_j||^2 + (rho/2) ||u - z_j||^2 ]
 *
 * (rho = 2/(lambda eta^2) for the potential quad) by damped Newton steps. With K_j = f_j'' + nu I and
 * H_j = K_j + rho I, eliminating the z_j leaves for u the Schur complement
 *
 *     S = M rho I - rho^2 sum_j H_j^-1 = rho sum_j H_j^-1 K_j
 *
 * of which the second form is used: the first cancels where rho is large.
 */
import { LuDecomposition, Matrix } from 'ml-matrix';
import type { ConvexFunction } from '../compute/convex.js';
import { BadInput } from '../conditions.js';

export interface CoupledProblem {
  /** f_j, all of one dimension n. */
  readonly functions: readonly ConvexFunction[];
  /** nu */
  readonly regularization: number;
  /** rho > 0 */
  readonly coupling: number;
}

/** A point of the coupled problem: u `[n]` and z_j `[n]` for each worker. */
export interface CoupledPoint {
  readonly u: Float64Array;
  readonly z: readonly Float64Array[];
}

/** F(u, z). */
export function coupledValue(problem: CoupledProblem, { u, z }: CoupledPoint): number {
  const { functions, regularization, coupling } = problem;
  return functions.reduce((sum, f, worker) => {
    const zj = z[worker]!;
    const difference = u.map((value, index) => value - zj[index]!);
    return sum + f.value(zj) + (regularization / 2) * dot(zj, zj) + (coupling / 2) * dot(difference, difference);
  }, 0);
}

const iterationsMax = 100;
const tolerance = 1e-12;

/**
 * Minimises F over u and all z_j, to a gradient norm of 1e-12 relative to the gradient at zero and to the coupling
 * terms that cancel in it. Throws BadInput where 100 iterations do not suffice.
 */
export function minimiseCoupled(problem: CoupledProblem): CoupledPoint & { readonly value: number } {
  const { functions, regularization, coupling } = problem;
  const n = functions[0]!.dimension;
  let point: CoupledPoint = { u: new Float64Array(n), z: functions.map(() => new Float64Array(n)) };
  let value = coupledValue(problem, point);
  const startNorm = norm(gradientOf(problem, point));
  for (let iteration = 0; iteration < iterationsMax; iteration += 1) {
    const gradient = gradientOf(problem, point);
    const direction = newtonDirection(problem, point, gradient);
    // What rounding may do to the value.
    const room = 1e-14 * Math.abs(value);
    // The step that follows a small enough gradient still squares the error: it is taken, undamped, and is the last.
    const scale = startNorm + (regularization + coupling) * norm(point);
    if (norm(gradient) <= tolerance * scale) {
      const last = moved(point, direction, 1);
      const lastValue = coupledValue(problem, last);
      return lastValue <= value + room ? { ...last, value: lastValue } : { ...point, value };
    }
    // Armijo's rule.
    const slope = inner(gradient, direction);
    let step = 1;
    let next = moved(point, direction, step);
    while (!(coupledValue(problem, next) <= value + 1e-4 * step * slope + room) && step > 1e-12) {
      step /= 2;
      next = moved(point, direction, step);
    }
    point = next;
    value = coupledValue(problem, point);
  }
  throw new BadInput(
    `the minimum of F was not found in ${iterationsMax} Newton steps (gradient norm ${norm(gradientOf(problem, point)).toExponential(1)})`,
    {
      path: ['monitor', 'measures'],
      remedy: 'raise algorithm.regularization, or leave out optimality_gap',
    },
  );
}

function gradientOf({ functions, regularization, coupling }: CoupledProblem, { u, z }: CoupledPoint): CoupledPoint {
  const gradientU = new Float64Array(u.length);
  const gradientZ = functions.map((f, worker) => {
    const zj = z[worker]!;
    return f.gradient(zj).map((slope, index) => {
      const force = coupling * (u[index]! - zj[index]!);
      gradientU[index]! += force;
      return slope + regularization * zj[index]! - force;
    });
  });
  return { u: gradientU, z: gradientZ };
}

/** The solution d of F'' d = -gradient. */
function newtonDirection(problem: CoupledProblem, { z }: CoupledPoint, gradient: CoupledPoint): CoupledPoint {
  const { functions, regularization, coupling } = problem;
  const n = gradient.u.length;
  const schur = Matrix.zeros(n, n);
  const right = Matrix.columnVector(gradient.u).neg();
  const solvers = functions.map((f, worker) => {
    const K = Matrix.from1DArray(n, n, f.hessian(z[worker]!)).add(Matrix.eye(n, n, regularization));
    const H = new LuDecomposition(Matrix.add(K, Matrix.eye(n, n, coupling)));
    schur.add(H.solve(K).mul(coupling));
    right.sub(H.solve(Matrix.columnVector(gradient.z[worker]!)).mul(coupling));
    return H;
  });
  // A hint of a ridge: where the minimiser is not unique the complement is singular, and any minimiser will do.
  const ridge = 1e-14 * (schur.trace() / n) + Number.MIN_VALUE;
  const du = new LuDecomposition(schur.add(Matrix.eye(n, n, ridge))).solve(right);
  const dz = solvers.map((H, worker) =>
    Float64Array.from(H.solve(Matrix.mul(du, coupling).sub(Matrix.columnVector(gradient.z[worker]!))).to1DArray()),
  );
  return { u: Float64Array.from(du.to1DArray()), z: dz };
}

function moved({ u, z }: CoupledPoint, direction: CoupledPoint, step: number): CoupledPoint {
  const along = (from: Float64Array, by: Float64Array): Float64Array =>
    from.map((value, index) => value + step * by[index]!);
  return { u: along(u, direction.u), z: z.map((zj, worker) => along(zj, direction.z[worker]!)) };
}

function inner(a: CoupledPoint, b: CoupledPoint): number {
  return a.z.reduce((sum, zj, worker) => sum + dot(zj, b.z[worker]!), dot(a.u, b.u));
}

function norm(point: CoupledPoint): number {
  return Math.sqrt(inner(point, point));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}
