/** Messages and bytes on each link, by kind of message: delivered, and lost for which reason. */
import type { LoggedEvent, Loss } from '../kernel/simulation.js';

export interface Tally {
  readonly messages: number;
  readonly bytes: number;
}

/** What was sent on a link, in one direction, and came to an end. */
export interface LinkRecord {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  readonly delivered: Tally;
  /** By reason, each copy that never arrived. */
  readonly lost: Readonly<Record<string, Tally>>;
}

export interface TrafficRecord {
  readonly links: readonly LinkRecord[];
  /** All that was given to the network: the sum over links, and `rest`. */
  readonly sent: Tally;
  /** What was under way when the run ended, and acknowledgements that arrived: they are no events, and have no bytes. */
  readonly rest: Tally;
}

interface Row {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  delivered: Tally;
  readonly lost: Record<string, Tally>;
}

const nothing: Tally = { messages: 0, bytes: 0 };

export class LinkTraffic {
  private readonly rows = new Map<string, Row>();
  private over = nothing;

  see({ actor, kind, cause }: LoggedEvent): void {
    if (cause.via !== 'message') return;
    const row = this.row(cause.actor, actor, kind);
    row.delivered = this.count(row.delivered, cause.bytes);
  }

  lose({ from, to, kind, bytes, why }: Loss): void {
    const { lost } = this.row(from, to, kind);
    lost[why] = this.count(lost[why] ?? nothing, bytes);
  }

  /** Throws where more came to an end than was `sent`. */
  record({ messages, bytes }: Tally): TrafficRecord {
    const rest = { messages: messages - this.over.messages, bytes: bytes - this.over.bytes };
    if (rest.messages < 0 || rest.bytes < 0) {
      const over = `${this.over.messages} (${this.over.bytes})`;
      throw new Error(`of ${messages} messages (${bytes} bytes) that were sent, ${over} came to an end`);
    }
    return { links: [...this.rows.values()], sent: { messages, bytes }, rest };
  }

  private row(from: string, to: string, kind: string): Row {
    const key = `${from} ${to} ${kind}`;
    let row = this.rows.get(key);
    if (row === undefined) this.rows.set(key, (row = { from, to, kind, delivered: nothing, lost: {} }));
    return row;
  }

  private count(tally: Tally, bytes: number): Tally {
    this.over = plus(this.over, bytes);
    return plus(tally, bytes);
  }
}

function plus({ messages, bytes }: Tally, more: number): Tally {
  return { messages: messages + 1, bytes: bytes + more };
}
