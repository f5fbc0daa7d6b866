import { here } from '../vector.js';
import type { Effect, Engine, Measurement, Pending, Tensors } from './effects.js';

/** A measurement with its virtual time: one line of metrics.jsonl. */
export interface TimedMeasurement extends Measurement {
  readonly timeNs: number;
}

interface Entry {
  readonly timeNs: number;
  readonly rows: readonly Measurement[];
  readonly pending?: {
    readonly result: Promise<Tensors>;
    readonly rows: readonly Pending[];
  };
  /** Whether publishing needs no wait. */
  ready: boolean;
}

// More unfinished evaluations than this would hold copies of many iterates in memory.
const entriesMax = 8;

/**
 * The ledger of measurements. Evaluations take wall time on the thread pool; the ledger hands out their
 * results in the order in which they were asked for, so that metrics are the same on any number of threads.
 */
export class Ledger {
  private readonly entries: Entry[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly publish: (measurement: TimedMeasurement) => void,
  ) {}

  /** Takes a `record` or `evaluate` effect of the monitor. */
  enter(effect: Extract<Effect, { effect: 'record' | 'evaluate' }>, timeNs: number): void {
    if (effect.effect === 'record') {
      this.entries.push({ timeNs, rows: effect.rows, ready: true });
    } else {
      const result = this.engine.run(effect.computation);
      const entry: Entry = { timeNs, rows: [], pending: { result, rows: effect.rows }, ready: false };
      const finish = (): void => {
        entry.ready = true;
      };
      result.then(finish, finish); // awaited, and reported, in its turn
      this.entries.push(entry);
    }
  }

  /** Publishes what is known without waiting, and waits only while too much is unfinished. */
  async advance(): Promise<void> {
    while (this.entries.length > 0 && (this.entries[0]!.ready || this.entries.length > entriesMax)) {
      await this.publishFirst();
    }
  }

  /** Waits for everything. */
  async drain(): Promise<void> {
    while (this.entries.length > 0) await this.publishFirst();
  }

  private async publishFirst(): Promise<void> {
    const { timeNs, rows, pending } = this.entries.shift()!;
    for (const row of rows) this.publish({ timeNs, ...row });
    if (pending === undefined) return;
    const tensors = await (this.engine.wait?.(pending.result) ?? pending.result);
    for (const { output, ...row } of pending.rows) {
      this.publish({ timeNs, ...row, value: here(tensors[output]!)[row.worker ?? 0]! });
    }
  }
}
