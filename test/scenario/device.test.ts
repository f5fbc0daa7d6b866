/** Whole runs whose vectors stay on a device: they must tell the story that the processor tells. */
import { describe, expect, it } from 'vitest';
import { defineScenario } from '../../src/scenario/scenario.js';
import { prepare, type RunResult } from '../../src/scenario/simulate.js';
import { findDevices } from '../compute/devices.js';

const devices = await findDevices();

// 7,850 parameters: enough to stay on a device.
const alternating = { lambda: 0.5, workerStep: 0.01, consensusStep: 0.05, momentum: 0.9 };

async function run(
  device: string,
  { algorithm = {}, network = {}, method = alternating }: Record<string, object>,
): Promise<RunResult> {
  const scenario = defineScenario({
    seed: 5,
    data: { dataset: 'mnist', batchSize: 10 },
    model: 'softmax',
    workers: 5,
    algorithm: { ...method, ...algorithm },
    network: { stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.5 }, latency: '1ms', ...network },
    monitor: { every: { iterations: 3 }, measures: ['gap'] },
    stop: { iterations: 6 },
    engine: { device },
  } as never);
  return (await prepare(scenario)).toEnd();
}

const kinds: [string, Record<string, object>][] = [
  ['synchronous', {}],
  ['asynchronous', { algorithm: { quorum: 1, combine: 'arrived' } }],
  ['with part of the workers as quorum', { algorithm: { quorum: 3, overlap: true } }],
  ['under a potential with a domain', { algorithm: { potential: 'log', eta: 2 } }],
  ['of updates, with a velocity of u', { method: { method: 'mdownpour', consensusStep: 0.01, momentum: 0.5 } }],
  ['compressed', { network: { compression: { up: { codec: 'int8' }, down: { codec: 'top-k', share: 0.5 } } } }],
];

describe.skipIf(devices.length === 0)('where there is a device beside the processor', () => {
  describe.each(devices)('a run on $device', ({ device }) => {
    it.each(kinds)('%s has the events of the processor, and nearly its numbers', async (_, options) => {
      const [there, here] = [await run(device, options), await run('cpu', options)];
      expect(there.status).toBe('completed');
      expect(there.digests.events).toBe(here.digests.events);
      for (const [name, { values }] of Object.entries(there.final.tensors)) {
        const wanted = here.final.tensors[name]!.values;
        const wrong = values.findIndex((value, index) => Math.abs(value - wanted[index]!) > 1e-4);
        if (wrong >= 0) expect.fail(`${name}[${wrong}] is ${values[wrong]!}, not ${wanted[wrong]!}`);
      }
      expect((await run(device, options)).digests).toEqual(there.digests);
    });

    it('ends where the processor ends when it diverges', async () => {
      const options = { algorithm: { workerStep: 1e30 } };
      const [there, here] = [await run(device, options), await run('cpu', options)];
      expect(there.status).toBe('diverged');
      expect(there.reason).toBe(here.reason);
      expect(there.digests.events).toBe(here.digests.events);
    });
  });
});
