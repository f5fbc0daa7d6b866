/** Events written by hand, with their causes, and what the states of a worker are from them. Times are milliseconds. */
import type { Facts } from '../../src/kernel/effects.js';
import type { LoggedEvent } from '../../src/kernel/simulation.js';
import { WorkerStates } from '../../src/record/workerStates.js';

/** A millisecond. */
export const ms = 1_000_000;

/** Numbers events, in the order in which they are added. Each method returns that number, for causes; 0 is the start. */
export class Script {
  readonly events: LoggedEvent[] = [];

  /** `to` gets what `from` sent because of the event `cause`. */
  message(
    at: number,
    kind: string,
    link: readonly [from: string, to: string],
    cause: number,
    facts: Facts = {},
  ): number {
    return this.add(at, kind, link, { cause, via: 'message', facts });
  }

  /** A step is complete that began at the event `cause`. */
  step(at: number, worker: string, cause: number, facts: Facts): number {
    return this.add(at, 'step', [worker, worker], { cause, via: 'completion', facts });
  }

  /** What follows at once from the event `cause`. */
  instant(at: number, kind: string, actor: string, cause: number, facts: Facts = {}): number {
    return this.add(at, kind, [actor, actor], { cause, via: 'instant', facts });
  }

  /** A fault that strikes `who`. */
  fault(at: number, kind: string, who: string): number {
    return this.add(at, kind, ['faults', 'faults'], { cause: 0, via: 'timer', facts: { who } });
  }

  private add(
    at: number,
    kind: string,
    [source, actor]: readonly [string, string],
    { cause: event, via, facts }: { cause: number; via: LoggedEvent['cause']['via']; facts: Facts },
  ): number {
    const number = this.events.length + 1;
    const timeNs = event === 0 ? 0 : this.events[event - 1]!.timeNs;
    const cause = { event, actor: source, timeNs, via, bytes: via === 'message' ? 40 : 0 };
    this.events.push({ timeNs: at * ms, actor, kind, facts, line: '', number, cause });
    return number;
  }
}

/**
 * What `worker` does until `end`: `0 compute 10 wait 12` is a step, and then two milliseconds of waiting. `starts` are
 * those of its steps, where they are told, after what happens at the same time.
 */
export function statesOf(
  worker: string,
  events: readonly LoggedEvent[],
  end: number,
  starts: readonly { readonly at: number; readonly step: number }[] = [],
): string {
  let text = '0';
  const states = new WorkerStates([worker], ({ state, untilNs }) => {
    text += ` ${state} ${untilNs / ms}`;
  });
  const told = [...events, ...starts].map((each) => ({ ns: 'at' in each ? each.at * ms : each.timeNs, each }));
  for (const { ns: timeNs, each } of told.toSorted((a, b) => a.ns - b.ns)) {
    if ('at' in each) states.begin({ timeNs, actor: worker, step: each.step });
    else states.see(each);
  }
  states.end(end * ms);
  return text;
}
