/**
 * What an event log must obey (DESIGN.md, section 7), checked from the log alone. A law tells what breaks it,
 * or undefined. Each looks at one thing; `replay.ts` knows the whole protocol.
 */
import type { LoggedEvent } from '../../src/kernel/simulation.js';

export type LogEvent = Pick<LoggedEvent, 'timeNs' | 'actor' | 'kind' | 'facts'>;

/** The settings that laws speak of. */
export interface Rules {
  readonly workers: number;
  readonly quorum: number;
  readonly localSteps: number;
  readonly overlap: boolean;
  /** Infinity where unbounded. */
  readonly stalenessMax: number;
  /** The shortest and the longest time in nanoseconds. */
  readonly stepNs: (worker: number) => Range;
  readonly transitNs: (kind: string) => Range;
}

export type Range = readonly [shortest: number, longest: number];

type Pair = readonly [worker: number, step: number];
type Law = (events: readonly LogEvent[], rules: Rules) => string | undefined;

export function numberOf({ facts }: LogEvent, name: string): number {
  return facts[name] as number;
}

function pairOf(event: LogEvent): Pair {
  return [numberOf(event, 'worker'), numberOf(event, 'step')];
}

export const laws = {
  'times are whole nanoseconds and never go back': (events) => {
    const wrong = events.findIndex(({ timeNs }, index) => {
      return !Number.isSafeInteger(timeNs) || timeNs < (events[index - 1]?.timeNs ?? 0);
    });
    return wrong < 0 ? undefined : `event ${wrong} is at ${events[wrong]!.timeNs} ns`;
  },

  'u moves exactly when quorum distinct workers have delivered since the last move, and names those arrivals in order':
    (events, { quorum }) => {
      let arrivals: Pair[] = [];
      let version = 0;
      for (const event of events) {
        if (event.kind === 'deliver') {
          arrivals.push(pairOf(event));
          if (arrivals.length > quorum) return `${arrivals.length} arrivals without a move`;
        }
        if (event.kind === 'move') {
          if (numberOf(event, 'version') !== (version += 1)) return `version ${version} is missing`;
          if (new Set(arrivals.map(([worker]) => worker)).size !== quorum)
            return `move ${version} at ${arrivals.length}`;
          if (JSON.stringify(event.facts['from']) !== JSON.stringify(arrivals)) return `move ${version} names others`;
          arrivals = [];
        }
      }
      return undefined;
    },

  'u moves at the time of the arrival that completes the quorum': (events, { quorum }) => {
    let arrived: LogEvent[] = [];
    for (const event of events) {
      if (event.kind === 'deliver') arrived.push(event);
      if (event.kind === 'move') {
        if (event.timeNs !== arrived[quorum - 1]?.timeNs) return `move at ${event.timeNs} ns`;
        arrived = [];
      }
    }
    return undefined;
  },

  'only those that arrived get the reply, each once, and after the move': (events) => {
    const owed = new Set<string>();
    for (const event of events) {
      if (event.kind === 'move') {
        for (const [worker] of event.facts['from'] as readonly Pair[])
          owed.add(`${worker} ${numberOf(event, 'version')}`);
      }
      if (event.kind === 'reply') {
        const reply = `${numberOf(event, 'worker')} ${numberOf(event, 'version')}`;
        if (!owed.delete(reply)) return `reply ${reply} was not owed`;
      }
    }
    return undefined;
  },

  'steps of a worker count from 1, copies from 0 in multiples of localSteps': (events, { workers, localSteps }) => {
    for (let worker = 0; worker < workers; worker += 1) {
      const own = events.filter((event) => numberOf(event, 'worker') === worker);
      const stepsOf = (kind: string): number[] =>
        own.filter((event) => event.kind === kind).map((event) => numberOf(event, 'step'));
      const wrongStep = stepsOf('step').findIndex((step, index) => step !== index + 1);
      if (wrongStep >= 0) return `step ${wrongStep + 1} of worker ${worker}`;
      const wrongCopy = stepsOf('deliver').findIndex((step, index) => step !== index * localSteps);
      if (wrongCopy >= 0) return `copy ${wrongCopy} of worker ${worker}`;
    }
    return undefined;
  },

  'a step uses the u of a reply accepted by its worker, no older than that of the step before': (
    events,
    { workers },
  ) => {
    const accepted = Array.from({ length: workers }, () => [0]);
    const used = Array.from({ length: workers }, () => 0);
    for (const event of events) {
      const worker = numberOf(event, 'worker');
      const version = numberOf(event, 'version');
      if (event.kind === 'reply') accepted[worker]!.push(version);
      if (event.kind === 'step') {
        if (!accepted[worker]!.includes(version) || version < used[worker]!) return `u ${version} at worker ${worker}`;
        used[worker] = version;
      }
    }
    return undefined;
  },

  'no worker starts a step more than staleness.max ahead of the slowest': (events, { workers, stalenessMax }) => {
    const done = Array.from({ length: workers }, () => 0);
    for (const event of events) {
      if (event.kind !== 'step') continue;
      const [worker, step] = pairOf(event);
      done[worker] = step;
      // It started with step - 1 completed, when the slowest was not farther than now.
      const ahead = step - 1 - Math.min(...done);
      if (ahead > stalenessMax) return `worker ${worker} was ${ahead} ahead at step ${step}`;
    }
    return undefined;
  },

  'without overlap no step is completed between the sending of a copy and its reply': (
    events,
    { workers, overlap, localSteps },
  ) => {
    if (overlap) return undefined;
    const awaiting = Array.from({ length: workers }, () => true);
    for (const event of events) {
      const worker = numberOf(event, 'worker');
      if (event.kind === 'reply') awaiting[worker] = false;
      if (event.kind === 'step') {
        if (awaiting[worker]!) return `step ${numberOf(event, 'step')} of worker ${worker} while it awaits a reply`;
        awaiting[worker] = numberOf(event, 'step') % localSteps === 0;
      }
    }
    return undefined;
  },

  'with overlap no worker passes a second exchange point while the first copy is unanswered': (
    events,
    { workers, localSteps },
  ) => {
    const steps = Array.from({ length: workers }, () => 0);
    const replies = Array.from({ length: workers }, () => 0);
    for (const event of events) {
      const worker = numberOf(event, 'worker');
      if (event.kind === 'reply') replies[worker]! += 1;
      if (event.kind === 'step') steps[worker]! += 1;
      // Reply k answers the copy of step (k - 1) localSteps, and lets the worker pass step k localSteps.
      if (steps[worker]! > (replies[worker]! + 1) * localSteps) return `step ${steps[worker]!} of worker ${worker}`;
    }
    return undefined;
  },
} as const satisfies Record<string, Law>;
