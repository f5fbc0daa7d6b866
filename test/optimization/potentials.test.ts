/** Table 2 of Laude, Wu, Cremers 2019, written out in float64, against the table of potentials. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import { layersOf, layoutOf } from '../../src/compute/layout.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { drawNormals } from '../../src/kernel/draws.js';
import { Streams } from '../../src/kernel/streams.js';
import { penaltyGradient, penaltyValue, type Penalty } from '../../src/optimization/penalty.js';
import { potentials, type Potential } from '../../src/optimization/potentials.js';

type Vector = readonly number[];

const sum = (values: Vector): number => values.reduce((total, value) => total + value, 0);
const dot = (a: Vector, b: Vector): number => sum(a.map((value, index) => value * b[index]!));
const norm = (x: Vector): number => Math.sqrt(dot(x, x));

/** One potential, and what is known of it. */
interface Row {
  readonly name: string;
  readonly potential: Potential;
  /** phi0 of one layer, in float64. */
  readonly phi0: (x: Vector) => number;
  /** The radius of its domain, or one up to which to test. */
  readonly radius: number;
  readonly curvature: number;
  /** The x whose gradient is y, and the convex conjugate sup_x x.y - phi0(x), where there is a closed form. */
  readonly inverse?: (y: Vector) => Vector;
  readonly conjugate?: (y: Vector) => number;
}

const pole = Math.sqrt(Math.PI / 2);

/** y / ||y||, times a length that follows from ||y||. */
const along = (length: (n: number) => number) => (y: Vector) => y.map((value) => (value / norm(y)) * length(norm(y)));

// n r^2 + 2 r - n = 0 for the length r = ||x|| of the x whose gradient 2 x / (1 - r^2) has the length n.
const logLength = (n: number): number => n / (1 + Math.sqrt(1 + n * n));
// n r + log(1 - r^2) at that r.
const logConjugate = (n: number): number => Math.sqrt(1 + n * n) - 1 + Math.log(2 / (1 + Math.sqrt(1 + n * n)));

const rows: readonly Row[] = [
  {
    name: 'quad',
    potential: potentials.quad.build(),
    phi0: (x) => dot(x, x),
    radius: 2,
    curvature: 2,
    inverse: along((n) => n / 2),
    conjugate: (y) => dot(y, y) / 4,
  },
  {
    name: 'cubic',
    potential: potentials.cubic.build({ quadratic: 0 }),
    phi0: (x) => norm(x) ** 3,
    radius: 2,
    curvature: 0,
    // 3 r^2 = n
    inverse: along((n) => Math.sqrt(n / 3)),
    conjugate: (y) => (2 / (3 * Math.sqrt(3))) * norm(y) ** 1.5,
  },
  {
    name: 'cubic with a quadratic term',
    potential: potentials.cubic.build({ quadratic: 0.3 }),
    phi0: (x) => norm(x) ** 3 + 0.3 * dot(x, x),
    radius: 2,
    curvature: 0.6,
    // 3 r^2 + 2 * 0.3 r = n
    inverse: along((n) => (Math.sqrt(0.09 + 3 * n) - 0.3) / 3),
  },
  {
    name: 'tan',
    potential: potentials.tan.build(),
    phi0: (x) => Math.tan(dot(x, x)),
    radius: pole,
    curvature: 2,
  },
  {
    name: 'tan-sep',
    potential: potentials['tan-sep'].build(),
    phi0: (x) => sum(x.map((value) => Math.tan(value * value))),
    radius: pole,
    curvature: 2,
  },
  {
    name: 'log',
    potential: potentials.log.build(),
    phi0: (x) => -Math.log(1 - dot(x, x)),
    radius: 1,
    curvature: 2,
    inverse: along(logLength),
    conjugate: (y) => logConjugate(norm(y)),
  },
  {
    name: 'log-sep',
    potential: potentials['log-sep'].build(),
    phi0: (x) => -sum(x.map((value) => Math.log(1 - value * value))),
    radius: 1,
    curvature: 2,
    inverse: (y) => y.map((value) => Math.sign(value) * logLength(Math.abs(value))),
    conjugate: (y) => sum(y.map((value) => logConjugate(Math.abs(value)))),
  },
];

const stream = new Streams(7).stream('test', 'potentials');
const normals = (count: number): number[] => [...drawNormals(stream, count)];
const float32 = (values: Vector): number[] => [...Float32Array.from(values)];

/** Relative to the largest of the expected numbers: float32 has seven digits. */
function expectClose(actual: ArrayLike<number>, expected: Vector, tolerance = 1e-5): void {
  expect(actual.length).toBe(expected.length);
  const size = Math.max(...expected.map(Math.abs));
  expect(Math.max(...expected.map((value, index) => Math.abs(actual[index]! - value)))).toBeLessThan(tolerance * size);
}

const valueOf = ({ value }: Potential, x: Vector): number => value(tf.tensor2d([[...x]])).dataSync()[0]!;
const gradientOf = ({ gradient }: Potential, x: Vector): number[] => [...gradient(tf.tensor2d([[...x]])).dataSync()];

/** Central differences, in float64. */
function differentiate(f: (w: Vector) => number, at: Vector): number[] {
  const h = 1e-5;
  return at.map((_, place) => {
    const moved = (by: number): number[] => at.map((value, index) => (index === place ? value + by : value));
    return (f(moved(h)) - f(moved(-h))) / (2 * h);
  });
}

// Weight and bias of `first` are one layer.
const layout = layoutOf([
  { name: 'first/weight', shape: [2, 2] },
  { name: 'first/bias', shape: [2] },
  { name: 'second/weight', shape: [1] },
  { name: 'third/weight', shape: [5] },
]);
const eta = 0.7;

const layersOfVector = (w: Vector): Vector[] =>
  layersOf(layout).map(({ offset, size }) => w.slice(offset, offset + size));

/** Differences of four workers, whose layers have lengths of 2 % to 96 % of the radius. */
function differences(radius: number): number[][] {
  return [0.02, 0.3, 0.7, 0.96].map((share, worker) =>
    layersOfVector(normals(layout.count)).flatMap((layer, index) => {
      const length = share * (1 - 0.1 * ((worker + index) % 3)) * radius * eta;
      return float32(layer.map((value) => (value * length) / norm(layer)));
    }),
  );
}

const penaltyFunction = (penalty: Penalty): TensorFunction => ({
  name: 'penalty',
  inputs: { w: { shape: [null, layout.count], dtype: 'float32' } },
  evaluate: ({ w }) => ({
    value: penaltyValue(penalty, w as tf.Tensor2D),
    gradient: penaltyGradient(penalty, w as tf.Tensor2D),
  }),
});

describe.each(rows)('the coupling by $name', ({ potential, phi0, radius }) => {
  const phihat = (w: Vector): number => sum(layersOfVector(w).map((layer) => phi0(layer.map((value) => value / eta))));

  it.each(['eager', 'onnx'])('has the values and the gradients of the formula, layer by layer (%s)', async (runner) => {
    const w = differences(radius);
    const engine = await openRunner({ runner, device: 'cpu', threads: 1 }, {});
    const { value, gradient } = await engine.call(penaltyFunction({ potential, eta, layout }), {
      w: Float32Array.from(w.flat()),
    });
    w.forEach((row, worker) => {
      expectClose([value![worker]!], [phihat(row)]);
      const actual = gradient!.slice(worker * layout.count, (worker + 1) * layout.count);
      // The steepest layer of the last worker would hide the others.
      const expected = layersOfVector(differentiate(phihat, row));
      layersOfVector([...actual]).forEach((layer, index) => expectClose(layer, expected[index]!, 3e-5));
    });
  });
});

describe.each(rows)('the potential $name', ({ potential, curvature }) => {
  it('has no value and no gradient at zero', () => {
    expect(valueOf(potential, [0, 0, 0])).toBeCloseTo(0, 30);
    expect(gradientOf(potential, [0, 0, 0])).toEqual([0, 0, 0]);
  });

  it('is the quadratic of its curvature near zero, where squares vanish beside 1 in float32', () => {
    expect(potential.curvature).toBeCloseTo(curvature, 15);
    const x = float32([1e-5, -3e-5, 2e-5]);
    const gradient = gradientOf(potential, x);
    // The cubic's own part is 3 ||x|| = 1.1e-4 of x.
    x.forEach((value, index) => expect(gradient[index]! / value).toBeCloseTo(curvature, 3));
    expect(valueOf(potential, x) / dot(x, x)).toBeCloseTo(curvature / 2, 3);
  });

  it('says rightly whether its gradient acts element by element', () => {
    const [x, y] = [[0.3, -0.2], [0.4]] as const;
    const apart = [...gradientOf(potential, x), ...gradientOf(potential, y)];
    const together = gradientOf(potential, [...x, ...y]);
    const largest = Math.max(...together.map((value, index) => Math.abs(value - apart[index]!)));
    if (potential.elementwise) expect(largest).toBe(0);
    else expect(largest).toBeGreaterThan(0.01);
  });
});

/** Forces of different strength, in random directions. */
const forces = (): Vector[] => [0.01, 1, 20].map((size) => normals(4).map((value) => size * value));

const inverted = rows.flatMap((row) => (row.inverse === undefined ? [] : [{ ...row, inverse: row.inverse }]));

describe.each(inverted)('the gradient of $name', ({ potential, inverse }) => {
  it('is y at the x that the closed form of its inverse gives for y', () => {
    for (const y of forces()) expectClose(gradientOf(potential, inverse(y)), y, 1e-4);
  });
});

const conjugated = inverted.flatMap((row) =>
  row.conjugate === undefined ? [] : [{ ...row, conjugate: row.conjugate }],
);

describe.each(conjugated)('the value of $name', ({ potential, inverse, conjugate }) => {
  it('meets the convex conjugate: phi0(x) + phi0*(y) = x.y where y is the gradient at x', () => {
    for (const y of forces()) {
      const x = inverse(y);
      expectClose([valueOf(potential, x)], [dot(x, y) - conjugate(y)], 1e-4);
    }
  });
});

const bounded = rows.filter(({ potential }) => potential.domain.kind !== 'everywhere');

describe.each(bounded)('the force of $name', ({ potential, radius }) => {
  it('grows without bound towards the boundary of its domain', () => {
    expect(potential.domain.radius).toBeCloseTo(radius, 15);
    const force = (share: number): number => gradientOf(potential, [share * radius])[0]!;
    expect(force(0.9)).toBeGreaterThan(9);
    expect(force(0.99)).toBeGreaterThan(9 * force(0.9));
    expect(force(0.999)).toBeGreaterThan(9 * force(0.99));
  });
});

describe('the options of potentials', () => {
  it('are a quadratic term of the cubic, which has none unless told, and never a negative one', () => {
    expect(potentials.cubic.options.parse({})).toEqual({ quadratic: 0 });
    expect(potentials.cubic.options.safeParse({ quadratic: -0.1 }).success).toBe(false);
  });
});
