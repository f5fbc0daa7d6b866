import { describe, expect, it } from 'vitest';
import type { LoggedEvent } from '../../src/kernel/simulation.js';
import { defineScenario } from '../../src/scenario/scenario.js';
import type { AlgorithmInput, ScenarioInput } from '../../src/scenario/schema.js';
import { prepare } from '../../src/scenario/simulate.js';
import { minimiser, moveConsensus, start, stepWorker, type Point, type Quadratics, type Steps } from './quadratic.js';

const base = { lambda: 0.5, eta: 1.5, workerStep: 0.05, consensusStep: 0.04, momentum: 0.6, regularization: 0.01 };

/** Simulates, and returns what an independent observer sees. */
async function observe(algorithm: AlgorithmInput, rest: Partial<ScenarioInput> = {}) {
  const scenario = defineScenario({
    seed: 11,
    data: { dataset: 'quadratic', dimension: 6, condition: 20, spread: 2 },
    workers: 4,
    algorithm: { ...base, ...algorithm },
    stop: { iterations: 60 },
    ...rest,
  });
  const run = await prepare(scenario);
  const events: LoggedEvent[] = [];
  run.events$.subscribe((event) => events.push(event));
  const result = await run.toEnd();
  const { D, c } = run.start.problem!;
  const problem: Quadratics = { workers: D!.shape[0]!, n: D!.shape[1]!, D: D!.values, c: c!.values };
  const u0 = run.start.initial['u/vector/weight']!.values;
  const final = (name: string): number[] => Array.from(result.final.tensors[`${name}/vector/weight`]!.values);
  return { problem, u0, events, final, result };
}

function stepsOf(algorithm: Partial<Steps> = {}): Steps {
  const { lambda, eta, workerStep, consensusStep, momentum, regularization } = base;
  return {
    lambda,
    eta,
    sigma: workerStep,
    tau: consensusStep,
    kappa: momentum,
    nu: regularization,
    scaling: 'literal',
    ...algorithm,
  };
}

/** The largest difference, relative to the size of the vector. */
function distance(found: readonly number[], expected: readonly number[]): number {
  const size = Math.max(1, ...expected.map(Math.abs));
  return Math.max(...found.map((value, i) => Math.abs(value - expected[i]!))) / size;
}

function expectSame(final: (name: string) => number[], point: Point): void {
  expect(distance(final('u'), point.u)).toBeLessThan(1e-5);
  point.z.forEach((z, j) => {
    expect(distance(final(`z${j}`), z)).toBeLessThan(1e-5);
  });
  point.v.forEach((v, j) => {
    expect(distance(final(`v${j}`), v)).toBeLessThan(1e-5);
  });
}

describe('a synchronous run agrees with plain float64 loops', () => {
  it.each(['literal', 'scaled', 'mean'] as const)('with the consensus scaling %s', async (scaling) => {
    const { problem, u0, final } = await observe({ consensusScaling: scaling });
    const steps = stepsOf({ scaling });
    const point = start(u0, problem.workers);
    for (let version = 1; version <= 60; version += 1) {
      point.u = moveConsensus(steps, point.u, point.z);
      // The run ends directly after move 60: its workers have made 59 steps.
      if (version < 60)
        point.z.forEach((_, j) => {
          stepWorker(problem, steps, point, j, point.u);
        });
    }
    expectSame(final, point);
  });

  it('with Jacobi coupling, where both sides use what was there before', async () => {
    const { problem, u0, final } = await observe(
      { coupling: 'jacobi' },
      { network: { stepTime: '10ms' }, stop: { iterations: 60, steps: 240 } },
    );
    const steps = stepsOf();
    const point = start(u0, problem.workers);
    for (let t = 0; t < 60; t += 1) {
      const { u } = point;
      const copies = point.z.map((z) => [...z]);
      // z^t is sent and the step with u^t starts at once. The run ends with u^60, before step 60 completes.
      if (t < 59)
        point.z.forEach((_, j) => {
          stepWorker(problem, steps, point, j, u);
        });
      point.u = moveConsensus(steps, u, copies);
    }
    expectSame(final, point);
  });

  it('with several local steps between exchanges', async () => {
    const { problem, u0, final } = await observe({ localSteps: 3 });
    const steps = stepsOf();
    const point = start(u0, problem.workers);
    for (let version = 1; version <= 60; version += 1) {
      point.u = moveConsensus(steps, point.u, point.z);
      if (version === 60) break;
      for (let local = 0; local < 3; local += 1) {
        point.z.forEach((_, j) => {
          stepWorker(problem, steps, point, j, point.u);
        });
      }
    }
    expectSame(final, point);
  });
});

/** Replays events with float64 loops: what was used when is taken from the log, the numbers are not. */
function replay(
  events: readonly LoggedEvent[],
  problem: Quadratics,
  steps: Steps,
  u0: ArrayLike<number>,
  combine: 'latest' | 'arrived',
): Point {
  const point = start(u0, problem.workers);
  const versions = [point.u];
  const history = point.z.map((z) => [[...z]]);
  const copies = point.z.map((z) => [...z]);
  let arrived: number[] = [];
  for (const { kind, facts } of events) {
    const worker = facts['worker'] as number;
    if (kind === 'step') {
      stepWorker(problem, steps, point, worker, versions[facts['version'] as number]!);
      history[worker]!.push([...point.z[worker]!]);
    } else if (kind === 'deliver') {
      copies[worker] = history[worker]![facts['step'] as number]!;
      arrived.push(worker);
    } else if (kind === 'move') {
      const used = combine === 'latest' ? copies : [...arrived].sort((a, b) => a - b).map((j) => copies[j]!);
      point.u = moveConsensus(steps, point.u, used);
      versions.push(point.u);
      arrived = [];
    }
  }
  return point;
}

describe('an asynchronous run agrees with plain float64 loops over its event log', () => {
  const network = {
    stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 },
    latency: { distribution: 'exponential', mean: '3ms' },
    stragglers: [{ workers: [3], slowdown: 4 }],
  };

  it.each([
    { quorum: 1, combine: 'latest' },
    { quorum: 2, combine: 'arrived' },
    { quorum: 1, combine: 'latest', overlap: true, localSteps: 2 },
    { quorum: 3, combine: 'latest', staleness: { max: 2 } },
  ] as const)('with %o', async (exchange) => {
    const { problem, u0, events, final } = await observe(exchange, {
      network: network,
      stop: { iterations: 400 },
    });
    expectSame(final, replay(events, problem, stepsOf(), u0, exchange.combine));
  });
});

describe('runs on quadratics converge to the known minimiser of F', () => {
  // The float32 floor (docs/DETERMINISM.md): steps below half a unit in the last place change nothing any more,
  // which leaves about 2^-24 / (2 sigma mu) = 1e-5, mu = 0.06 being the least curvature here.
  const floor = 1e-5;

  it('synchronously', async () => {
    const { problem, final } = await observe({ momentum: 0 }, { stop: { iterations: 3000 } });
    const expected = minimiser(problem, stepsOf());
    expect(distance(final('u'), expected.u)).toBeLessThan(floor);
    expected.z.forEach((z, j) => {
      expect(distance(final(`z${j}`), z)).toBeLessThan(floor);
    });
  });

  it('asynchronously, with the newest copies and equal constant delays', async () => {
    const { problem, final } = await observe(
      { momentum: 0, quorum: 1, combine: 'latest' },
      { network: { stepTime: '10ms', latency: '2ms' }, stop: { iterations: 12_000 } },
    );
    const expected = minimiser(problem, stepsOf());
    expect(distance(final('u'), expected.u)).toBeLessThan(floor);
  });
});
