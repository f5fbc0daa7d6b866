/** Runs scenarios: what the command line and the library share. */
import { Subject, type Observable } from 'rxjs';
import type { Fingerprint } from '../compute/runner.js';
import type { Parameter } from '../compute/layout.js';
import { digestOf } from '../kernel/digest.js';
import type { TimedMeasurement } from '../kernel/ledger.js';
import {
  runSimulation,
  type LoggedEvent,
  type Loss,
  type Outcome,
  type Start,
  type Struck,
} from '../kernel/simulation.js';
import type { Assignment } from '../learning/partition.js';
import { skewOf, type Skew } from '../learning/partitions.js';
import { encodeSafetensors, type NamedTensors } from '../record/safetensors.js';
import { assemble, type Assembly } from './assemble.js';
import { encodeScenario, withPlace, type Scenario } from './scenario.js';
import type { ScenarioInput } from './schema.js';
import { initialState, nameTensors, stateOf } from './state.js';

export type RunStatus = 'completed' | 'diverged' | 'interrupted' | 'failed';

/** What is known before the first event. */
export interface RunStart {
  /** The scenario with every default filled in; it is again a scenario. */
  readonly scenario: ScenarioInput;
  readonly seed: number;
  readonly engine: Fingerprint;
  readonly parameters: { readonly count: number; readonly layout: readonly Parameter[] };
  /** Sizes of the sets, and the SHA-256 of their inputs and targets. */
  readonly sets: Readonly<Record<string, { readonly count: number; readonly sha256: string }>>;
  readonly skew: Skew;
  readonly assignment: Assignment;
  readonly initial: NamedTensors;
  /** What defines a synthetic problem. */
  readonly problem: NamedTensors | undefined;
}

/** How a run ended. */
export interface RunResult {
  readonly status: RunStatus;
  /** The limit that was reached, or what went wrong. */
  readonly reason: string;
  readonly virtualSeconds: number;
  readonly counts: {
    readonly events: number;
    readonly messages: number;
    readonly bytes: number;
    /** Messages of those that never arrived. */
    readonly lost: number;
    readonly steps: number;
    readonly moves: number;
  };
  readonly digests: { readonly events: string; readonly state: string };
  /** By function, operators that the device has not, and the processor evaluated. */
  readonly onCpu: Readonly<Record<string, readonly string[]>>;
  /** u, z_j and v_j by the names of the contract; `bytes` is final.safetensors. */
  readonly final: { readonly tensors: NamedTensors; readonly bytes: Uint8Array };
}

/** A run that has been prepared: everything is loaded and checked, and nothing has happened yet. */
export interface Run {
  readonly start: RunStart;
  /** Measurements in the order of metrics.jsonl. */
  readonly measurements$: Observable<TimedMeasurement>;
  /** Processed events in their order. */
  readonly events$: Observable<LoggedEvent>;
  /** Copies of messages that never arrive. */
  readonly losses$: Observable<Loss>;
  /** Steps that begin, and what strikes actors: with them, what a crash or the end cuts off can be told. */
  readonly starts$: Observable<Start>;
  readonly strikes$: Observable<Struck>;
  /** Runs to the end, once. Rejects only on bugs. */
  readonly toEnd: (options?: RunOptions) => Promise<RunResult>;
  /** Frees the engine; `toEnd` does that too. */
  readonly close: () => Promise<void>;
}

export interface RunOptions {
  /** Ends the run between two events. */
  readonly signal?: AbortSignal;
  /** Ends the run after so many events. */
  readonly events?: number;
}

/** Loads and checks all that `scenario` needs. Throws BadInput, with its place in the scenario. */
export async function prepare(scenario: Scenario): Promise<Run> {
  let assembly: Assembly;
  try {
    assembly = await assemble(scenario);
  } catch (error) {
    throw withPlace(error, scenario);
  }
  const measurements$ = new Subject<TimedMeasurement>();
  const events$ = new Subject<LoggedEvent>();
  const losses$ = new Subject<Loss>();
  const starts$ = new Subject<Start>();
  const strikes$ = new Subject<Struck>();
  return {
    start: describeStart(scenario, assembly),
    measurements$: measurements$.asObservable(),
    events$: events$.asObservable(),
    losses$: losses$.asObservable(),
    starts$: starts$.asObservable(),
    strikes$: strikes$.asObservable(),
    close: assembly.close,
    toEnd: async ({ signal, events } = {}) => {
      const { simulation } = assembly;
      try {
        const outcome = await runSimulation({
          ...simulation,
          limits: { ...simulation.limits, ...(events === undefined ? {} : { events }) },
          onEvent: (event) => {
            events$.next(event);
          },
          onMeasurement: (measurement) => {
            measurements$.next(measurement);
          },
          onLoss: (loss) => {
            losses$.next(loss);
          },
          onStart: (start) => {
            starts$.next(start);
          },
          onStrike: (struck) => {
            strikes$.next(struck);
          },
          ...(signal === undefined ? {} : { signal }),
        });
        return await describeResult(outcome, assembly, await assembly.onCpu());
      } catch (error) {
        throw withPlace(error, scenario);
      } finally {
        await assembly.close();
        events$.complete();
        losses$.complete();
        starts$.complete();
        strikes$.complete();
        measurements$.complete();
      }
    },
  };
}

/** A run under way. */
export interface Handle {
  readonly measurements$: Observable<TimedMeasurement>;
  readonly events$: Observable<LoggedEvent>;
  readonly result: Promise<RunResult>;
}

/** Simulates `scenario`. What is bad about it rejects `result` with BadInput. */
export function simulate(scenario: Scenario, options: RunOptions = {}): Handle {
  const measurements$ = new Subject<TimedMeasurement>();
  const events$ = new Subject<LoggedEvent>();
  const started = prepare(scenario).then((run) => {
    run.measurements$.subscribe(measurements$);
    run.events$.subscribe(events$);
    return run.toEnd(options);
  });
  const result = started.finally(() => {
    measurements$.complete();
    events$.complete();
  });
  return { measurements$: measurements$.asObservable(), events$: events$.asObservable(), result };
}

function describeStart({ tables }: Scenario, assembly: Assembly): RunStart {
  const { settings, layout, dataset, assignment, rules, start, fingerprint } = assembly;
  const { train, test, classification, problem } = dataset;
  const sets = Object.entries({ train, ...(test === undefined ? {} : { test }) }).map(
    ([name, { count, inputs, targets }]) => {
      const sha256 = digestOf(bytesOf(inputs.values), bytesOf(targets.values));
      return [name, { count, sha256 }] as const;
    },
  );
  const labels = classification ? (train.targets.values as Int32Array) : undefined;
  return {
    scenario: encodeScenario({ settings, tables }),
    seed: settings.seed,
    engine: fingerprint,
    parameters: {
      count: layout.count,
      // As files have it: where a parameter begins, and its shape.
      layout: layout.parameters.map(({ name, shape, offset }) => ({ name, shape, offset })),
    },
    sets: Object.fromEntries(sets),
    skew: skewOf(assignment, labels),
    assignment,
    initial: nameTensors(initialState(start, settings.workers, rules.consensusMomentum), layout),
    problem,
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array | Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function describeResult(
  outcome: Outcome,
  { settings, layout }: Assembly,
  onCpu: RunResult['onCpu'],
): Promise<RunResult> {
  const { reason, failure, timeNs, eventsDigest, counts, states } = outcome;
  const tensors = nameTensors(await stateOf(states, settings.workers), layout);
  const bytes = encodeSafetensors(tensors);
  return {
    status: failure?.status ?? (reason === 'interrupted' ? 'interrupted' : 'completed'),
    reason: failure?.message ?? reason,
    virtualSeconds: timeNs / 1e9,
    counts: {
      events: counts.events,
      messages: counts.messages,
      bytes: counts.bytes,
      lost: counts.lost,
      steps: counts.kinds['step'] ?? 0,
      moves: counts.kinds['move'] ?? 0,
    },
    digests: { events: eventsDigest, state: digestOf(bytes) },
    onCpu,
    final: { tensors, bytes },
  };
}
