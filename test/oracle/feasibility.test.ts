/** Whole runs under the bounded potentials, at step sizes that would leave the domain at once. */
import { describe, expect, it } from 'vitest';
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

describe('unbounded potentials', () => {
  it.each(['quad', 'cubic'] as const)('%s truncates nothing', async (potential) => {
    const { truncations } = await run({ potential, workerStep: 0.01, consensusStep: 0.01 });
    expect(truncations).toBe(0);
  });
});
