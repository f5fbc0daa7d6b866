/** What a network has carried: every message is in flight from when it is sent to when it is delivered or lost. */
import type { Parcel, Tensors, Totals } from './effects.js';

interface Tally {
  messages: number;
  bytes: number;
}

export class Traffic {
  private readonly flying = new Set<Parcel>();
  private flyingBytes = 0;
  private readonly sum = { messages: 0, bytes: 0, lost: 0 };
  private readonly over: Tally = { messages: 0, bytes: 0 };

  get totals(): Totals {
    return this.sum;
  }

  send(parcel: Parcel): void {
    this.flying.add(parcel);
    this.flyingBytes += parcel.bytes;
    this.sum.messages += 1;
    this.sum.bytes += parcel.bytes;
  }

  deliver(parcel: Parcel): void {
    this.end(parcel);
  }

  lose(parcel: Parcel): void {
    this.end(parcel);
    this.sum.lost += 1;
  }

  /** Throws where sent is not delivered + lost + in flight, or, where nothing `isDue`, where anything is in flight. */
  check(isDue = true): void {
    const flying = isDue ? { messages: this.flying.size, bytes: this.flyingBytes } : { messages: 0, bytes: 0 };
    const [messages, bytes] = [this.over.messages + flying.messages, this.over.bytes + flying.bytes];
    if (messages === this.sum.messages && bytes === this.sum.bytes) return;
    const sent = `${this.sum.messages} messages (${this.sum.bytes} bytes) sent`;
    throw new Error(`${sent}, but ${messages} (${bytes} bytes) delivered, lost or in flight`);
  }

  private end(parcel: Parcel): void {
    const { from, to, message, bytes } = parcel;
    if (!this.flying.delete(parcel)) throw new Error(`${message.kind} from ${from} to ${to} ended twice`);
    this.flyingBytes -= bytes;
    this.over.messages += 1;
    this.over.bytes += bytes;
  }
}

/** The bytes that a message takes on a link: those of its tensors. */
export function bytesOf({ tensors }: { readonly tensors?: Tensors }): number {
  if (tensors === undefined) return 0;
  return Object.values(tensors).reduce((sum, { byteLength }) => sum + byteLength, 0);
}
