/** Runs scenarios to their end, and keeps all that they tell. */
import { defineScenario, prepare, type ScenarioInput } from '../../src/index.js';
import type { TimedMeasurement } from '../../src/kernel/ledger.js';
import type { LoggedEvent, Loss, Start, Struck } from '../../src/kernel/simulation.js';
import type { Attribution } from '../../src/record/attribution.js';
import type { ChromeTrace } from '../../src/record/chromeTrace.js';

/** What a run tells, one at a time. */
export interface Told {
  readonly event?: LoggedEvent;
  readonly loss?: Loss;
  readonly start?: Start;
  readonly struck?: Struck;
}

export async function follow(input: ScenarioInput) {
  const scenario = defineScenario(input);
  const run = await prepare(scenario);
  const told: Told[] = [];
  const measurements: TimedMeasurement[] = [];
  run.events$.subscribe((event) => told.push({ event }));
  run.losses$.subscribe((loss) => told.push({ loss }));
  run.starts$.subscribe((start) => told.push({ start }));
  run.strikes$.subscribe((struck) => told.push({ struck }));
  run.measurements$.subscribe((measurement) => measurements.push(measurement));
  const result = await run.toEnd();
  return {
    workers: Array.from({ length: scenario.settings.workers }, (_, worker) => `worker-${worker}`),
    result,
    timeNs: Math.round(result.virtualSeconds * 1e9),
    told,
    events: told.flatMap(({ event }) => event ?? []),
    losses: told.flatMap(({ loss }) => loss ?? []),
    measurements,
  };
}

/** Tells it to an attribution, and to a trace. */
export function attribute(told: readonly Told[], attribution: Attribution, trace?: ChromeTrace): void {
  for (const { event, loss, start, struck } of told) {
    if (event !== undefined) {
      attribution.see(event);
      trace?.see(event);
    }
    if (loss !== undefined) {
      attribution.lose(loss);
      trace?.lose(loss);
    }
    if (start !== undefined) attribution.begin(start);
    if (struck !== undefined) attribution.strike(struck);
  }
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

/** A second in which the busy fraction is measured at the end. */
function mishap(network: ScenarioInput['network'], algorithm: object = {}): ScenarioInput {
  return {
    ...quadratic,
    seed: 5,
    workers: 4,
    algorithm: { ...('method' in algorithm ? {} : quadratic.algorithm), ...algorithm },
    network: { stepTime: '10ms', latency: '2ms', ...network },
    monitor: { every: { iterations: 1_000_000 }, measures: ['busy_fraction'] },
    stop: { virtualTime: '1s' },
  };
}

const often = { distribution: 'exponential', mean: '40ms' } as const;
const again = { every: often, for: often, until: '800ms' } as const;

/** More that can go wrong. */
export const mishaps: readonly (readonly [what: string, ScenarioInput])[] = [
  [
    'a crash of the consensus node, in synchronous rounds',
    mishap({ faults: [{ crash: 'consensus', at: '105ms', for: '100ms' }] }),
  ],
  [
    'a pause of the consensus node that begins before its crash, and would end after that',
    mishap({
      faults: [
        { pause: 'consensus', at: '105ms', for: '200ms' },
        { crash: 'consensus', at: '150ms', for: '100ms' },
      ],
    }),
  ],
  [
    'faults that overlap, a kill, and a worker that never joins',
    mishap(
      {
        faults: [
          { crash: 'worker-0', at: '101ms', for: '200ms', memory: 'lost' },
          { crash: 'worker-0', at: '151ms', for: '50ms' },
          { pause: 'worker-1', at: '102ms', for: '100ms' },
          { pause: 'worker-1', at: '152ms', for: '100ms' },
          { crash: 'worker-1', at: '222ms', for: '10ms' },
          { kill: 'worker-2', at: '403ms' },
          { join: 'worker-3', at: '5s' },
        ],
      },
      { quorum: 1, overlap: true },
    ),
  ],
  [
    'faults that come again and again, with a bottleneck and a bound on staleness',
    mishap(
      {
        bottleneck: { up: '100kbit/s', down: '100kbit/s' },
        faults: ['worker-0', 'worker-1', 'consensus'].flatMap((who) => [
          { crash: who, ...again },
          { pause: who, ...again },
        ]),
      },
      { quorum: 1, overlap: true, staleness: { max: 2 } },
    ),
  ],
  [
    'faults and losses in asynchronous EASGD, whose workers ask before they send',
    mishap(
      {
        loss: 0.1,
        duplication: 0.1,
        retransmission: { timeout: '15ms' },
        faults: ['worker-0', 'worker-1', 'consensus'].map((who) => ({ crash: who, ...again })),
      },
      { method: 'easgd', workerStep: 0.05, quorum: 1, exchange: 'split', localSteps: 2 },
    ),
  ],
];
