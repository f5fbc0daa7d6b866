/** Two hundred steps of training on every engine of this machine. */
import { describe, expect, it } from 'vitest';
import { findEngines } from '../../src/compute/engines.js';
import { defineScenario } from '../../src/scenario/scenario.js';
import { prepare } from '../../src/scenario/simulate.js';

interface Trained {
  readonly loss: number;
  readonly digests: { readonly events: string; readonly state: string };
}

/** The loss after 200 steps of an asynchronous run of four workers, with momentum and delays that differ. */
async function train(engine: Record<string, unknown>): Promise<Trained> {
  const scenario = defineScenario({
    seed: 3,
    data: { dataset: 'logistic', dimension: 6, samplesPerWorker: 100, batchSize: 10 },
    workers: 4,
    algorithm: { lambda: 0.5, workerStep: 0.3, consensusStep: 0.1, momentum: 0.5, regularization: 0.01, quorum: 2 },
    network: { stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 }, latency: '1ms' },
    monitor: { every: { iterations: 1_000 }, measures: ['train_loss'] },
    stop: { steps: 200 },
    engine,
  } as never);
  const run = await prepare(scenario);
  let loss = NaN;
  run.measurements$.subscribe(({ value }) => (loss = value));
  const { digests } = await run.toEnd();
  return { loss, digests };
}

const found = (await findEngines()).filter(({ library }) => library !== undefined);
const reference = await train({ runner: 'eager', device: 'cpu' });

describe('two hundred steps', () => {
  it('learn', async () => {
    const scenario = { runner: 'eager', device: 'cpu' };
    expect(reference.loss).toBeGreaterThan(0);
    expect(reference.loss).toBeLessThan(0.75 * 400 * Math.LN2);
    expect((await train(scenario)).digests).toEqual(reference.digests);
  });

  describe.each(found)('on $runner $device', ({ runner, device }) => {
    it.each([1, 'auto'])('end with the same loss, steps being evaluated together: %s', async (batch) => {
      const { loss, digests } = await train({ runner, device, batch, threads: 1 });
      expect(Math.abs(loss / reference.loss - 1)).toBeLessThan(0.01);
      expect(digests.events).toBe(reference.digests.events);
      expect((await train({ runner, device, batch, threads: 2 })).digests).toEqual(digests);
    });
  });
});
