/**
 * The agenda: what is to happen, in the total order (timeNs, priority, source, sequence of that source).
 * The order never depends on when an entry was pushed, so neither threads nor the wall clock can change it.
 */

/**
 * Priorities of entries of the same time. The network comes before the messages that it lets through. Results come after
 * messages, so that all that a moment sets in motion is under way before the first result is waited for; instant ones
 * come before anything else can happen.
 */
export const priorities = { instant: 0, network: 1, message: 2, completion: 3, timer: 4 } as const;

export interface AgendaKey {
  /** Virtual time in nanoseconds, a safe integer. */
  readonly timeNs: number;
  readonly priority: number;
  /** The number of the actor that caused the entry. */
  readonly source: number;
  /** Counts the entries of that source. */
  readonly sequence: number;
}

/** The order of two entries of one time. */
function precedes(a: AgendaKey, b: AgendaKey): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  if (a.source !== b.source) return a.source < b.source;
  return a.sequence < b.sequence;
}

/** A binary heap over the total order. */
export class Agenda<Entry extends AgendaKey> {
  private readonly heap: Entry[] = [];
  /** The times of these entries, side by side: few comparisons need more, and an entry is far away in memory. */
  private readonly times: number[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** All entries, in no particular order. */
  entries(): readonly Entry[] {
    return this.heap;
  }

  push(entry: Entry): void {
    if (!Number.isSafeInteger(entry.timeNs)) throw new Error(`virtual time ${entry.timeNs} ns is not a safe integer`);
    let index = this.heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.precedesAt(parent, entry)) break;
      this.move(parent, index);
      index = parent;
    }
    this.put(entry, index);
  }

  peek(): Entry | undefined {
    return this.heap[0];
  }

  pop(): Entry | undefined {
    const { heap, times } = this;
    const first = heap[0];
    const last = heap.pop();
    times.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      const child = this.firstChild(index);
      if (child === undefined || !this.precedesAt(child, last)) break;
      this.move(child, index);
      index = child;
    }
    this.put(last, index);
    return first;
  }

  /** The place of the earlier one of the entries below `index`. */
  private firstChild(index: number): number | undefined {
    const left = 2 * index + 1;
    const { length } = this.heap;
    if (left + 1 >= length) return left < length ? left : undefined;
    const leftNs = this.times[left]!;
    const rightNs = this.times[left + 1]!;
    if (leftNs !== rightNs) return leftNs < rightNs ? left : left + 1;
    return precedes(this.heap[left]!, this.heap[left + 1]!) ? left : left + 1;
  }

  private precedesAt(index: number, entry: Entry): boolean {
    const timeNs = this.times[index]!;
    return timeNs === entry.timeNs ? precedes(this.heap[index]!, entry) : timeNs < entry.timeNs;
  }

  private move(from: number, to: number): void {
    this.heap[to] = this.heap[from]!;
    this.times[to] = this.times[from]!;
  }

  private put(entry: Entry, index: number): void {
    this.heap[index] = entry;
    this.times[index] = entry.timeNs;
  }
}
