/**
 * What each worker does at each moment: `idle` while it is down, paused or has not joined, else `compute` during a step, or
 * `lost` where a crash cuts that off, else `transfer` while a message of its exchange with the consensus node is under way,
 * one that arrives before the next step begins, else `wait`. (One that arrives later is not what it waits for.)
 *
 * An event tells when the message that led to it was sent. So a state is known only afterwards: all that was before a step
 * when that begins, and the step itself when it is over.
 */
import type { LoggedEvent, Start, Struck } from '../kernel/simulation.js';

export const workerStates = ['compute', 'lost', 'transfer', 'wait', 'idle'] as const;
export type WorkerState = (typeof workerStates)[number];

/** A value a state. */
export function byState<Value>(value: (state: WorkerState) => Value): Record<WorkerState, Value> {
  return Object.fromEntries(workerStates.map((state) => [state, value(state)])) as Record<WorkerState, Value>;
}

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

/** The messages of an exchange. */
const exchanged = new Set(['deliver', 'request', 'reply']);

/** Tells of every worker's states; those of one worker come in order. */
export class WorkerStates {
  private readonly lanes: ReadonlyMap<string, Lane>;

  constructor(workers: readonly string[], onSpan: (span: WorkerSpan) => void) {
    this.lanes = new Map(workers.map((worker) => [worker, new Lane(worker, onSpan)]));
  }

  see({ timeNs, actor, kind, cause }: LoggedEvent): void {
    if (cause.via === 'completion') this.lanes.get(actor)?.finish(timeNs, 'compute');
    if (cause.via === 'message' && exchanged.has(kind)) {
      const span = { fromNs: cause.timeNs, untilNs: timeNs };
      for (const name of [cause.actor, actor]) this.lanes.get(name)?.transfer(span);
    }
  }

  begin({ timeNs, actor, facts }: Start): void {
    this.lanes.get(actor)?.begin(timeNs, facts['step'] as number);
  }

  strike({ timeNs, actor, kind }: Struck): void {
    this.lanes.get(actor)?.strike(timeNs, kind);
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
  private idleSinceNs: number | undefined;
  /** The one that is running. */
  private step: number | undefined;

  constructor(
    private readonly worker: string,
    private readonly onSpan: (span: WorkerSpan) => void,
  ) {}

  begin(timeNs: number, step: number): void {
    if (this.step !== undefined) throw new Error(`${this.worker} began step ${step} before step ${this.step} was over`);
    this.settle(timeNs, 'wait', this.transfers);
    this.step = step;
  }

  /** The step is over. */
  finish(timeNs: number, state: 'compute' | 'lost'): void {
    this.settle(timeNs, state, []);
    this.step = undefined;
  }

  transfer(span: Span): void {
    this.transfers.push(span);
  }

  /** One that goes down may have been paused. */
  strike(timeNs: number, kind: Struck['kind']): void {
    this.endIdle(timeNs);
    if (kind === 'down' && this.step !== undefined) this.finish(timeNs, 'lost');
    if (kind === 'down' || kind === 'pause') this.idleSinceNs = timeNs;
  }

  end(timeNs: number): void {
    this.endIdle(timeNs);
    if (this.step !== undefined) this.finish(timeNs, 'compute');
    this.settle(timeNs, 'wait', this.transfers);
  }

  private endIdle(timeNs: number): void {
    if (this.idleSinceNs !== undefined) this.idle.push({ fromNs: this.idleSinceNs, untilNs: timeNs });
    this.idleSinceNs = undefined;
  }

  /** Tells all up to `untilNs`, where the worker was in the state `ground`, but for transfers and what was idle. */
  private settle(untilNs: number, ground: WorkerState, transfers: readonly Span[]): void {
    const layers = [
      ...transfers.map((span) => ({ ...span, state: 'transfer' as const })),
      ...this.idle.map((span) => ({ ...span, state: 'idle' as const })),
    ];
    for (const piece of divide({ fromNs: this.settledNs, untilNs }, ground, layers)) {
      const computed = piece.state === ground && this.step !== undefined ? { step: this.step } : {};
      this.onSpan({ worker: this.worker, ...piece, ...computed });
    }
    this.settledNs = untilNs;
    this.transfers = [];
    this.idle = [];
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
