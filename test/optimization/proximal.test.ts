import { describe, expect, it } from 'vitest';
import { solveProximal, type Evaluated, type Oracle, type ProximalOptions } from '../../src/optimization/proximal.js';

/** A function in float64 of the float32 vector x, with a reference of 1: the tolerance is that of the gradient. */
interface Problem {
  readonly value: (x: Float64Array) => number;
  readonly gradient: (x: Float64Array) => readonly number[];
  readonly inDomain?: (x: Float64Array) => boolean;
  readonly reference?: (x: Float64Array) => number;
}

function oracleOf({ value, gradient, inDomain = () => true, reference = () => 1 }: Problem): Oracle<Evaluated> {
  return async (x) => {
    const point = Float64Array.from(x);
    if (!inDomain(point)) return undefined;
    return { value: value(point), gradient: Float64Array.from(gradient(point)), reference: reference(point) };
  };
}

async function solve(
  problem: Problem,
  from: readonly number[],
  options: Partial<Omit<ProximalOptions<Evaluated>, 'start'>> = {},
) {
  const evaluate = oracleOf(problem);
  const x = Float32Array.from(from);
  const start = { x, point: (await evaluate(x))! };
  return solveProximal(evaluate, { start, curvature: 1, tolerance: 1e-4, iterations: 200, ...options });
}

const normOf = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));

const rosenbrock: Problem = {
  value: ([a, b]) => (1 - a!) * (1 - a!) + 100 * (b! - a! * a!) * (b! - a! * a!),
  gradient: ([a, b]) => [-2 * (1 - a!) - 400 * a! * (b! - a! * a!), 200 * (b! - a! * a!)],
};

/** offset + 1/2 sum_i d_i (x_i - i)^2 with d_i from 1 to `condition`. */
function parabola(n: number, condition: number, offset = 0): Problem {
  const d = Array.from({ length: n }, (_, i) => Math.exp((Math.log(condition) * i) / (n - 1)));
  return {
    value: (x) => offset + x.reduce((sum, xi, i) => sum + (d[i]! * (xi - i) * (xi - i)) / 2, 0),
    gradient: (x) => d.map((di, i) => di * (x[i]! - i)),
  };
}

describe('solveProximal', () => {
  it('follows the valley of Rosenbrock', async () => {
    const { x, ended, iterations } = await solve(rosenbrock, [-1.2, 1], { tolerance: 1e-3 });
    expect(ended).toBe('tolerance');
    expect(x[0]).toBeCloseTo(1, 3);
    expect(x[1]).toBeCloseTo(1, 3);
    // Steepest descent needs thousands.
    expect(iterations).toBeLessThan(60);
  });

  it('solves a parabola of condition 1e4 in as many steps as another L-BFGS', async () => {
    const { x, ended, iterations } = await solve(parabola(20, 1e4), new Array<number>(20).fill(-3), {
      tolerance: 5e-2,
      iterations: 400,
    });
    expect(ended).toBe('tolerance');
    // ||x - x*|| <= ||gradient|| / 1
    expect(normOf(x.map((value, i) => value - i))).toBeLessThan(5e-2);
    // scipy.optimize.minimize(method='L-BFGS-B', options={'maxcor': 10}) on a like problem, x* = cos(i): 285 steps.
    expect(iterations).toBeLessThan(330);
  });

  it.each([1e-6, 1e-3, 1e3, 1e6])('does not depend on the scale of the first step, curvature %f', async (curvature) => {
    const { x, ended, evaluations } = await solve(parabola(5, 10), [9, 9, 9, 9, 9], { curvature });
    expect(ended).toBe('tolerance');
    expect(normOf(x.map((value, i) => value - i))).toBeLessThan(1e-4);
    expect(evaluations).toBeLessThan(50);
  });

  it('leaves a hill in a few long steps, though its curvature is negative', async () => {
    // x^4/4 - x^2/2: a hill at 0 between valleys at -1 and 1.
    const hill: Problem = {
      value: ([x]) => (x! * x! * x! * x!) / 4 - (x! * x!) / 2,
      gradient: ([x]) => [x! * x! * x! - x!],
    };
    const { x, ended, evaluations } = await solve(hill, [0.01], { curvature: 1e6 });
    expect(ended).toBe('tolerance');
    expect(x[0]).toBeCloseTo(1, 3);
    expect(evaluations).toBeLessThan(30);
  });

  it('keeps inside a barrier that full steps jump over', async () => {
    // c'x - sum log(1 - x_i^2): c_i + 2 x / (1 - x^2) = 0 where x = (1 - sqrt(1 + c^2)) / c.
    const c = [100, -3, 0.5];
    let refused = 0;
    const barrier: Problem = {
      value: (x) => x.reduce((sum, xi, i) => sum + c[i]! * xi - Math.log(1 - xi * xi), 0),
      gradient: (x) => c.map((ci, i) => ci + (2 * x[i]!) / (1 - x[i]! * x[i]!)),
      inDomain: (x) => {
        const inside = x.every((xi) => Math.abs(xi) < 1);
        if (!inside) refused += 1;
        return inside;
      },
    };
    const { x, ended } = await solve(barrier, [0, 0, 0], { curvature: 2, tolerance: 1e-2 });
    expect(ended).toBe('tolerance');
    expect(refused).toBeGreaterThan(0);
    c.forEach((ci, i) => {
      // The curvature is at least 2.
      expect(Math.abs(x[i]! - (1 - Math.sqrt(1 + ci * ci)) / ci)).toBeLessThan(5e-3);
    });
  });

  it('takes a value of infinity or NaN for a point outside', async () => {
    const inside: Problem = {
      value: ([x]) => 100 * x! - Math.log(1 - x! * x!),
      gradient: ([x]) => [100 + (2 * x!) / (1 - x! * x!)],
    };
    const { x, ended } = await solve(inside, [0], { curvature: 2, tolerance: 1e-1 });
    expect(ended).toBe('tolerance');
    expect(x[0]).toBeCloseTo((1 - Math.sqrt(10_001)) / 100, 4);
  });

  it('stops at the first point whose gradient is small against the reference', async () => {
    const problem: Problem = {
      ...parabola(20, 100),
      // Far from the start the reference is large.
      reference: (x) => normOf(x),
    };
    const seen: { gradient: number; reference: number }[] = [];
    const evaluate = oracleOf(problem);
    const x = new Float32Array(20);
    const tolerance = 0.05;
    const result = await solveProximal(evaluate, {
      start: { x, point: (await evaluate(x))! },
      curvature: 100,
      tolerance,
      iterations: 100,
    });
    for (let limit = 0; limit <= result.iterations; limit += 1) {
      const { point } = await solve(problem, [...x], { curvature: 100, tolerance, iterations: limit });
      seen.push({ gradient: normOf(point.gradient), reference: point.reference });
    }
    expect(result.ended).toBe('tolerance');
    const small = seen.map(({ gradient, reference }) => gradient <= tolerance * reference);
    expect(small.indexOf(true)).toBe(result.iterations);
    expect(result.iterations).toBeGreaterThan(2);
  });

  it('stays at a start without a gradient, whatever the reference', async () => {
    const problem = { ...parabola(3, 2), reference: () => 0 };
    const { x, ended, evaluations } = await solve(problem, [0, 1, 2]);
    expect({ x: [...x], ended, evaluations }).toEqual({ x: [0, 1, 2], ended: 'tolerance', evaluations: 0 });
  });

  it('stops after so many iterations, with the lowest point so far', async () => {
    const values: number[] = [];
    for (const limit of [0, 1, 2, 4, 8]) {
      const { point, ended, iterations } = await solve(rosenbrock, [-1.2, 1], { iterations: limit });
      expect({ ended, iterations }).toEqual({ ended: 'iterations', iterations: limit });
      values.push(point.value);
    }
    expect(values[0]).toBeCloseTo(24.2, 4);
    expect(values.slice(1).every((value, index) => value < values[index]!)).toBe(true);
  });

  it('returns the smallest gradient so far where values cannot be told apart', async () => {
    // Values from 0 to 1e3 beside 1e9: in float32 they are equal.
    const norms: number[] = [];
    for (let limit = 0; limit <= 30; limit += 1) {
      const { point } = await solve(parabola(10, 1000, 1e9), new Array<number>(10).fill(5), { iterations: limit });
      norms.push(normOf(point.gradient));
    }
    expect(norms.slice(1).every((value, index) => value <= norms[index]!)).toBe(true);
    expect(norms.at(-1)).toBeLessThan(1e-2 * norms[0]!);
  });

  it('goes on by the slopes where float32 hides the changes of the value', async () => {
    // Beside 1000 a float32 has steps of 6e-5: the value stands still once ||x - x*|| is below about 0.01.
    const { value, gradient } = parabola(10, 10, 1000);
    const { x, ended } = await solve({ value: (x) => Math.fround(value(x)), gradient }, new Array<number>(10).fill(5));
    expect(ended).toBe('tolerance');
    expect(normOf(x.map((xi, i) => xi - i))).toBeLessThan(1e-4);
  });

  it('stops where no step improves, and says so', async () => {
    // Between floats next to pi/10: the gradient cannot fall below about 1e4 times half a step, 1.5e-8.
    const steep: Problem = {
      value: ([x]) => 5e3 * (x! - Math.PI / 10) * (x! - Math.PI / 10),
      gradient: ([x]) => [1e4 * (x! - Math.PI / 10)],
    };
    const { x, ended } = await solve(steep, [20], { tolerance: 1e-9, iterations: 1000 });
    expect(ended).toBe('rounding');
    expect(x[0]).toBe(Math.fround(Math.PI / 10));
  });

  it('returns a start that is not finite as it is', async () => {
    const { x, ended, evaluations } = await solve({ value: () => NaN, gradient: () => [NaN] }, [3]);
    expect({ x: [...x], ended, evaluations }).toEqual({ x: [3], ended: 'rounding', evaluations: 0 });
  });

  it('gives the same bits twice', async () => {
    const first = await solve(rosenbrock, [-1.2, 1], { tolerance: 1e-3 });
    const second = await solve(rosenbrock, [-1.2, 1], { tolerance: 1e-3 });
    expect(second).toEqual(first);
  });
});
