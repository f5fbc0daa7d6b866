/** Events written by hand, with their causes, and what the states of a worker are from them. Times are milliseconds. */
import type { Facts } from '../../src/kernel/effects.js';
import type { LoggedEvent, Struck } from '../../src/kernel/simulation.js';
import { Attribution } from '../../src/record/attribution.js';
import { attribute, type Told } from './follow.js';

/** A millisecond. */
export const ms = 1_000_000;

/** Numbers events, in the order in which they are added. Each method returns that number, for causes; 0 is the start. */
export class Script {
  readonly events: LoggedEvent[] = [];
  readonly told: Told[] = [];

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

  /** A step begins. */
  begin(at: number, actor: string, step: number): void {
    this.told.push({ start: { timeNs: at * ms, actor, kind: 'step', facts: { step } } });
  }

  /** The step that began at the event `cause` is complete. */
  step(at: number, worker: string, cause: number): number {
    return this.add(at, 'step', [worker, worker], { cause, via: 'completion', facts: {} });
  }

  /** What follows at once from the event `cause`. */
  instant(at: number, kind: string, actor: string, cause: number, facts: Facts = {}): number {
    return this.add(at, kind, [actor, actor], { cause, via: 'instant', facts });
  }

  strike(at: number, kind: Struck['kind'], actor: string): void {
    this.told.push({ struck: { timeNs: at * ms, actor, kind } });
  }

  private add(
    at: number,
    kind: string,
    [source, actor]: readonly [string, string],
    { cause: causing, via, facts }: { cause: number; via: LoggedEvent['cause']['via']; facts: Facts },
  ): number {
    const number = this.events.length + 1;
    const timeNs = causing === 0 ? 0 : this.events[causing - 1]!.timeNs;
    const cause = { event: causing, actor: source, timeNs, via, bytes: via === 'message' ? 40 : 0 };
    const event = { timeNs: at * ms, actor, kind, facts, line: '', number, cause };
    this.events.push(event);
    this.told.push({ event });
    return number;
  }
}

/** What `worker` does until `end`: `0 compute 10 wait 12` is a step, and then two milliseconds of waiting. */
export function statesOf(worker: string, { told }: Script, end: number): string {
  let text = '0';
  const attribution = new Attribution([worker], {
    span: ({ state, untilNs }) => {
      text += ` ${state} ${untilNs / ms}`;
    },
    waiting: () => undefined,
  });
  attribute(told, attribution);
  attribution.end({ timeNs: end * ms, sent: { messages: told.length, bytes: 40 * told.length } });
  return text;
}
