/** Copies at the consensus node: how long each waits for the move that uses it, and how stale it is then. */
import type { LoggedEvent } from '../kernel/simulation.js';

/** How long the copies of one worker waited at the consensus node, from their arrival to the move that used them. */
export interface Queueing {
  /** Copies that a move has used. */
  readonly copies: number;
  /** 0 where there is none. */
  readonly meanNs: number;
  readonly maxNs: number;
}

/** How many of the copies that were used had this staleness: the version before the move less that the copy used. */
export interface StalenessCount {
  readonly staleness: number;
  readonly copies: number;
}

interface Arrival {
  readonly timeNs: number;
  readonly step: number;
  readonly version: number;
}

interface Waited {
  copies: number;
  sumNs: number;
  maxNs: number;
}

export class Arrivals {
  /** The newest step of each worker that has arrived. */
  private readonly delivered = new Map<number, number>();
  /** What has arrived since the last move, by worker: an older copy of the same one will not be used any more. */
  private readonly waiting = new Map<number, Arrival>();
  private readonly waited = new Map<number, Waited>();
  private readonly counts = new Map<number, number>();

  /** `onWaiting` gets how many copies wait, whenever that changes. */
  constructor(private readonly onWaiting: (timeNs: number, copies: number) => void) {}

  see({ timeNs, kind, facts }: LoggedEvent): void {
    if (kind === 'deliver') {
      const { worker, step, version } = facts as { worker: number; step: number; version: number };
      // One that was sent again, and is known.
      if (step <= (this.delivered.get(worker) ?? -1)) return;
      this.delivered.set(worker, step);
      this.waiting.set(worker, { timeNs, step, version });
      this.onWaiting(timeNs, this.waiting.size);
    }
    if (kind === 'move') {
      const { version, from } = facts as { version: number; from: readonly (readonly [number, number])[] };
      for (const [worker, step] of from) this.use(worker, step, { timeNs, version });
      this.onWaiting(timeNs, this.waiting.size);
    }
  }

  queueing(worker: number): Queueing {
    const { copies, sumNs, maxNs } = this.waited.get(worker) ?? { copies: 0, sumNs: 0, maxNs: 0 };
    return { copies, meanNs: copies === 0 ? 0 : sumNs / copies, maxNs };
  }

  /** In the order of staleness. */
  staleness(): StalenessCount[] {
    return [...this.counts]
      .map(([staleness, copies]) => ({ staleness, copies }))
      .sort((a, b) => a.staleness - b.staleness);
  }

  private use(worker: number, step: number, move: { readonly timeNs: number; readonly version: number }): void {
    const copy = this.waiting.get(worker);
    if (copy?.step !== step)
      throw new Error(`move ${move.version} uses step ${step} of worker-${worker}, which is not there`);
    this.waiting.delete(worker);
    const waited = this.waited.get(worker) ?? { copies: 0, sumNs: 0, maxNs: 0 };
    const queuedNs = move.timeNs - copy.timeNs;
    const maxNs = Math.max(waited.maxNs, queuedNs);
    this.waited.set(worker, { copies: waited.copies + 1, sumNs: waited.sumNs + queuedNs, maxNs });
    const staleness = move.version - 1 - copy.version;
    this.counts.set(staleness, (this.counts.get(staleness) ?? 0) + 1);
  }
}
