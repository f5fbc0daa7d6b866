import { describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import type { Runner } from '../../src/compute/runner.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { here } from '../../src/vector.js';
import { prepare } from '../../src/scenario/simulate.js';
import { defineScenario } from '../../src/scenario/scenario.js';

const double: TensorFunction = {
  name: 'double',
  inputs: { x: { shape: [3], dtype: 'float32' }, by: { shape: [1], dtype: 'float32' } },
  evaluate: ({ x, by }) => ({ y: x!.mul(by!), sum: x!.sum().reshape([1]) }),
};

async function withRunner(batch: number | 'auto', use: (runner: Runner) => Promise<void>): Promise<void> {
  const runner = await openRunner({ runner: 'onnx', device: 'cpu', threads: 1, batch }, {});
  try {
    await use(runner);
  } finally {
    await runner.close();
  }
}

/** Whether a promise is settled when everything that is under way has been done. */
async function isSettled(result: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void result.then(() => (settled = true));
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

const feeds = (start: number, by = Float32Array.of(2)) => ({ x: Float32Array.of(start, start + 1, start + 2), by });

describe('calls that join', () => {
  it.each([1, 2, 3, 5, 7, 8, 13])('are evaluated each by its own inputs, %i at a time', async (count) => {
    await withRunner(16, async (runner) => {
      const results = Array.from({ length: count }, (_, index) =>
        runner.join(double, feeds(index, Float32Array.of(index))),
      );
      for (const [index, result] of results.entries()) {
        const { y, sum } = await runner.wait(result);
        expect([...here(y!)]).toEqual([0, 1, 2].map((offset) => (index + offset) * index));
        expect([...here(sum!)]).toEqual([3 * index + 3]);
      }
    });
  });

  it('may have inputs in common', async () => {
    await withRunner(8, async (runner) => {
      const by = Float32Array.of(3);
      const results = [0, 10, 20, 30].map((start) => runner.join(double, feeds(start, by)));
      const all = await Promise.all(results.map((result) => runner.wait(result)));
      expect(all.map(({ y }) => [...here(y!)])).toEqual([0, 10, 20, 30].map((x) => [3 * x, 3 * x + 3, 3 * x + 6]));
      const { x } = feeds(1);
      const same = [1, 2].map(() => runner.join(double, { x, by }));
      expect((await Promise.all(same.map((result) => runner.wait(result)))).map(({ y }) => [...here(y!)])).toEqual([
        [3, 6, 9],
        [3, 6, 9],
      ]);
    });
  });

  it('wait until one of them is needed, and then all are evaluated', async () => {
    await withRunner(8, async (runner) => {
      const [first, second] = [runner.join(double, feeds(1)), runner.join(double, feeds(2))];
      expect(await isSettled(second)).toBe(false);
      await runner.wait(first);
      expect(await isSettled(second)).toBe(true);
    });
  });

  it('are evaluated when as many as may be together have come', async () => {
    await withRunner(2, async (runner) => {
      const results = [1, 2, 3].map((start) => runner.join(double, feeds(start)));
      expect(await Promise.all(results.map(isSettled))).toEqual([true, true, false]);
    });
  });

  it('fail together where the function cannot be evaluated', async () => {
    await withRunner(4, async (runner) => {
      const wrong = { x: Float32Array.of(1, 2, 3), by: { table: 'none', indices: Int32Array.of(0) } };
      const results = [runner.join(double, wrong), runner.join(double, wrong)];
      await expect(runner.wait(results[0]!)).rejects.toThrow();
      await expect(results[1]).rejects.toThrow();
    });
  });
});

/** The digests of a run, and the last value of everything it measured. */
async function run(settings: Record<string, unknown>, engine: Record<string, unknown>) {
  const prepared = await prepare(defineScenario({ ...settings, engine } as never));
  const last = new Map<string, number>();
  prepared.measurements$.subscribe(({ measure, worker, value }) => last.set(`${measure}/${worker ?? ''}`, value));
  const { digests } = await prepared.toEnd();
  return { digests, last };
}

const delays = { stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 }, latency: '2ms' };
const quadratic = {
  data: { dataset: 'quadratic', dimension: 4 },
  workers: 12,
  network: delays,
  monitor: { every: { iterations: 40 }, measures: ['gap', 'objective', 'staleness', 'busy_fraction'] },
};
const scenarios: Record<string, Record<string, unknown>> = {
  'a synchronous run': { ...quadratic, algorithm: { lambda: 1, workerStep: 0.05 }, stop: { iterations: 80 } },
  'an asynchronous run': {
    ...quadratic,
    algorithm: { lambda: 1, workerStep: 0.05, consensusStep: 0.01, quorum: 1, momentum: 0.5 },
    stop: { iterations: 400 },
  },
  'a run whose steps are shortened to stay in a domain': {
    ...quadratic,
    algorithm: { potential: 'log', lambda: 1, eta: 0.5, workerStep: 0.5, consensusStep: 0.01, quorum: 2 },
    monitor: { every: { iterations: 40 }, measures: ['gap', 'truncations'] },
    stop: { iterations: 200 },
  },
  'softmax on digits': {
    data: { dataset: 'mnist', batchSize: 10 },
    model: 'softmax',
    workers: 6,
    network: delays,
    algorithm: { lambda: 0.5, workerStep: 0.05, consensusStep: 0.05, quorum: 3, localSteps: 2, overlap: true },
    monitor: { every: { iterations: 50 }, measures: ['gap', 'test_error'] },
    stop: { iterations: 100 },
  },
};

describe('steps that are evaluated together', () => {
  it.each(Object.entries(scenarios))('change no event of %s, and no value beyond rounding', async (_, settings) => {
    const [alone, together, again] = [
      await run(settings, { batch: 1 }),
      await run(settings, { batch: 8, threads: 1 }),
      await run(settings, { batch: 8, threads: 2 }),
    ];
    expect(again.digests).toEqual(together.digests);
    expect(together.digests.events).toBe(alone.digests.events);
    expect([...together.last.keys()]).toEqual([...alone.last.keys()]);
    for (const [measure, value] of alone.last) {
      expect(Math.abs(together.last.get(measure)! - value), measure).toBeLessThan(1e-5 + 1e-3 * Math.abs(value));
    }
  });

  it('have the same bits on one thread and on two where they are worth a thread', async () => {
    const settings = {
      data: { dataset: 'mnist', batchSize: 20 },
      model: 'lenet5',
      workers: 5,
      network: delays,
      algorithm: { lambda: 0.1, workerStep: 0.01, momentum: 0.9, quorum: 2, consensusStep: 0.01 },
      stop: { iterations: 8 },
    };
    const digests = await Promise.all(
      [1, 2].map(async (threads) => (await run(settings, { batch: 4, threads })).digests),
    );
    expect(digests[0]).toEqual(digests[1]);
    expect(digests[0]!.events).toBe((await run(settings, { batch: 1 })).digests.events);
  });

  it('name the one that diverges', async () => {
    const settings = {
      ...quadratic,
      algorithm: { lambda: 1, workerStep: 1e6, consensusScaling: 'mean' },
      stop: { iterations: 100 },
    };
    const prepared = await prepare(defineScenario({ ...settings, engine: { batch: 8 } } as never));
    const { status, reason } = await prepared.toEnd();
    expect(status).toBe('diverged');
    expect(reason).toMatch(/^worker-\d+ diverged at step \d+: its \w+ is not finite$/);
  });
});
