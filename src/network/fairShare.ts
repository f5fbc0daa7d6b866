/**
 * A shared bottleneck: transfers that are under way at the same time share its rate fairly (max-min), each up to the rate
 * of its own link.
 */
import type { Passage } from '../kernel/effects.js';
import { valueAt, type Course } from './course.js';

interface Flow {
  /** Bytes left. */
  left: number;
  /** What its own link allows, in bytes a second. */
  readonly limit: Course<number>;
  /** Its present share, in bytes a second. */
  rate: number;
  readonly done: (timeNs: number) => readonly Passage[];
}

export class FairShare {
  private flows: Flow[] = [];
  private lastNs = 0;
  /** Counts changes: a wake-up of before the last one means nothing. */
  private change = 0;

  /** `bytesPerSecond` is what all flows together may have. */
  constructor(private readonly bytesPerSecond: number) {}

  /** Begins a transfer; `done` says what follows when it is through. */
  begin(transfer: Pick<Flow, 'limit' | 'done'> & { readonly bytes: number }, timeNs: number): readonly Passage[] {
    this.advance(timeNs);
    const { bytes: left, limit, done } = transfer;
    this.flows.push({ left, limit, rate: 0, done });
    return this.plan(timeNs);
  }

  /** Moves all flows on to `timeNs`. */
  private advance(timeNs: number): void {
    const seconds = (timeNs - this.lastNs) / 1e9;
    for (const flow of this.flows) flow.left -= flow.rate * seconds;
    this.lastNs = timeNs;
  }

  /** Shares the rate anew and asks to be woken when the first flow is through, or a limit changes. */
  private plan(timeNs: number): readonly Passage[] {
    const limits = this.flows.map(({ limit }) => valueAt(limit, timeNs));
    share(
      this.flows.map((flow, index) => ({ flow, limit: limits[index]!.value })),
      this.bytesPerSecond,
    );
    this.change += 1;
    if (this.flows.length === 0) return [];
    const firstNs = this.flows.map(neededNs).reduce((a, b) => Math.min(a, b));
    const changeNs = limits.reduce((next, { untilNs }) => Math.min(next, untilNs), Infinity) - timeNs;
    const delayNs = Math.max(0, Math.round(Math.min(firstNs, changeNs)));
    const { change } = this;
    const wakeUp = (timeNs: number): readonly Passage[] => (change === this.change ? this.finish(timeNs) : []);
    return [{ passage: 'wake', delayNs, wakeUp }];
  }

  private finish(timeNs: number): readonly Passage[] {
    this.advance(timeNs);
    // Times are whole nanoseconds: who needs less than half of one is through.
    const through = this.flows.filter((flow) => neededNs(flow) < 0.500001);
    this.flows = this.flows.filter((flow) => !through.includes(flow));
    return [...through.flatMap(({ done }) => done(timeNs)), ...this.plan(timeNs)];
  }
}

const neededNs = ({ left, rate }: Flow): number => (left / rate) * 1e9;

/** Max-min fairness: who needs less than an equal share of what is left gets what it needs. */
function share(flows: readonly { readonly flow: Flow; readonly limit: number }[], bytesPerSecond: number): void {
  let left = bytesPerSecond;
  [...flows]
    .sort((a, b) => a.limit - b.limit)
    .forEach(({ flow, limit }, index, { length }) => {
      flow.rate = Math.min(limit, left / (length - index));
      left -= flow.rate;
    });
}
