/** Every method beside Algorithm 1, and its limit cases, against plain float64 loops that share no code with it. */
import { describe, expect, it } from 'vitest';
import type { LoggedEvent } from '../../src/kernel/simulation.js';
import { defineScenario } from '../../src/scenario/scenario.js';
import type { AlgorithmInput, ScenarioInput } from '../../src/scenario/schema.js';
import { prepare } from '../../src/scenario/simulate.js';
import type { Quadratics } from './quadratic.js';

const sigma = 0.05;
const alpha = 0.15;
const nu = 0.01;

interface Observed {
  readonly problem: Quadratics;
  readonly u0: number[];
  readonly events: readonly LoggedEvent[];
  /** u, z0, v0, ... at the end. */
  readonly final: (name: string) => number[];
}

async function observe(algorithm: AlgorithmInput, rest: Partial<ScenarioInput> = {}): Promise<Observed> {
  const scenario = defineScenario({
    seed: 11,
    data: { dataset: 'quadratic', dimension: 6, condition: 20, spread: 2 },
    workers: 4,
    algorithm,
    stop: { iterations: 40 },
    ...rest,
  });
  const run = await prepare(scenario);
  const events: LoggedEvent[] = [];
  run.events$.subscribe((event) => events.push(event));
  const result = await run.toEnd();
  const { D, c } = run.start.problem!;
  const final = (name: string): number[] => Array.from(result.final.tensors[`${name}/vector/weight`]!.values);
  return {
    problem: { workers: D!.shape[0]!, n: D!.shape[1]!, D: D!.values, c: c!.values },
    u0: Array.from(run.start.initial['u/vector/weight']!.values),
    events,
    final,
  };
}

/** Gradient of f_j + (nu/2) ||.||^2 at y. */
function gradient({ n, D, c }: Quadratics, j: number, y: readonly number[]): number[] {
  return y.map((value, i) => {
    let slope = nu * value;
    for (let k = 0; k < n; k += 1) slope += D[(j * n + i) * n + k]! * (y[k]! - c[j * n + k]!);
    return slope;
  });
}

const plus = (a: readonly number[], b: readonly number[], factor = 1): number[] =>
  a.map((value, i) => value + factor * b[i]!);
const minus = (a: readonly number[], b: readonly number[]): number[] => plus(a, b, -1);
const zero = (like: readonly number[]): number[] => like.map(() => 0);

/** What an oracle holds of one worker. */
interface Node {
  x: number[];
  v: number[];
  /** What it sends next. */
  sent: number[];
}

/** A method in float64: what a step changes, what a split exchange sends, and how the centre moves. */
interface Oracle {
  readonly firstSent: (u0: number[]) => number[];
  /** `u` is what the worker was handed; `fresh` says whether this is its first step since. */
  readonly step: (problem: Quadratics, j: number, node: Node, u: number[], fresh: boolean) => void;
  /** Returns the new u, and what is handed out for it. */
  readonly move: (u: number[], sent: readonly number[][], memory: Map<string, number[]>) => [number[], number[]];
  readonly handsOut: 'moved' | 'unmoved';
}

/** Follows an event log: the order of things comes from the log, the numbers do not. */
function replay({ events, problem, u0 }: Observed, oracle: Oracle, localSteps: number) {
  const { workers } = problem;
  let u = u0;
  // What was handed out under a version.
  const handed = [u0];
  const nodes: Node[] = Array.from({ length: workers }, () => ({
    x: u0,
    v: zero(u0),
    sent: oracle.firstSent(u0),
  }));
  const history = nodes.map(({ sent }) => [sent]);
  const memory = new Map<string, number[]>();
  // The version that each worker should be handed: that of its last move, or the one before.
  const owed = nodes.map(() => 0);
  for (const { kind, facts } of events) {
    const worker = facts['worker'] as number;
    const node = nodes[worker]!;
    if (kind === 'step') {
      expect(facts['version']).toBe(owed[worker]);
      const fresh = ((facts['step'] as number) - 1) % localSteps === 0;
      oracle.step(problem, worker, node, handed[facts['version'] as number]!, fresh);
      history[worker]!.push(node.sent);
    } else if (kind === 'move') {
      const from = [...(facts['from'] as [number, number][])].sort(([a], [b]) => a - b);
      const [next, given] = oracle.move(
        u,
        from.map(([j, step]) => history[j]![step]!),
        memory,
      );
      u = next;
      handed.push(given);
      for (const [j] of from) owed[j] = handed.length - (oracle.handsOut === 'moved' ? 1 : 2);
    }
  }
  return { u, nodes };
}

/** Largest difference relative to the size of the vector. */
function distance(found: readonly number[], expected: readonly number[]): number {
  const size = Math.max(...expected.map(Math.abs), 1e-3);
  return Math.max(...found.map((value, i) => Math.abs(value - expected[i]!))) / size;
}

function expectSame(observed: Observed, oracle: Oracle, localSteps = 1): void {
  const { u, nodes } = replay(observed, oracle, localSteps);
  expect(distance(observed.final('u'), u)).toBeLessThan(1e-6);
  nodes.forEach(({ x, v }, j) => {
    expect(distance(observed.final(`z${j}`), x)).toBeLessThan(1e-6);
    expect(distance(observed.final(`v${j}`), v)).toBeLessThan(1e-6);
  });
}

const add = (u: number[], sent: readonly number[][]): number[] => sent.reduce((sum, each) => plus(sum, each), u);
const mean = (sent: readonly number[][]): number[] =>
  sent[0]!.map((_, i) => sent.reduce((sum, each) => sum + each[i]!, 0) / sent.length);

function easgd(kappa: number): Oracle {
  return {
    firstSent: (u0) => u0,
    step: (problem, j, node, u, fresh) => {
      const { x, v } = node;
      const g = gradient(problem, j, plus(x, v, kappa));
      const next = v.map((value, i) => kappa * value - sigma * g[i]!);
      if (kappa > 0) node.v = next;
      node.x = x.map((value, i) => value + next[i]! - (fresh ? alpha * (value - u[i]!) : 0));
      node.sent = node.x;
    },
    move: (u, sent) => {
      const next = sent.reduce((sum, x) => plus(sum, minus(x, u), alpha), u);
      return [next, next];
    },
    handsOut: 'unmoved',
  };
}

const allReduceEa: Oracle = {
  ...easgd(0),
  step: (problem, j, node, u, fresh) => {
    const from = fresh ? plus(node.x, minus(node.x, u), -alpha) : node.x;
    node.x = plus(from, gradient(problem, j, from), -sigma);
    node.sent = node.x;
  },
};

const downpour: Oracle = {
  firstSent: zero,
  step: (problem, j, node, u, fresh) => {
    if (fresh) [node.x, node.sent] = [u, zero(u)];
    const step = gradient(problem, j, node.x).map((slope) => -sigma * slope);
    node.x = plus(node.x, step);
    node.sent = plus(node.sent, step);
  },
  move: (u, sent) => {
    const next = add(u, sent);
    return [next, next];
  },
  handsOut: 'moved',
};

function localSgd(kappa: number): Oracle {
  return {
    firstSent: (u0) => u0,
    step: (problem, j, node, u, fresh) => {
      if (fresh) [node.x, node.v] = [u, zero(u)];
      const g = gradient(problem, j, plus(node.x, node.v, kappa));
      const v = node.v.map((value, i) => kappa * value - sigma * g[i]!);
      if (kappa > 0) node.v = v;
      node.x = plus(node.x, v);
      node.sent = node.x;
    },
    move: (_, sent) => [mean(sent), mean(sent)],
    handsOut: 'moved',
  };
}

function server(kappa: number): Oracle {
  return {
    firstSent: zero,
    step: (problem, j, node, u) => {
      node.x = u;
      node.sent = gradient(problem, j, u);
    },
    move: (u, sent, memory) => {
      const before = memory.get('v') ?? zero(u);
      const g = mean(sent);
      const v = before.map((value, i) => kappa * value - sigma * g[i]!);
      memory.set('v', v);
      const next = plus(u, v);
      return [next, plus(next, v, kappa)];
    },
    handsOut: 'moved',
  };
}

const elastic = { workerStep: sigma, movingRate: alpha, regularization: nu };
const descent = { workerStep: sigma, regularization: nu };

/** Each method with its keys, the plain loop, and the communication period. */
const rows: readonly [string, AlgorithmInput, Oracle, number][] = [
  ['easgd', { method: 'easgd', ...elastic }, easgd(0), 1],
  ['easgd with a communication period', { method: 'easgd', ...elastic, localSteps: 4 }, easgd(0), 4],
  ['eamsgd', { method: 'eamsgd', ...elastic, momentum: 0.8, localSteps: 3 }, easgd(0.8), 3],
  ['allreduce-ea', { method: 'allreduce-ea', ...elastic, localSteps: 5 }, allReduceEa, 5],
  ['local-sgd', { method: 'local-sgd', ...descent, localSteps: 4 }, localSgd(0), 4],
  ['local-sgd with momentum', { method: 'local-sgd', ...descent, momentum: 0.5, localSteps: 4 }, localSgd(0.5), 4],
  ['downpour, synchronous', { method: 'downpour', ...descent, quorum: 'all', localSteps: 2 }, downpour, 2],
  [
    'async-sgd, synchronous',
    { method: 'async-sgd', consensusStep: sigma, regularization: nu, quorum: 'all' },
    server(0),
    1,
  ],
];

describe('a synchronous run agrees with plain float64 loops', () => {
  it.each(rows)('%s', async (_, algorithm, oracle, localSteps) => {
    expectSame(await observe(algorithm), oracle, localSteps);
  });
});

const delays = {
  stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 },
  latency: { distribution: 'exponential', mean: '3ms' },
  stragglers: [{ workers: [3], slowdown: 4 }],
};

const asynchronous: typeof rows = [
  ['easgd', { method: 'easgd', ...elastic, quorum: 1 }, easgd(0), 1],
  ['eamsgd', { method: 'eamsgd', ...elastic, quorum: 1, momentum: 0.8, localSteps: 3 }, easgd(0.8), 3],
  ['downpour', { method: 'downpour', ...descent }, downpour, 1],
  ['downpour with a fetching period', { method: 'downpour', ...descent, localSteps: 3 }, downpour, 3],
  ['async-sgd', { method: 'async-sgd', consensusStep: sigma, regularization: nu }, server(0), 1],
  ['mdownpour', { method: 'mdownpour', consensusStep: sigma, regularization: nu, momentum: 0.5 }, server(0.5), 1],
  ['local-sgd of a quorum', { method: 'local-sgd', ...descent, quorum: 2, localSteps: 3 }, localSgd(0), 3],
];

describe('an asynchronous run agrees with plain float64 loops over its event log', () => {
  it.each(asynchronous)('%s', async (_, algorithm, oracle, localSteps) => {
    expectSame(await observe(algorithm, { network: delays, stop: { iterations: 100 } }), oracle, localSteps);
  });

  it('easgd with a split exchange: pulls are computed from the u that was asked for, and added as they come', async () => {
    const observed = await observe(
      { method: 'easgd', ...elastic, quorum: 1, exchange: 'split', localSteps: 2 },
      { network: delays, stop: { iterations: 100 } },
    );
    const { problem, u0, events } = observed;
    const versions = [u0];
    const nodes = Array.from({ length: problem.workers }, () => ({ x: u0, pull: zero(u0) }));
    const sent = new Map<string, number[]>();
    for (const { kind, facts } of events) {
      const worker = facts['worker'] as number;
      const node = nodes[worker]!;
      if (kind === 'elastic') {
        node.pull = minus(node.x, versions[facts['version'] as number]!).map((value) => alpha * value);
        sent.set(`${worker}/${facts['step'] as number}`, node.pull);
      } else if (kind === 'step') {
        const pulled = (facts['step'] as number) % 2 === 1 ? minus(node.x, node.pull) : node.x;
        node.x = plus(pulled, gradient(problem, worker, node.x), -sigma);
      } else if (kind === 'move') {
        const from = facts['from'] as [number, number][];
        versions.push(from.reduce((u, [j, step]) => plus(u, sent.get(`${j}/${step}`)!), versions.at(-1)!));
      }
    }
    expect(distance(observed.final('u'), versions.at(-1)!)).toBeLessThan(1e-6);
    nodes.forEach(({ x }, j) => {
      expect(distance(observed.final(`z${j}`), x)).toBeLessThan(1e-6);
    });
    // Others really came between: some pull was added to a u that had moved on since it was computed.
    let version = 0;
    let late = 0;
    for (const { kind, facts } of events) {
      if (kind === 'move') version = facts['version'] as number;
      if (kind === 'deliver' && (facts['version'] as number) < version) late += 1;
    }
    expect(late).toBeGreaterThan(10);
  });
});

describe('limit cases', () => {
  it('quad, jacobi, no momentum and tau = sigma / lambda is synchronous EASGD', async () => {
    const [lambda, eta] = [0.8, 1.2];
    const rate = (2 * sigma) / (lambda * eta * eta);
    const keys = { lambda, eta, workerStep: sigma, consensusStep: sigma / lambda, regularization: nu };
    const observed = await observe(
      { ...keys, coupling: 'jacobi' },
      { network: { stepTime: '10ms' }, stop: { iterations: 40 } },
    );
    const { problem, u0 } = observed;
    let u = u0;
    let x = Array.from({ length: problem.workers }, () => u0);
    for (let t = 0; t < 40; t += 1) {
      const before = { u, x };
      u = before.x.reduce((sum, each) => plus(sum, minus(each, before.u), rate), before.u);
      // The run ends with u^40, before step 40 completes.
      if (t === 39) break;
      x = before.x.map((each, j) => plus(plus(each, gradient(problem, j, each), -sigma), minus(each, before.u), -rate));
    }
    expect(distance(observed.final('u'), u)).toBeLessThan(1e-6);
    x.forEach((each, j) => {
      expect(distance(observed.final(`z${j}`), each)).toBeLessThan(1e-6);
    });
  });

  it('consensusScaling mean is the arithmetic mean of the copies', async () => {
    const { final } = await observe(
      { workerStep: sigma, consensusScaling: 'mean', lambda: 1 },
      { network: { stepTime: '10ms' }, stop: { iterations: 7 } },
    );
    // The run ends with the move: the copies that made u are still there.
    const copies = [0, 1, 2, 3].map((j) => final(`z${j}`));
    expect(distance(final('u'), mean(copies))).toBeLessThan(1e-6);
  });

  it('asynchronous with one worker and no delay is momentum SGD with the elastic term', async () => {
    const [lambda, tau, kappa] = [0.5, 0.04, 0.7];
    const observed = await observe(
      { lambda, workerStep: sigma, consensusStep: tau, momentum: kappa, regularization: nu, quorum: 1 },
      { workers: 1, stop: { iterations: 60 } },
    );
    const { problem, u0 } = observed;
    let [u, z, v] = [u0, u0, zero(u0)];
    for (let t = 1; t <= 60; t += 1) {
      u = plus(u, minus(u, z), -2 * tau);
      if (t === 60) break;
      const y = plus(z, v, kappa);
      const slope = plus(gradient(problem, 0, y), minus(u, y), -2 / lambda);
      v = v.map((value, i) => kappa * value - sigma * slope[i]!);
      z = plus(z, v);
    }
    expect(distance(observed.final('u'), u)).toBeLessThan(1e-6);
    // v, a small difference of iterates by now, in units of z.
    expect(distance([...observed.final('z0'), ...observed.final('v0')], [...z, ...v])).toBeLessThan(1e-6);
  });

  it('penaltyAt: current takes the force at z, and the gradient at z + kappa v', async () => {
    const [lambda, tau, kappa] = [0.5, 0.04, 0.7];
    const keys = { lambda, workerStep: sigma, consensusStep: tau, momentum: kappa, regularization: nu };
    const { problem, u0, final } = await observe({ ...keys, penaltyAt: 'current' }, { stop: { iterations: 40 } });
    let u = u0;
    const nodes = Array.from({ length: problem.workers }, () => ({ z: u0, v: zero(u0) }));
    for (let t = 1; t <= 40; t += 1) {
      u = nodes.reduce((sum, { z }) => plus(sum, minus(u, z), -2 * tau), u);
      if (t === 40) break;
      nodes.forEach((node, j) => {
        const slope = plus(gradient(problem, j, plus(node.z, node.v, kappa)), minus(u, node.z), -2 / lambda);
        node.v = node.v.map((value, i) => kappa * value - sigma * slope[i]!);
        node.z = plus(node.z, node.v);
      });
    }
    expect(distance(final('u'), u)).toBeLessThan(1e-6);
    nodes.forEach(({ z }, j) => {
      expect(distance(final(`z${j}`), z)).toBeLessThan(1e-6);
    });
  });

  it.each([
    ['downpour with one worker and period 1', { method: 'downpour', ...descent }],
    ['async-sgd with one worker', { method: 'async-sgd', consensusStep: sigma, regularization: nu }],
    ['local-sgd with one worker', { method: 'local-sgd', ...descent, localSteps: 1 }],
    ['msgd without momentum', { method: 'msgd', ...descent, momentum: 0 }],
  ] as [string, AlgorithmInput][])('%s is SGD', async (_, algorithm) => {
    const observed = await observe(algorithm, { workers: 1, stop: { iterations: 60 } });
    let x = observed.u0;
    // The first exchange comes before the first step.
    for (let t = 1; t < 60; t += 1) x = plus(x, gradient(observed.problem, 0, x), -sigma);
    expect(distance(observed.final('u'), x)).toBeLessThan(1e-6);
  });

  it('msgd is SGD with Nesterov momentum', async () => {
    const observed = await observe(
      { method: 'msgd', ...descent, momentum: 0.9 },
      { workers: 1, stop: { iterations: 60 } },
    );
    let [x, v] = [observed.u0, zero(observed.u0)];
    for (let t = 1; t < 60; t += 1) {
      const g = gradient(observed.problem, 0, plus(x, v, 0.9));
      v = v.map((value, i) => 0.9 * value - sigma * g[i]!);
      x = plus(x, v);
    }
    expect(distance([...observed.final('u'), ...observed.final('v0')], [...x, ...v])).toBeLessThan(1e-6);
  });

  // ALGORITHMS 2.6: stable just when alpha <= (4 - 2 sigma) / (4 - sigma), for any number of workers.
  it.each([
    [1, 0.62, 3, true],
    [1, 0.72, 3, false],
    [1.5, 0.35, 5, true],
    [1.5, 0.45, 5, false],
  ])('round-robin EASGD, step %d, rate %d, %d workers: stable is %s', async (step, rate, workers, stable) => {
    const { problem, final } = await observe(
      { method: 'easgd', workerStep: step, movingRate: rate, quorum: 1 },
      {
        data: { dataset: 'quadratic', dimension: 1, condition: 1, spread: 0 },
        workers,
        stop: { iterations: 250 * workers },
      },
    );
    const error = Math.abs(final('u')[0]! - problem.c[0]!);
    if (stable) expect(error).toBeLessThan(1e-4);
    else expect(error).toBeGreaterThan(1e4);
  });

  it.each([
    ['literal', 1],
    ['scaled', 8],
  ] as const)('sum gradients are mean gradients in other units (%s)', async (consensusScaling, factor) => {
    const batch = 8;
    const keys = { momentum: 0.5, consensusScaling };
    const finalOf = async (algorithm: AlgorithmInput): Promise<number[]> => {
      const scenario = defineScenario({
        seed: 4,
        data: { dataset: 'logistic', batchSize: batch },
        algorithm,
        stop: { iterations: 50 },
      });
      const { final } = await (await prepare(scenario)).toEnd();
      return Object.values(final.tensors).flatMap(({ values }) => Array.from(values));
    };
    const [sum, average] = await Promise.all([
      finalOf({ ...keys, gradient: 'sum', workerStep: 0.01, lambda: 0.4, regularization: 0.08, consensusStep: 0.02 }),
      finalOf({
        ...keys,
        gradient: 'mean',
        workerStep: batch * 0.01,
        lambda: batch * 0.4,
        regularization: 0.08 / batch,
        consensusStep: factor * 0.02,
      }),
    ]);
    expect(distance(sum, average)).toBeLessThan(1e-5);
    expect(Math.max(...sum.map(Math.abs))).toBeGreaterThan(0.1);
  });
});
