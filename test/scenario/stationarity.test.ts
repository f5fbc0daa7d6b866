/** The measures of stationarity as a run records them, against closed forms on quadratics. */
import { LuDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { defineScenario } from '../../src/scenario/scenario.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { prepare } from '../../src/scenario/simulate.js';

const nu = 0.05;
const lambda = 0.4;
const eta = 1.3;

/** Runs, and returns the last values of its measures with the problem and the final state as matrices. */
async function observe(input: Partial<ScenarioInput> = {}) {
  const run = await prepare(
    defineScenario({
      seed: 3,
      data: { dataset: 'quadratic', dimension: 5, condition: 10 },
      workers: 3,
      algorithm: { lambda, eta, workerStep: 0.05, consensusStep: 0.1, momentum: 0.5, regularization: nu },
      monitor: {
        every: { iterations: 20 },
        measures: [
          'envelope_gradient',
          'envelope_loss_gradient',
          'envelope_residual',
          'loss_gradient',
          'residual_5a',
          'residual_5b',
        ],
        envelope: { tolerance: 1e-5 },
      },
      stop: { iterations: 20 },
      ...input,
    }),
  );
  const last = new Map<string, number>();
  run.measurements$.subscribe(({ measure, worker, value }) => {
    last.set(worker === undefined ? measure : `${measure}/${worker}`, value);
  });
  const { final } = await run.toEnd();
  const { D, c } = run.start.problem!;
  const n = D!.shape[1]!;
  const column = (values: ArrayLike<number>): Matrix => Matrix.columnVector(Array.from(values));
  const functions = Array.from({ length: D!.shape[0]! }, (_, j) => {
    const hessian = Matrix.from1DArray(n, n, Array.from(D!.values.slice(j * n * n, (j + 1) * n * n)));
    const minimiser = column(c!.values.slice(j * n, (j + 1) * n));
    const K = Matrix.add(hessian, Matrix.eye(n, n, nu));
    const right = hessian.mmul(minimiser);
    return { K, right, gradient: (z: Matrix): Matrix => K.mmul(z).sub(right) };
  });
  const state = (name: string): Matrix => column(final.tensors[`${name}/vector/weight`]!.values);
  const value = (name: string): number => last.get(name)!;
  return {
    value,
    n,
    functions,
    u: state('u'),
    z: functions.map((_, j) => state(`z${j}`)),
    scenario: run.start.scenario,
  };
}

const total = (terms: readonly Matrix[]): number => terms.reduce((sum, term) => Matrix.add(sum, term)).norm();
const relative = (found: number, expected: number): number => Math.abs(found / expected - 1);

describe('on quadratics with the potential quad', () => {
  it('the envelope gradient is the closed form, from its two sides', async () => {
    const { value, n, functions, u } = await observe();
    const rho = 2 / (lambda * eta * eta);
    const envelopes = functions.map(({ K, right }) => {
      const z = new LuDecomposition(Matrix.add(K, Matrix.eye(n, n, rho))).solve(Matrix.add(right, Matrix.mul(u, rho)));
      return Matrix.sub(u, z).mul(rho);
    });
    expect(relative(value('envelope_gradient'), total(envelopes))).toBeLessThan(1e-4);
    expect(relative(value('envelope_loss_gradient'), total(envelopes))).toBeLessThan(1e-4);
    expect(value('envelope_residual')).toBeLessThan(1e-4 * total(envelopes));
  });

  it('the loss gradient and the residuals are those of the definitions', async () => {
    const { value, functions, u, z } = await observe();
    const force = (zj: Matrix): Matrix => Matrix.sub(u, zj).mul(2 / (lambda * eta * eta));
    expect(relative(value('loss_gradient'), total(functions.map(({ gradient }) => gradient(u))))).toBeLessThan(1e-5);
    expect(relative(value('residual_5a'), total(z.map(force)))).toBeLessThan(1e-5);
    functions.forEach(({ gradient }, j) => {
      const expected = Matrix.sub(gradient(z[j]!), force(z[j]!)).norm();
      expect(relative(value(`residual_5b/${j}`), expected)).toBeLessThan(1e-5);
    });
  });

  it('another potential, lambda and eta may be chosen to measure with, and the manifest says which were used', async () => {
    const { scenario } = await observe();
    expect(scenario.monitor!.envelope).toMatchObject({ potential: 'quad', lambda, eta });
    const wide = { potential: 'cubic', lambda: 1e6, eta: 2, tolerance: 1e-4 } as const;
    const { value, scenario: resolved } = await observe({
      monitor: { every: { iterations: 20 }, measures: ['envelope_gradient'], envelope: wide },
    });
    expect(resolved.monitor!.envelope).toMatchObject(wide);
    // A weak coupling lets every z*_j go to the minimiser of f_j, where nothing is left of its gradient.
    expect(value('envelope_gradient')).toBeLessThan(1e-2);
  });
});

describe('in the units of the mean loss', () => {
  it('a run with sum gradients has the same envelope as the mean run that takes the same path', async () => {
    const batchSize = 4;
    const measures = ['envelope_gradient', 'loss_gradient'] as const;
    const values = await Promise.all(
      (['sum', 'mean'] as const).map(async (gradient) => {
        const scale = gradient === 'sum' ? 1 : batchSize;
        const run = await prepare(
          defineScenario({
            seed: 2,
            data: { dataset: 'logistic', samplesPerWorker: 30, testSamples: 0, batchSize },
            workers: 2,
            algorithm: {
              gradient,
              lambda: scale * 0.2,
              regularization: 0.04 / scale,
              workerStep: scale * 0.02,
              consensusStep: 0.05,
            },
            monitor: { every: { iterations: 25 }, measures: [...measures], envelope: { tolerance: 1e-3 } },
            stop: { iterations: 25 },
          }),
        );
        const found: number[] = [];
        run.measurements$.subscribe(({ value }) => found.push(value));
        await run.toEnd();
        return found;
      }),
    );
    expect(values[0]).toHaveLength(4);
    values[0]!.forEach((value, index) => {
      expect(relative(value, values[1]![index]!)).toBeLessThan(1e-3);
    });
  });
});

describe('over a sample of the data', () => {
  it('no measure depends on which others are taken, or in which order', async () => {
    const last = async (measures: string[]): Promise<Map<string, number>> => {
      const run = await prepare(
        defineScenario({
          data: { dataset: 'logistic', samplesPerWorker: 60, testSamples: 0, partition: { kind: 'shared' } },
          workers: 2,
          algorithm: { lambda: 0.5, workerStep: 0.1, consensusStep: 0.1 },
          monitor: { every: { iterations: 5 }, measures: measures as never, envelope: { samples: 20 } },
          stop: { iterations: 5 },
        }),
      );
      const values = new Map<string, number>();
      run.measurements$.subscribe(({ measure, worker, value }) => values.set(`${measure} ${worker ?? ''}`, value));
      await run.toEnd();
      return values;
    };
    const all = await last(['envelope_gradient', 'residual_5b', 'loss_gradient']);
    const permuted = await last(['loss_gradient', 'residual_5b', 'envelope_gradient']);
    const alone = await last(['residual_5b']);
    expect(permuted.size).toBe(4);
    for (const [name, value] of [...permuted, ...alone]) expect(value).toBe(all.get(name));
  });
});

describe('at the minimum of F', () => {
  it('the envelope gradient vanishes also where the I_j, and so the sums of losses, are unequal', async () => {
    const lists = [
      Array.from({ length: 30 }, (_, index) => index),
      Array.from({ length: 9 }, (_, index) => 30 + index),
    ];
    const run = await prepare(
      defineScenario({
        data: {
          dataset: 'logistic',
          samplesPerWorker: 20,
          testSamples: 0,
          batchSize: 'full',
          partition: { kind: 'explicit', indices: lists },
        },
        workers: 2,
        algorithm: {
          gradient: 'sum',
          lambda: 0.1,
          workerStep: 0.01,
          consensusStep: 0.01,
          consensusScaling: 'scaled',
          regularization: 0.5,
        },
        monitor: {
          every: { iterations: 3000 },
          measures: ['envelope_gradient', 'residual_5a', 'residual_5b'],
          envelope: { tolerance: 1e-4, samples: 'all' },
        },
        stop: { iterations: 3000 },
      }),
    );
    const [first, last] = [new Map<string, number>(), new Map<string, number>()];
    run.measurements$.subscribe(({ measure, iteration, value }) =>
      (iteration === 0 ? first : last).set(measure, value),
    );
    await run.toEnd();
    expect(last.get('residual_5b')! + last.get('residual_5a')!).toBeLessThan(1e-4);
    expect(last.get('envelope_gradient')!).toBeLessThan(1e-4 * first.get('envelope_gradient')!);
  });

  it.each([
    { method: 'easgd', localSteps: 1 },
    { method: 'easgd', localSteps: 4 },
    { method: 'eamsgd', localSteps: 2, momentum: 0.6 },
    { method: 'allreduce-ea', localSteps: 5 },
  ] as const)('%o comes to rest, but for steps of finite size, with the lambda that is told for it', async (chosen) => {
    // The smaller the steps, the closer: sigma 0.002 leaves a few thousandths.
    const iterations = 16_000 / chosen.localSteps;
    const { value } = await observe({
      algorithm: { ...chosen, workerStep: 0.002, movingRate: 0.02 },
      monitor: { every: { iterations }, measures: ['envelope_gradient', 'residual_5a'], envelope: {} },
      stop: { iterations },
    });
    expect(value('residual_5a')).toBeLessThan(0.02);
    expect(value('envelope_gradient')).toBeLessThan(0.02);
  });
});
