/** Whole runs under the bounded potentials, at step sizes that would leave the domain at once. */
import { describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import { layoutOf } from '../../src/compute/layout.js';
import { drawNormal } from '../../src/kernel/draws.js';
import { Streams } from '../../src/kernel/streams.js';
import { losses } from '../../src/learning/losses.js';
import { models } from '../../src/learning/models.js';
import { methodsOver } from '../../src/optimization/methods.js';
import { potentials } from '../../src/optimization/potentials.js';
import { defineScenario } from '../../src/scenario/scenario.js';
import type { AlgorithmInput, ScenarioInput } from '../../src/scenario/schema.js';
import { simulate } from '../../src/scenario/simulate.js';

/** The radius of the domain at eta = 1: of a layer, or of every coordinate. */
const radii = { tan: 1.2533141, 'tan-sep': 1.2533141, log: 1, 'log-sep': 1 };
const names = Object.keys(radii) as (keyof typeof radii)[];
const eta = 0.5;
const dimension = 5;
const workers = 3;

type Alternating = Extract<AlgorithmInput, { method?: 'alternating' }>;

/** Runs with a step size of many radii; returns the status, the truncations and the largest gap at every move. */
async function run(algorithm: Alternating, rest: Partial<ScenarioInput> = {}) {
  const scenario = defineScenario({
    data: { dataset: 'quadratic', dimension, condition: 5, spread: 4 },
    workers,
    algorithm: { lambda: 0.3, eta, workerStep: 0.8, consensusStep: 0.5, momentum: 0.9, ...algorithm },
    monitor: { every: { iterations: 1 }, measures: ['gap_max', 'truncations', 'splitting_objective'] },
    stop: { iterations: 300 },
    ...rest,
  });
  const { measurements$, result } = simulate(scenario);
  const seen: Record<string, number[]> = { gap_max: [], truncations: [], splitting_objective: [] };
  measurements$.subscribe(({ measure, value }) => seen[measure]!.push(value));
  // An iterate outside the domain rejects the result.
  const { status, final } = await result;
  return {
    status,
    final,
    gaps: seen['gap_max']!,
    truncations: seen['truncations']!.at(-1)!,
    objective: seen['splitting_objective']!,
  };
}

describe.each(names)('under %s', (potential) => {
  it.each([
    ['literal', 'lookahead'],
    ['scaled', 'current'],
    ['mean', 'lookahead'],
  ] as const)('synchronous runs stay inside (%s, %s)', async (consensusScaling, penaltyAt) => {
    const { status, gaps, truncations, objective } = await run({ potential, consensusScaling, penaltyAt });
    expect(status).toBe('completed');
    expect(truncations).toBeGreaterThan(10);
    // u has moved just now, and must be inside around every z_j: a box reaches sqrt(n) times as far.
    const radius = eta * radii[potential] * (potential.endsWith('sep') ? Math.sqrt(dimension) : 1);
    expect(Math.max(...gaps)).toBeLessThan(radius);
    expect(objective.every(Number.isFinite)).toBe(true);
  });

  it.each([
    { quorum: 1, combine: 'latest' },
    { quorum: 1, combine: 'arrived', localSteps: 3 },
    { quorum: 2, combine: 'latest', overlap: true },
  ] as const)('asynchronous runs pull back what a stale u has left outside, and go on (%o)', async (exchange) => {
    const { status, truncations, final } = await run(
      { potential, consensusScaling: 'scaled', ...exchange },
      {
        network: {
          stepTime: { distribution: 'exponential', mean: '10ms' },
          latency: { distribution: 'pareto', minimum: '2ms', shape: 1.2 },
        },
      },
    );
    expect(status).toBe('completed');
    expect(truncations).toBeGreaterThan(10);
    expect(Object.values(final.tensors).every(({ values }) => values.every(Number.isFinite))).toBe(true);
  });
});

describe('a step taken whole', async () => {
  const runner = await openRunner({ runner: 'onnx', device: 'cpu', threads: 1 }, {});
  const model = models.mlp.build({ hidden: [4] }, { rowShape: [3], outputs: 2 });
  const layout = layoutOf(model.parameters);
  const { alternating } = methodsOver(potentials);
  const random = new Streams(5).stream('test', 'vectors');
  const vector = (size: number): Float32Array =>
    Float32Array.from({ length: layout.count }, () => size * drawNormal(random));

  it.each(names)('under %s has the bits of the searched one wherever nothing need be searched', async (potential) => {
    const { workerStep, consensusMove } = alternating.rules(
      alternating.options.parse({ potential, momentum: 0.9, consensusScaling: 'scaled', workerStep: 1 }),
      {
        layout,
        sampleLosses: (parameters, inputs, targets) =>
          losses['cross-entropy'].perSample(model.apply(parameters, inputs), targets),
        batch: { inputs: { shape: [null, 3], dtype: 'float32' }, targets: { shape: [null], dtype: 'int32' } },
      },
    );
    const counts = { whole: 0, searched: 0 };
    for (let index = 0; index < 200; index += 1) {
      const u = vector(0.3);
      // From well inside to well outside.
      const size = 0.4 * random.double();
      const near = (): Float32Array => vector(size).map((value, place) => value + u[place]!);
      const batch = { inputs: vector(1).slice(0, 6), targets: Int32Array.of(0, 1) };
      const step = { u, z: near(), v: vector(size / 2), sigma: Float32Array.of(0.05), ...batch };
      const move = { u, z: [near(), near(), near()], tau: Float32Array.of(0.01) };
      for (const [{ whole, searched }, inputs] of [
        [workerStep, step],
        [consensusMove, move],
      ] as const) {
        const first = await runner.call(whole, inputs);
        const second = await runner.call(searched!, inputs);
        expect(second['outside']![0]).toBe(0);
        const same = first['leaves']![0] === 0;
        counts[same ? 'whole' : 'searched'] += 1;
        expect(second['truncations']![0] === 0).toBe(same);
        const close = Object.keys(first).filter((name) => name in second);
        for (const name of close) {
          // The mean of copies, or u plus a move, may be rounded differently; a worker's step may not.
          if (same && whole === workerStep.whole) expect(second[name]).toEqual(first[name]);
        }
      }
    }
    expect(Math.min(counts.whole, counts.searched)).toBeGreaterThan(30);
  });
});

describe('unbounded potentials', () => {
  it.each(['quad', 'cubic'] as const)('%s truncates nothing', async (potential) => {
    const { truncations } = await run({ potential, workerStep: 0.01, consensusStep: 0.01 });
    expect(truncations).toBe(0);
  });
});
