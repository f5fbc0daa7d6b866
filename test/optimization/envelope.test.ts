import { Matrix, solve } from 'ml-matrix';
import { afterAll, describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import { layoutOf } from '../../src/compute/layout.js';
import type { Runner } from '../../src/compute/runner.js';
import { drawNormals } from '../../src/kernel/draws.js';
import { Streams } from '../../src/kernel/streams.js';
import { quadratic } from '../../src/learning/datasets/quadratic.js';
import { batchGradient, meanGradient } from '../../src/learning/gradient.js';
import { losses } from '../../src/learning/losses.js';
import { models } from '../../src/learning/models.js';
import { distinctHoldings } from '../../src/learning/sameSamples.js';
import {
  envelopeGradient,
  envelopeMeasurer,
  envelopeNorms,
  lossGradientNorm,
  regularised,
  type EnvelopeQuery,
  type Objective,
} from '../../src/optimization/envelope.js';
import type { Coupling } from '../../src/optimization/method.js';
import { potentials } from '../../src/optimization/potentials.js';
import { couplingForce, workerResiduals } from '../../src/optimization/residuals.js';

const runners: Runner[] = [];
afterAll(async () => {
  for (const runner of runners) await runner.close();
});

async function open(tables: Parameters<typeof openRunner>[1] = {}): Promise<Runner> {
  const runner = await openRunner({ runner: 'onnx', device: 'cpu', threads: 1 }, tables);
  runners.push(runner);
  return runner;
}

const built = {
  quad: potentials.quad.build(),
  cubic: potentials.cubic.build({ quadratic: 0 }),
  tan: potentials.tan.build(),
  'tan-sep': potentials['tan-sep'].build(),
  log: potentials.log.build(),
  'log-sep': potentials['log-sep'].build(),
};
type Name = keyof typeof built;
const names = Object.keys(built) as Name[];

function couplingOf(name: Name, sizes: readonly number[], { eta, lambda }: { eta: number; lambda: number }): Coupling {
  const layout = layoutOf(sizes.map((size, index) => ({ name: `layer${index}/weight`, shape: [size] })));
  return { penalty: { potential: built[name], eta, layout }, lambda };
}

const normOf = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));

/** ||a - b|| / ||b|| */
function error(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return normOf(Array.from(a, (value, i) => value - b[i]!)) / normOf(b);
}

describe('on quadratics', async () => {
  const [n, nu, eta, lambda] = [6, 0.05, 1.5, 0.4];
  // Samples of the workers. The third one holds what the first one holds.
  const assignment = [[0, 1], [2], [0, 1], [3, 4, 5]].map((indices) => Int32Array.from(indices));
  const streams = new Streams(3);
  const { train, problem } = await quadratic.load(
    { dimension: n, condition: 30, spread: 2, rotate: true },
    { workers: 6, random: (purpose) => streams.stream('data', purpose), resolve: (path) => path },
  );
  const model = models.vector.build({}, { rowShape: [n, n], outputs: n });
  const learner = {
    model,
    layout: layoutOf(model.parameters),
    loss: losses['squared-error'],
    batch: {
      inputs: { shape: [null, n, n], dtype: 'float32' },
      targets: { shape: [null, n], dtype: 'float32' },
    },
  } as const;
  const definition = batchGradient(learner);
  const runner = await open({ 'train/inputs': train.inputs, 'train/targets': train.targets });
  const objectiveOf = (indices: Int32Array): Objective =>
    regularised(async (parameters) => {
      const { loss, gradient } = await meanGradient(runner, definition, { parameters, indices });
      return { value: loss, gradient };
    }, nu);
  const coupling: Coupling = { penalty: { potential: built.quad, eta, layout: learner.layout }, lambda };
  const measurer = envelopeMeasurer(coupling, { tolerance: 1e-6, iterations: 200 });
  const draw = (name: string): Float32Array => Float32Array.from(drawNormals(streams.stream('test', name), n));
  const u = draw('u');
  const copies = assignment.map((_, worker) => draw(`z${worker}`));

  // f_j(z) = 1/2 z'Kz - k'z + constant, with K = nu I + the mean of the D_i and k = the mean of the D_i c_i.
  const closed = assignment.map((indices) => {
    const K = Matrix.eye(n, n, nu);
    const k = Matrix.zeros(n, 1);
    for (const i of indices) {
      const D = Matrix.from1DArray(n, n, problem!['D']!.values.subarray(i * n * n, (i + 1) * n * n));
      const c = Matrix.columnVector(problem!['c']!.values.subarray(i * n, (i + 1) * n));
      K.add(Matrix.div(D, indices.length));
      k.add(D.mmul(c).div(indices.length));
    }
    return { K, k };
  });
  const rho = 2 / (lambda * eta * eta);
  const gradientAt = (worker: number, z: Float32Array): Matrix =>
    closed[worker]!.K.mmul(Matrix.columnVector(z)).sub(closed[worker]!.k);
  /** rho (u - z*), where (K + rho I) z* = k + rho u. */
  const envelopeAt = (worker: number): Matrix => {
    const { K, k } = closed[worker]!;
    const uColumn = Matrix.columnVector(u);
    const z = solve(Matrix.add(K, Matrix.eye(n, n, rho)), Matrix.add(k, Matrix.mul(uColumn, rho)));
    return uColumn.sub(z).mul(rho);
  };
  const total = (terms: readonly Matrix[]): number => terms.reduce((sum, term) => Matrix.add(sum, term)).norm();

  it.each([0, 1, 2, 3])('both gradients are the closed form, worker %i', async (worker) => {
    const query = { objective: objectiveOf(assignment[worker]!), u };
    const found = await envelopeGradient(runner, measurer, query);
    const expected = envelopeAt(worker).to1DArray();
    expect(error(found.penaltyGradient, expected)).toBeLessThan(1e-4);
    expect(error(found.lossGradient, expected)).toBeLessThan(1e-4);
    expect(
      error(
        found.z,
        Array.from(u, (value, i) => value - expected[i]! / rho),
      ),
    ).toBeLessThan(1e-4);
  });

  it('sums over workers agree with the closed form, and equal lists are solved for once', async () => {
    const holdings = distinctHoldings(assignment);
    expect(holdings.map(({ workers }) => workers)).toEqual([[0, 2], [1], [3]]);
    const terms = holdings.map(({ indices, workers }) => ({ objective: objectiveOf(indices), count: workers.length }));
    const found = await envelopeNorms(runner, measurer, { u, terms });
    const expected = total(assignment.map((_, worker) => envelopeAt(worker)));
    expect(Math.abs(found.gradient / expected - 1)).toBeLessThan(1e-4);
    expect(Math.abs(found.lossGradient / expected - 1)).toBeLessThan(1e-4);
    expect(found.residual).toBeLessThan(1e-4 * expected);
    const atU = total(assignment.map((_, worker) => gradientAt(worker, u)));
    expect(Math.abs((await lossGradientNorm(u, terms)) / atU - 1)).toBeLessThan(1e-5);
    const apart = assignment.map((indices) => ({ objective: objectiveOf(indices), count: 1 }));
    const separately = await envelopeNorms(runner, measurer, { u, terms: apart });
    expect(Math.abs(separately.gradient / found.gradient - 1)).toBeLessThan(1e-6);
    expect(separately.evaluations).toBeGreaterThan(found.evaluations);
  });

  it('the pair of norms encloses the true one where the search is stopped early', async () => {
    const early = envelopeMeasurer(coupling, { tolerance: 0.2, iterations: 200 });
    const { penaltyGradient, lossGradient, residual, ended } = await envelopeGradient(runner, early, {
      objective: objectiveOf(assignment[0]!),
      u,
    });
    expect(ended).toBe('tolerance');
    expect(normOf(residual)).toBeGreaterThan(1e-3 * normOf(penaltyGradient));
    expect(normOf(residual)).toBeLessThanOrEqual(0.2 * normOf(penaltyGradient));
    expect(Math.abs(normOf(penaltyGradient) - normOf(lossGradient))).toBeLessThanOrEqual(normOf(residual));
    expect(error(lossGradient, envelopeAt(0).to1DArray())).toBeLessThan(0.2);
  });

  it('the residual 5b is that of plain matrices', async () => {
    const force = couplingForce(coupling);
    const forces = copies.map((z) => Matrix.columnVector(u).sub(Matrix.columnVector(z)).mul(rho));
    const objectives = assignment.map(objectiveOf);
    const workers = await workerResiduals(runner, force, { u, z: copies, objectives });
    const expected = copies.map((z, worker) => Matrix.sub(gradientAt(worker, z), forces[worker]!).norm());
    expect(error(workers, expected)).toBeLessThan(1e-5);
  });

  it('gives the same bits twice', async () => {
    const query = { objective: objectiveOf(assignment[3]!), u };
    expect(await envelopeGradient(runner, measurer, query)).toEqual(await envelopeGradient(runner, measurer, query));
  });
});

/** phi0(x) in one dimension (Laude, Wu, Cremers 2019, Table 2). */
const phi: Record<Name, (x: number) => number> = {
  quad: (x) => x * x,
  cubic: (x) => Math.abs(x * x * x),
  tan: (x) => (x * x < Math.PI / 2 ? Math.tan(x * x) : Infinity),
  'tan-sep': (x) => (x * x < Math.PI / 2 ? Math.tan(x * x) : Infinity),
  log: (x) => (x * x < 1 ? -Math.log(1 - x * x) : Infinity),
  'log-sep': (x) => (x * x < 1 ? -Math.log(1 - x * x) : Infinity),
};

/** The smallest value of `f` on [-4, 4]: on a grid, then by golden section about its lowest point. */
function smallest(f: (z: number) => number): number {
  const step = 1e-3;
  let best = -4;
  for (let z = -4; z <= 4; z += step) if (f(z) < f(best)) best = z;
  const golden = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [best - step, best + step];
  for (let round = 0; round < 60; round += 1) {
    const [left, right] = [b - golden * (b - a), a + golden * (b - a)];
    if (f(left) < f(right)) b = right;
    else a = left;
  }
  return f((a + b) / 2);
}

describe('of a nonconvex function of one variable', async () => {
  const [eta, lambda] = [0.8, 0.1];
  const f = (z: number): number => Math.sin(3 * z) + z * z * 0.1;
  const objective: Objective = async ([z]) => ({
    value: f(z!),
    gradient: Float64Array.of(3 * Math.cos(3 * z!) + 0.2 * z!),
  });
  const runner = await open();

  describe.each(names)('with the potential %s', (name) => {
    const measurer = envelopeMeasurer(couplingOf(name, [1], { eta, lambda }), { tolerance: 1e-5, iterations: 100 });
    const envelope = (u: number): number => smallest((z) => f(z) + phi[name]((u - z) / eta) / lambda);

    it.each([-2.1, -1.1, 0.3, 0.9, 1.7])('its gradient is that of differences of its value, u = %f', async (at) => {
      const u = Math.fround(at);
      const found = await envelopeGradient(runner, measurer, { objective, u: Float32Array.of(u) });
      expect(found.value).toBeCloseTo(envelope(u), 6);
      const slope = (envelope(u + 1e-5) - envelope(u - 1e-5)) / 2e-5;
      expect(Math.abs(found.penaltyGradient[0]! - slope)).toBeLessThan(1e-4 * Math.max(1, Math.abs(slope)));
      expect(Math.abs(found.lossGradient[0]! - slope)).toBeLessThan(1e-4 * Math.max(1, Math.abs(slope)));
    });
  });
});

describe('of functions whose envelope is known', async () => {
  const runner = await open();
  const slopes = [300, -40, 5, 0.25, -1000];
  const linear: Objective = async (z) => ({
    value: z.reduce((sum, value, i) => sum + slopes[i]! * value, 0),
    gradient: Float64Array.from(slopes),
  });
  const u = Float32Array.of(0.1, -0.2, 0.3, 0.05, 0.7);

  it.each(names)('a slope stays what it is, also against the boundary of %s', async (name) => {
    const coupling = couplingOf(name, [2, 3], { eta: 0.5, lambda: 0.2 });
    const measurer = envelopeMeasurer(coupling, { tolerance: 1e-3, iterations: 200 });
    const found = await envelopeGradient(runner, measurer, { objective: linear, u });
    expect(found.ended).toBe('tolerance');
    expect(error(found.penaltyGradient, slopes)).toBeLessThan(1.1e-3);
    // Inside the domain: Table 2.
    const w = u.map((value, i) => value - found.z[i]!);
    const radius = { quad: Infinity, cubic: Infinity, tan: 0.5 * Math.sqrt(Math.PI / 2), log: 0.5 };
    const limit = radius[name.replace('-sep', '') as keyof typeof radius];
    const layers = name.endsWith('-sep') ? [...w].map(Math.abs) : [normOf(w.slice(0, 2)), normOf(w.slice(2))];
    expect(Math.max(...layers)).toBeLessThan(limit);
  });

  it('starts at the alternative where Q is lower there, and only there', async () => {
    // Two wells, at -1 and 1 and of value 0 and -1/2: u sits in the higher one.
    const wells: Objective = async ([z]) => {
      const [square, slope] = [z! * z! - 1, 4 * z!];
      return { value: square * square - z! / 4 - 0.25, gradient: Float64Array.of(slope * square - 0.25) };
    };
    const measurer = envelopeMeasurer(couplingOf('quad', [1], { eta: 1, lambda: 100 }), {
      tolerance: 1e-3,
      iterations: 100,
    });
    const query = (alternative?: number): EnvelopeQuery => ({
      objective: wells,
      u: Float32Array.of(-1),
      alternative: alternative === undefined ? undefined : Float32Array.of(alternative),
    });
    expect((await envelopeGradient(runner, measurer, query())).z[0]).toBeLessThan(0);
    expect((await envelopeGradient(runner, measurer, query(1.2))).z[0]).toBeGreaterThan(0);
    expect((await envelopeGradient(runner, measurer, query(0.1))).z[0]).toBeLessThan(0);
  });

  it('an alternative outside the domain is passed over', async () => {
    const measurer = envelopeMeasurer(couplingOf('log', [2, 3], { eta: 0.5, lambda: 0.2 }), {
      tolerance: 1e-3,
      iterations: 200,
    });
    const far = Float32Array.of(5, 5, 5, 5, 5);
    const without = await envelopeGradient(runner, measurer, { objective: linear, u });
    const found = await envelopeGradient(runner, measurer, { objective: linear, u, alternative: far });
    expect(found).toEqual(without);
  });

  it('a minimum of f is a stationary point of the envelope, without a step', async () => {
    const bowl: Objective = async (z) => ({
      value: 1 + z.reduce((sum, value) => sum + (value * value) / 2, 0),
      gradient: Float64Array.from(z),
    });
    for (const name of names) {
      const measurer = envelopeMeasurer(couplingOf(name, [2], { eta: 1, lambda: 1 }), {
        tolerance: 0.05,
        iterations: 50,
      });
      const terms = [{ objective: bowl, count: 3 }];
      const found = await envelopeNorms(runner, measurer, { u: new Float32Array(2), terms });
      expect(found).toEqual({ gradient: 0, lossGradient: 0, residual: 0, evaluations: 1 });
    }
  });

  it('a loss that is not a number stays one in the measures', async () => {
    const broken: Objective = async () => ({ value: NaN, gradient: Float64Array.of(NaN) });
    const measurer = envelopeMeasurer(couplingOf('log', [1], { eta: 1, lambda: 1 }), {
      tolerance: 0.05,
      iterations: 50,
    });
    const found = await envelopeNorms(runner, measurer, {
      u: Float32Array.of(1),
      terms: [{ objective: broken, count: 1 }],
    });
    expect(found).toEqual({ gradient: NaN, lossGradient: NaN, residual: NaN, evaluations: 1 });
  });
});

describe('the force of the coupling', async () => {
  const runner = await open();

  it('takes a copy that u has left behind for the pulled one', async () => {
    // log: rho is 0.999 * 0.5, and the copy is pulled to 0.95 of that: x = 0.94905, force 2 x / (eta (1 - x^2)) / lambda.
    const force = couplingForce(couplingOf('log', [1], { eta: 0.5, lambda: 0.2 }));
    const x = 0.999 * 0.95;
    const expected = (2 * x) / (0.5 * (1 - x * x)) / 0.2;
    const found = await runner.call(force, { u: Float32Array.of(3), z: Float32Array.of(1) });
    expect(Math.abs(found['force']![0]! / expected - 1)).toBeLessThan(1e-5);
  });
});
