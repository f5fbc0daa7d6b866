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

function precedes(a: AgendaKey, b: AgendaKey): boolean {
  if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs;
  if (a.priority !== b.priority) return a.priority < b.priority;
  if (a.source !== b.source) return a.source < b.source;
  return a.sequence < b.sequence;
}

/** A binary heap over the total order. */
export class Agenda<Entry extends AgendaKey> {
  private readonly heap: Entry[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** All entries, in no particular order. */
  entries(): readonly Entry[] {
    return this.heap;
  }

  push(entry: Entry): void {
    if (!Number.isSafeInteger(entry.timeNs)) throw new Error(`virtual time ${entry.timeNs} ns is not a safe integer`);
    const { heap } = this;
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent]!;
      if (precedes(above, entry)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  peek(): Entry | undefined {
    return this.heap[0];
  }

  pop(): Entry | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && precedes(heap[child + 1]!, heap[child]!)) child += 1;
      const below = heap[child]!;
      if (precedes(last, below)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}
