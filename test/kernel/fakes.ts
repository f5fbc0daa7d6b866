/**
 * What a simulation needs besides actors, small and real: networks, engines, scripted actors; and a way to
 * read what happened.
 */
import type {
  Computation,
  Effect,
  Engine,
  Facts,
  Inputs,
  Message,
  Network,
  Parcel,
  Tensors,
} from '../../src/kernel/effects.js';
import type { TimedMeasurement } from '../../src/kernel/ledger.js';
import {
  runSimulation,
  type CastMember,
  type LoggedEvent,
  type Outcome,
  type Simulation,
} from '../../src/kernel/simulation.js';
import { Streams } from '../../src/kernel/streams.js';
import { Traffic } from '../../src/kernel/traffic.js';

export const ms = 1_000_000;

/** Every message arrives, each after its delay in nanoseconds. */
export function networkOf(delayNs: (parcel: Parcel) => number): Network {
  const traffic = new Traffic();
  return {
    send: (parcel) => {
      traffic.send(parcel);
      return [{ passage: 'arrive', parcel, delayNs: delayNs(parcel) }];
    },
    arrived: (parcel, down) => {
      if (down) traffic.lose(parcel);
      else traffic.deliver(parcel);
      return [];
    },
    totals: traffic.totals,
    check: () => {
      traffic.check();
    },
  };
}

/** Every message takes the same time. */
export function constantNetwork(delayNs: number): Network {
  return networkOf(() => delayNs);
}

export type Tasks = Readonly<Record<string, (inputs: Inputs) => Tensors>>;

/** Computes at once. */
export function promptEngine(tasks: Tasks): Engine {
  return {
    run: async ({ task, inputs }) => {
      const compute = tasks[task];
      if (compute === undefined) throw new Error(`no task ${task}`);
      return compute(inputs);
    },
  };
}

/**
 * Finishes one computation every `turns` turns of the event loop; `choose` says which of `count` unfinished
 * ones, counted from the oldest.
 */
export function unhurriedEngine(tasks: Tasks, choose: (count: number) => number, { turns = 1 } = {}) {
  const unfinished: { computation: Computation; finish: () => void }[] = [];
  const finished: Computation[] = [];
  let mostUnfinished = 0;
  const turn = (left: number): void => {
    if (left > 1) return void setImmediate(turn, left - 1);
    const [next] = unfinished.splice(choose(unfinished.length), 1);
    finished.push(next!.computation);
    next!.finish();
    if (unfinished.length > 0) setImmediate(turn, turns);
  };
  const engine: Engine = {
    run: (computation) =>
      new Promise((resolve) => {
        const finish = (): void => {
          resolve(tasks[computation.task]!(computation.inputs));
        };
        unfinished.push({ computation, finish });
        mostUnfinished = Math.max(mostUnfinished, unfinished.length);
        if (unfinished.length === 1) setImmediate(turn, turns);
      }),
  };
  return { engine, finished, mostUnfinished: () => mostUnfinished };
}

/** An actor whose state is the list of kinds it received. */
export function scripted(
  name: string,
  script: {
    readonly start?: readonly Effect[];
    readonly answer?: (message: Message, timeNs: number) => readonly Effect[];
    readonly waits?: string;
  },
): CastMember {
  const { start = [], answer = () => [], waits } = script;
  return {
    name,
    behaviour: {
      init: () => ({ state: [], effects: start }),
      receive: (state: readonly string[], message, { timeNs }) => ({
        state: [...state, message.kind],
        effects: answer(message, timeNs),
      }),
      waiting: () => waits,
    },
  };
}

export function send(to: string, kind: string, facts: Facts = {}, tensors?: Tensors): Effect {
  return { effect: 'send', to, message: { kind, facts, ...(tensors === undefined ? {} : { tensors }) } };
}

export function compute(task: string, inputs: Inputs, durationNs: number | 'instant', reply: Message): Effect {
  return { effect: 'compute', computation: { task, inputs }, durationNs, reply };
}

/** A monitor that records nothing. */
export const silentMonitor = scripted('monitor', {});

export interface Recording {
  readonly outcome: Outcome;
  readonly events: readonly LoggedEvent[];
  readonly lines: string;
  readonly measurements: readonly TimedMeasurement[];
}

/** Runs `actors` to their end: by default on links of 1 ms, with seed 1 and a monitor that is silent. */
export async function play(actors: readonly CastMember[], options: Partial<Simulation> = {}): Promise<Recording> {
  const events: LoggedEvent[] = [];
  const measurements: TimedMeasurement[] = [];
  const outcome = await runSimulation({
    actors,
    monitor: silentMonitor,
    network: constantNetwork(ms),
    engine: promptEngine({}),
    streams: new Streams(1),
    limits: { counts: {} },
    ...options,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
    onMeasurement: (measurement) => {
      measurements.push(measurement);
      options.onMeasurement?.(measurement);
    },
  });
  return { outcome, events, lines: events.map(({ line }) => line).join(''), measurements };
}
