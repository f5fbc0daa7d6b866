/**
 * A trace of virtual time in the Trace Event Format, which Perfetto and chrome://tracing open: a lane an actor, with the
 * states of workers as slices and what happens elsewhere as instants, and one for the critical path; messages are arrows.
 *
 * Perfetto sorts events by time and, of one time, goes by their order in the file. There an arrow begins at the newest slice
 * or instant of its lane, and ends, with `bp: 'e'`, at the newest one, or else at the next slice. So an instant is written
 * before the arrows that end at it or begin there; an arrow to a worker is written when its message arrives, and so before
 * the slice that follows, which is known only when that is over.
 */
import type { LoggedEvent, Loss } from '../kernel/simulation.js';
import type { Drawing } from './attribution.js';
import type { Leg } from './criticalPath.js';
import type { WorkerSpan } from './workerStates.js';

const pid = 1;
/** The thread whose number is that of the process stands first. */
const pathLane = pid;
/** Copies of messages that never arrive. */
const lossLane = 'losses';

/** As many characters wait in memory. */
const buffered = 65_536;

export interface ChromeTraceOptions {
  /** Names the process: that of the scenario. */
  readonly title: string;
  /** Names, in worker order. */
  readonly workers: readonly string[];
  /** The other actors that get a lane. */
  readonly others: readonly string[];
  /** Takes the text of the file, piece by piece. */
  readonly write: (text: string) => void;
}

export class ChromeTrace implements Drawing {
  private readonly lanes: ReadonlyMap<string, number>;
  private readonly workers: ReadonlySet<string>;
  private text = '{"traceEvents":[\n';
  private separator = '';

  constructor(private readonly options: ChromeTraceOptions) {
    const { title, workers, others } = options;
    this.workers = new Set(workers);
    this.lanes = new Map([...workers, ...others, lossLane].map((actor, index) => [actor, pathLane + 1 + index]));
    this.name('process_name', pathLane, title);
    this.name('thread_name', pathLane, 'critical path');
    for (const [actor, tid] of this.lanes) this.name('thread_name', tid, actor);
    // What a worker sends at the start needs something to come from.
    for (const worker of workers) this.mark(worker, 0, { name: 'start', cat: 'actor' });
  }

  /** Takes the next event. */
  see(event: LoggedEvent): void {
    const { timeNs, actor, kind, facts, cause } = event;
    const isWorker = this.workers.has(actor);
    // A worker's messages and steps are seen by their arrows and slices.
    if (!isWorker || (cause.via !== 'message' && cause.via !== 'completion')) {
      this.mark(actor, timeNs, { name: nameOf(event), cat: actor === 'faults' ? 'fault' : 'actor', args: facts });
    }
    if (actor === 'faults') this.mark(facts['who'] as string, timeNs, { name: kind, cat: 'fault', args: facts });
    if (cause.via === 'message') this.arrow(event, isWorker ? {} : { bp: 'e' });
  }

  /** Takes a state of a worker, in any order. */
  span({ worker, state, step, fromNs, untilNs }: WorkerSpan): void {
    const args = step === undefined ? {} : { args: { step } };
    this.slice(this.lanes.get(worker)!, { name: state, cat: 'state', fromNs, untilNs, ...args });
  }

  /** Takes a leg of the critical path, in any order. */
  leg({ kind, of, fromNs, untilNs }: Leg): void {
    this.slice(pathLane, { name: kind === 'message' ? of : `${of} ${kind}`, cat: 'path', fromNs, untilNs });
  }

  lose({ timeNs, from, to, kind, bytes, why }: Loss): void {
    this.mark(lossLane, timeNs, { name: `${kind} ${from} -> ${to}`, cat: 'loss', args: { why, bytes } });
  }

  waiting(timeNs: number, copies: number): void {
    this.put({ name: 'waiting', ph: 'C', pid, ts: microseconds(timeNs), args: { copies } });
  }

  /** Ends the file, at the end of the run; `facts` say what it is the trace of. */
  end(timeNs: number, facts: Readonly<Record<string, unknown>>): void {
    // What arrives during the last slice of a worker needs something to lead to.
    for (const worker of this.workers) this.mark(worker, timeNs, { name: 'end', cat: 'actor' });
    this.text += `\n],"displayTimeUnit":"ms","otherData":${JSON.stringify(facts)}}\n`;
    this.options.write(this.text);
    this.text = '';
  }

  private name(what: 'process_name' | 'thread_name', tid: number, name: string): void {
    this.put({ name: what, ph: 'M', pid, tid, args: { name } });
    if (what === 'thread_name') this.put({ name: 'thread_sort_index', ph: 'M', pid, tid, args: { sort_index: tid } });
  }

  private slice(
    tid: number,
    { fromNs, untilNs, ...told }: { name: string; cat: string; fromNs: number; untilNs: number; args?: object },
  ): void {
    this.put({ ...told, ph: 'X', pid, tid, ts: microseconds(fromNs), dur: microseconds(untilNs - fromNs) });
  }

  /** Marks a moment on the lane of an actor, if it has one. */
  private mark(actor: string, timeNs: number, told: { name: string; cat: string; args?: object }): void {
    const tid = this.lanes.get(actor);
    if (tid !== undefined) this.put({ ...told, ph: 'i', s: 't', pid, tid, ts: microseconds(timeNs) });
  }

  /** Draws the message that has arrived. */
  private arrow({ timeNs, actor, kind, number: id, cause }: LoggedEvent, binding: { bp?: 'e' }): void {
    const [from, to] = [this.lanes.get(cause.actor), this.lanes.get(actor)];
    if (from === undefined || to === undefined) return;
    const arrow = { name: kind, cat: 'message', id, pid };
    this.put({ ...arrow, ph: 's', tid: from, ts: microseconds(cause.timeNs), args: { bytes: cause.bytes } });
    this.put({ ...arrow, ph: 'f', ...binding, tid: to, ts: microseconds(timeNs) });
  }

  private put(event: object): void {
    this.text += this.separator + JSON.stringify(event);
    this.separator = ',\n';
    if (this.text.length < buffered) return;
    this.options.write(this.text);
    this.text = '';
  }
}

/** `move 12`, `crash worker-2`, `deliver` */
function nameOf({ kind, facts }: LoggedEvent): string {
  const which = kind === 'move' ? facts['version'] : facts['who'];
  return which === undefined ? kind : `${kind} ${which as string | number}`;
}

/**
 * The time in microseconds, which Perfetto multiplies by 1000 and cuts to whole nanoseconds: where the quotient was rounded
 * down, that would be a nanosecond early, and slices would overlap.
 */
function microseconds(ns: number): number {
  const quotient = ns / 1000;
  return quotient * 1000 < ns ? quotient * (1 + Number.EPSILON) : quotient;
}
