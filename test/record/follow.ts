/** Runs scenarios to their end, and keeps all that they tell. */
import { lastValueFrom, toArray, type Observable } from 'rxjs';
import { defineScenario, prepare, type ScenarioInput } from '../../src/index.js';

export async function follow(input: ScenarioInput) {
  const scenario = defineScenario(input);
  const run = await prepare(scenario);
  const all = <Value>(values$: Observable<Value>): Promise<Value[]> => lastValueFrom(values$.pipe(toArray()));
  const told = Promise.all([all(run.events$), all(run.losses$), all(run.measurements$)] as const);
  const result = await run.toEnd();
  const [events, losses, measurements] = await told;
  const workers = Array.from({ length: scenario.settings.workers }, (_, worker) => `worker-${worker}`);
  return { workers, result, timeNs: Math.round(result.virtualSeconds * 1e9), events, losses, measurements };
}

/** A problem that is over at once; a copy has 40 bytes. */
export const quadratic = {
  data: { dataset: 'quadratic', dimension: 10 },
  algorithm: { lambda: 1, workerStep: 0.05, consensusStep: 0.05 },
} as const satisfies Partial<ScenarioInput>;

/** A second in which all that can go wrong does. */
export const faulty: ScenarioInput = {
  ...quadratic,
  seed: 3,
  workers: 4,
  algorithm: { ...quadratic.algorithm, quorum: 2 },
  network: {
    stepTime: { distribution: 'lognormal', median: '10ms', sigma: 0.3 },
    latency: { distribution: 'lognormal', median: '2ms', sigma: 0.5 },
    bandwidth: '1Mbit/s',
    loss: 0.05,
    duplication: 0.05,
    retransmission: { timeout: '30ms' },
    faults: [
      { crash: 'worker-1', at: '102ms', for: '150ms' },
      { pause: 'worker-2', at: '187ms', for: '90ms' },
      { join: 'worker-3', at: '300ms' },
    ],
    partitions: [{ workers: [0], at: '400ms', for: '50ms' }],
  },
  monitor: { every: { iterations: 50 }, measures: ['staleness'] },
  stop: { virtualTime: '1s' },
};
