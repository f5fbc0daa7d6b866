/**
 * Attribution: where the virtual time of a run went. It reads events as they come, and keeps sums; only of the critical
 * path does it keep a few bytes an event. docs/ATTRIBUTION.md says what each number means.
 */
import type { LoggedEvent, Loss, Start, Struck } from '../kernel/simulation.js';
import { Arrivals, type Queueing, type StalenessCount } from './arrivals.js';
import { CriticalPath, type Leg } from './criticalPath.js';
import { LinkTraffic, type Tally, type TrafficRecord } from './linkTraffic.js';
import { byState, WorkerStates, type WorkerSpan, type WorkerState } from './workerStates.js';

/** The time of one worker, which adds up to that of the run, and how long its copies waited for a move. */
export interface WorkerRecord {
  readonly worker: string;
  /** Completed steps. */
  readonly steps: number;
  readonly ns: Readonly<Record<WorkerState, number>>;
  readonly queueing: Queueing;
}

/** What one computing actor, link or timer has of the critical path. */
export interface PathShare extends Pick<Leg, 'kind' | 'of'> {
  readonly legs: number;
  readonly ns: number;
}

export interface AttributionRecord {
  /** The virtual time of the run. */
  readonly timeNs: number;
  readonly workers: readonly WorkerRecord[];
  readonly criticalPath: {
    /** The time of the last event: the sum over `shares`. */
    readonly ns: number;
    /** From the last event to the end of the run. */
    readonly afterNs: number;
    /** The longest first. */
    readonly shares: readonly PathShare[];
  };
  readonly staleness: readonly StalenessCount[];
  readonly traffic: TrafficRecord;
}

/** Draws what the sums are made of. */
export interface Drawing {
  span(span: WorkerSpan): void;
  /** So many copies wait at the consensus node from now on. */
  waiting(timeNs: number, copies: number): void;
}

export class Attribution {
  private readonly states: WorkerStates;
  private readonly path = new CriticalPath();
  private readonly arrivals: Arrivals;
  private readonly traffic = new LinkTraffic();
  private readonly sums: Map<string, { steps: number; ns: Record<WorkerState, number> }>;
  private lastNs = 0;

  /** `workers` are names, in worker order. */
  constructor(workers: readonly string[], drawing?: Drawing) {
    this.sums = new Map(workers.map((worker) => [worker, { steps: 0, ns: byState(() => 0) }]));
    this.states = new WorkerStates(workers, (span) => {
      this.sums.get(span.worker)!.ns[span.state] += span.untilNs - span.fromNs;
      drawing?.span(span);
    });
    this.arrivals = new Arrivals((timeNs, copies) => drawing?.waiting(timeNs, copies));
  }

  see(event: LoggedEvent): void {
    this.lastNs = event.timeNs;
    this.states.see(event);
    this.path.see(event);
    this.arrivals.see(event);
    this.traffic.see(event);
    if (event.kind === 'step') this.sums.get(event.actor)!.steps += 1;
  }

  begin(start: Start): void {
    this.states.begin(start);
  }

  strike(struck: Struck): void {
    this.states.strike(struck);
  }

  lose(loss: Loss): void {
    this.traffic.lose(loss);
  }

  /** The legs of the critical path, from the last one back to the first. */
  legs(): Iterable<Leg> {
    return this.path.legs();
  }

  /** The run ends at `timeNs`, after all that was `sent`. */
  end({ timeNs, sent }: { readonly timeNs: number; readonly sent: Tally }): AttributionRecord {
    this.states.end(timeNs);
    const workers = [...this.sums].map(([worker, sum], index): WorkerRecord => ({
      worker,
      ...sum,
      queueing: this.arrivals.queueing(index),
    }));
    return {
      timeNs,
      workers,
      criticalPath: { ns: this.lastNs, afterNs: timeNs - this.lastNs, shares: sharesOf(this.path.legs()) },
      staleness: this.arrivals.staleness(),
      traffic: this.traffic.record(sent),
    };
  }
}

function sharesOf(legs: Iterable<Leg>): PathShare[] {
  const shares = new Map<string, PathShare>();
  for (const { kind, of, fromNs, untilNs } of legs) {
    const key = `${kind} ${of}`;
    const { legs: count, ns } = shares.get(key) ?? { legs: 0, ns: 0 };
    shares.set(key, { kind, of, legs: count + 1, ns: ns + untilNs - fromNs });
  }
  return [...shares.values()].sort((a, b) => b.ns - a.ns);
}
