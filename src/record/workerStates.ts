/**
 * What each worker does at each moment, from the events of a run: `idle` while it is down, paused or has not joined, else
 * `compute` during a step, else `transfer` while a message of its exchange with the consensus node is under way, one that
 * arrives before the next step begins, else `wait`. (One that arrives later is not what it waits for.)
 *
 * An event tells when what led to it began. So a state is known only afterwards: all that was before a step, and the step
 * itself, once the step is complete. Of a step that never completes no event tells: it is computing where `begin` was told
 * of it, up to the crash that ended it or to the end of the run, and waiting where not.
 */
import type { LoggedEvent } from '../kernel/simulation.js';

export const workerStates = ['compute', 'transfer', 'wait', 'idle'] as const;
export type WorkerState = (typeof workerStates)[number];

/** From `fromNs` on, to just before `untilNs`, in virtual time. */
export interface Span {
  readonly fromNs: number;
  readonly untilNs: number;
}

/** A worker in one state; spans of a worker follow one another without gaps, and none is empty. */
export interface WorkerSpan extends Span {
  readonly worker: string;
  readonly state: WorkerState;
  /** The step that is computed. */
  readonly step?: number;
}

/** A step begins. */
export interface StepStart {
  readonly timeNs: number;
  readonly actor: string;
  readonly step: number;
}

/** The messages of an exchange. */
const exchanged = new Set(['deliver', 'request', 'reply']);

/** Tells of every worker's states; those of one worker come in order. */
export class WorkerStates {
  private readonly lanes: ReadonlyMap<string, Lane>;

  constructor(workers: readonly string[], onSpan: (span: WorkerSpan) => void) {
    this.lanes = new Map(workers.map((worker) => [worker, new Lane(worker, onSpan)]));
  }

  see({ timeNs, actor, kind, facts, cause }: LoggedEvent): void {
    const span = { fromNs: cause.timeNs, untilNs: timeNs };
    if (cause.via === 'completion') this.lanes.get(actor)?.compute(span, facts['step'] as number);
    if (cause.via === 'message' && exchanged.has(kind)) {
      for (const name of [cause.actor, actor]) this.lanes.get(name)?.transfer(span);
    }
    if (actor === 'faults') this.lanes.get(facts['who'] as string)?.strike(kind, timeNs);
  }

  begin({ timeNs, actor, step }: StepStart): void {
    this.lanes.get(actor)?.begin(timeNs, step);
  }

  /** The run ends at `timeNs`. */
  end(timeNs: number): void {
    for (const lane of this.lanes.values()) lane.end(timeNs);
  }
}

/** One worker. */
class Lane {
  /** Before this time all is told. */
  private settledNs = 0;
  /** What has come to an end since then. */
  private transfers: Span[] = [];
  private idle: Span[] = [];
  private down = false;
  private paused = false;
  private idleSinceNs: number | undefined;
  private running: { readonly fromNs: number; readonly step: number } | undefined;

  constructor(
    private readonly worker: string,
    private readonly onSpan: (span: WorkerSpan) => void,
  ) {}

  begin(fromNs: number, step: number): void {
    this.running = { fromNs, step };
  }

  compute({ fromNs, untilNs }: Span, step: number): void {
    if (fromNs < this.settledNs) throw new Error(`${this.worker} began step ${step} before the last one was complete`);
    const waitedFor = this.transfers.filter((transfer) => transfer.untilNs <= fromNs);
    this.settle(fromNs, { ground: 'wait', transfers: waitedFor });
    this.settle(untilNs, { ground: 'compute', transfers: [], step });
    this.transfers = [];
    this.idle = [];
    this.running = undefined;
  }

  transfer(span: Span): void {
    this.transfers.push(span);
  }

  /** Follows what the kernel makes of faults: one that goes down is no longer paused, and one that is down cannot be. */
  strike(kind: string, timeNs: number): void {
    // One that joins without ever having gone down had not joined before.
    if (kind === 'join' && !this.down) this.halt(this.settledNs);
    if (kind === 'kill' || kind === 'crash') {
      if (!this.down) this.stop(timeNs);
      [this.down, this.paused] = [true, false];
    }
    if (kind === 'restart' || kind === 'join') this.down = false;
    if (kind === 'pause') this.paused = !this.down;
    if (kind === 'resume') this.paused = false;
    if (this.down || this.paused) this.halt(timeNs);
    else this.goOn(timeNs);
  }

  end(timeNs: number): void {
    this.stop(timeNs);
    this.settle(timeNs, { ground: 'wait', transfers: this.transfers });
  }

  /** The step that is running, if one is, will not complete. */
  private stop(timeNs: number): void {
    this.goOn(timeNs);
    if (this.running !== undefined) this.compute({ fromNs: this.running.fromNs, untilNs: timeNs }, this.running.step);
  }

  private halt(timeNs: number): void {
    this.idleSinceNs ??= timeNs;
  }

  private goOn(timeNs: number): void {
    if (this.idleSinceNs === undefined) return;
    this.idle.push({ fromNs: this.idleSinceNs, untilNs: timeNs });
    this.idleSinceNs = undefined;
  }

  private settle(
    untilNs: number,
    { ground, transfers, step }: { ground: WorkerState; transfers: readonly Span[]; step?: number },
  ): void {
    const layers = [
      ...transfers.map((span) => ({ ...span, state: 'transfer' as const })),
      ...this.idle.map((span) => ({ ...span, state: 'idle' as const })),
    ];
    for (const piece of divide({ fromNs: this.settledNs, untilNs }, ground, layers)) {
      const computed = piece.state === 'compute' && step !== undefined ? { step } : {};
      this.onSpan({ worker: this.worker, ...piece, ...computed });
    }
    this.settledNs = untilNs;
  }
}

type Piece = Span & { readonly state: WorkerState };

/** Cuts `span` into pieces of one state: that of the last of `layers` that covers it, or else `ground`. */
function divide({ fromNs, untilNs }: Span, ground: WorkerState, layers: readonly Piece[]): Piece[] {
  const edges = layers.flatMap((layer) => [layer.fromNs, layer.untilNs]).filter((ns) => ns > fromNs && ns < untilNs);
  const cuts = [...new Set([fromNs, ...edges.sort((a, b) => a - b), untilNs])];
  const pieces: Piece[] = [];
  for (const [index, from] of cuts.slice(0, -1).entries()) {
    const until = cuts[index + 1]!;
    const state = layers.findLast((layer) => layer.fromNs <= from && layer.untilNs >= until)?.state ?? ground;
    const last = pieces.at(-1);
    if (last?.state === state) pieces[pieces.length - 1] = { ...last, untilNs: until };
    else pieces.push({ fromNs: from, untilNs: until, state });
  }
  return pieces;
}
