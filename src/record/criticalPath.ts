/**
 * The critical path: the chain of causes from the last event of a run back to its start. Actors answer events in zero time,
 * so its legs, laid end to end, are the time of that event: whoever computes or sends on it holds up the run.
 *
 * Any earlier event may still turn out to be a cause, that of a message which is long under way for example, so each is
 * kept, in 20 bytes: its time, the number of its cause, and who brought it about.
 */
import type { LoggedEvent } from '../kernel/simulation.js';
import type { Span } from './workerStates.js';

/** What led from one event to the next: a computation of `of`, a message on the link `of`, a timer of `of`. */
export interface Leg extends Span {
  readonly kind: 'compute' | 'message' | 'timer';
  /** The name of an actor, or `worker-0 -> consensus`. */
  readonly of: string;
}

type Owner = Pick<Leg, 'kind' | 'of'>;

export class CriticalPath {
  private readonly owners: Owner[] = [];
  private readonly ownerNumbers = new Map<string, number>();
  /** Of every event, from 1; event 0 is the start. */
  private times = new Float64Array(1024);
  private causes = new Float64Array(1024);
  private ownersOf = new Int32Array(1024);
  private last = 0;

  /** Takes the next event. */
  see({ timeNs, number, actor, cause }: LoggedEvent): void {
    if (number !== this.last + 1) throw new Error(`event ${number} came after event ${this.last}`);
    if (number === this.times.length) this.grow();
    this.last = number;
    this.times[number] = timeNs;
    this.causes[number] = cause.event;
    this.ownersOf[number] = this.ownerNumber(ownerOf(actor, cause));
  }

  /** The legs that took time, from the last one back to the first. */
  *legs(): Generator<Leg, void> {
    for (let number = this.last; number > 0; number = this.causes[number]!) {
      const [fromNs, untilNs] = [this.times[this.causes[number]!]!, this.times[number]!];
      if (fromNs < untilNs) yield { ...this.owners[this.ownersOf[number]!]!, fromNs, untilNs };
    }
  }

  private ownerNumber(owner: Owner): number {
    const key = `${owner.kind} ${owner.of}`;
    let number = this.ownerNumbers.get(key);
    if (number === undefined) this.ownerNumbers.set(key, (number = this.owners.push(owner) - 1));
    return number;
  }

  private grow(): void {
    const length = 2 * this.times.length;
    const [times, causes, ownersOf] = [this.times, this.causes, this.ownersOf];
    this.times = new Float64Array(length);
    this.causes = new Float64Array(length);
    this.ownersOf = new Int32Array(length);
    this.times.set(times);
    this.causes.set(causes);
    this.ownersOf.set(ownersOf);
  }
}

function ownerOf(actor: string, { via, actor: source }: LoggedEvent['cause']): Owner {
  if (via === 'message') return { kind: 'message', of: `${source} -> ${actor}` };
  // What is instant takes no time, whoever it belongs to.
  return { kind: via === 'timer' ? 'timer' : 'compute', of: actor };
}
