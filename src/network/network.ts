/**
 * The network: links, a bottleneck that they may share, partitions, and a layer above them that compresses messages, makes
 * them arrive at most once, and sends those again that are not acknowledged.
 */
import type { Network, Parcel, Passage } from '../kernel/effects.js';
import type { Stream, Streams } from '../kernel/streams.js';
import { Traffic } from '../kernel/traffic.js';
import type { Compression } from './compression.js';
import type { FairShare } from './fairShare.js';
import { drawFortune, linkTransferNs, type Fortune, type LinkOptions, type Purpose } from './link.js';

export interface Retransmission {
  /** How long a sender waits for an acknowledgement, the first time. */
  readonly timeoutNs: number;
  /** How many times longer it waits each time. */
  readonly backoff: number;
  /** How often it sends a message at most. */
  readonly attempts: number;
}

export interface NetworkOptions {
  readonly link: (from: string, to: string) => LinkOptions;
  /** What the link from `from` to `to` shares with others. */
  readonly bottleneck?: ((from: string, to: string) => FairShare | undefined) | undefined;
  /** Whether nothing passes from `from` to `to` that is sent at `timeNs`. Times do not go back. */
  readonly isCut?: ((from: string, to: string, timeNs: number) => boolean) | undefined;
  readonly retransmission?: Retransmission | undefined;
  readonly compression?: Compression | undefined;
  readonly streams: Streams;
}

/** A message and its copies: one of them is delivered. */
interface Shipment {
  readonly parcel: Parcel;
  /** A copy is with the kernel, whose actor may still turn out to be down. */
  handedOver: boolean;
  delivered: boolean;
  acknowledged: boolean;
  attempts: number;
  /** How often its sender had been down when it was sent. */
  readonly life: number;
}

/** A copy on its way. An acknowledgement is one too, and has no shipment to deliver. */
interface Copy {
  readonly parcel: Parcel;
  readonly arrive: (timeNs: number) => readonly Passage[];
}

/** A link, and the streams from which it draws for each kind of message. */
interface Line {
  readonly link: LinkOptions;
  readonly streams: (kind: string) => (purpose: Purpose) => Stream;
}

/** Streams of the sender: named once, because names take longer to put together than numbers to draw. */
function streamsOf(streams: Streams, from: string, to: string): Line['streams'] {
  const kinds = new Map<string, (purpose: Purpose) => Stream>();
  return (kind) => {
    let ofKind = kinds.get(kind);
    if (ofKind === undefined) {
      const drawn: Partial<Record<Purpose, Stream>> = {};
      ofKind = (purpose) => (drawn[purpose] ??= streams.stream(from, `${purpose}/${to}/${kind}`));
      kinds.set(kind, ofKind);
    }
    return ofKind;
  };
}

export function network(options: NetworkOptions): Network {
  return new Links(options);
}

class Links implements Network {
  private readonly traffic = new Traffic();
  readonly totals = this.traffic.totals;
  /** By sender and then by receiver. */
  private readonly lines = new Map<string, Map<string, Line>>();
  private readonly lives = new Map<string, number>();
  /** Shipments whose copy is with the kernel. */
  private readonly handedOver = new Map<Parcel, Shipment>();

  constructor(private readonly options: NetworkOptions) {}

  send(sent: Parcel): readonly Passage[] {
    const { retransmission, compression } = this.options;
    const parcel = compression === undefined ? sent : { ...sent, ...compression.compress(sent) };
    const life = this.lives.get(parcel.from) ?? 0;
    const shipment = { parcel, handedOver: false, delivered: false, acknowledged: false, attempts: 0, life };
    return retransmission === undefined
      ? this.transmit(shipment, parcel.sentNs)
      : this.attempt(shipment, retransmission, parcel.sentNs);
  }

  arrived(parcel: Parcel, down: boolean, timeNs: number): readonly Passage[] {
    const shipment = this.handedOver.get(parcel);
    this.handedOver.delete(parcel);
    if (shipment !== undefined) Object.assign(shipment, { handedOver: false, delivered: !down });
    if (down) {
      this.traffic.lose(parcel);
      return [];
    }
    this.traffic.deliver(parcel);
    return shipment === undefined ? [] : this.acknowledge(shipment, timeNs);
  }

  forget(actor: string): void {
    this.lives.set(actor, (this.lives.get(actor) ?? 0) + 1);
  }

  check(isDue: boolean): void {
    this.traffic.check(isDue);
  }

  /** Sends a message, again where it has been sent before, and looks after a while whether it is acknowledged. */
  private attempt(shipment: Shipment, retransmission: Retransmission, timeNs: number): readonly Passage[] {
    const { timeoutNs, backoff, attempts } = retransmission;
    shipment.attempts += 1;
    const delayNs = Math.round(timeoutNs * Math.exp((shipment.attempts - 1) * Math.log(backoff)));
    const wakeUp = (wokenNs: number): readonly Passage[] => {
      const alive = shipment.life === (this.lives.get(shipment.parcel.from) ?? 0);
      if (shipment.acknowledged || !alive) return [];
      return this.attempt(shipment, retransmission, wokenNs);
    };
    const again: readonly Passage[] = shipment.attempts < attempts ? [{ passage: 'wake', delayNs, wakeUp }] : [];
    return [...this.transmit(shipment, timeNs), ...again];
  }

  /** Puts a copy of a message on its link, and another where the network doubles it. */
  private transmit(shipment: Shipment, timeNs: number): readonly Passage[] {
    const { from, to, message, bytes } = shipment.parcel;
    const first = shipment.attempts <= 1 ? shipment.parcel : { ...shipment.parcel };
    // Copies after the first one have streams of their own: the draws of first ones do not depend on how many there are.
    const kind = shipment.attempts > 1 ? `${message.kind}/again` : message.kind;
    const { link, streams } = this.lineOf(from, to);
    const draw = (what: string): Fortune => drawFortune(link, streams(what), timeNs);
    const fortune = draw(kind);
    const single = this.options.retransmission === undefined && !fortune.doubled;
    if (single && fortune.lost === undefined && !this.isCut(first, timeNs) && this.shareOf(first) === undefined) {
      // What most messages do: nothing can happen to them on their way.
      this.traffic.send(first);
      return [{ passage: 'arrive', parcel: first, delayNs: linkTransferNs(link, bytes, timeNs) + fortune.latencyNs }];
    }
    const carry = (parcel: Parcel, { lost, latencyNs }: Fortune): readonly Passage[] => {
      const arrive = (now: number): readonly Passage[] => this.handOver(shipment, parcel, now);
      return this.carry({ parcel, arrive }, { link, timeNs, lost, latencyNs });
    };
    return [...carry(first, fortune), ...(fortune.doubled ? carry({ ...first }, draw(`${kind}/double`)) : [])];
  }

  /** A copy goes over its link, and over the bottleneck. */
  private carry(
    { parcel, arrive }: Copy,
    {
      link,
      timeNs,
      lost,
      latencyNs,
    }: { link: LinkOptions; timeNs: number; lost: string | undefined; latencyNs: number },
  ): readonly Passage[] {
    this.traffic.send(parcel);
    const why = this.isCut(parcel, timeNs) ? 'partition' : lost;
    if (why !== undefined) return this.lose(parcel, why);
    const share = this.shareOf(parcel);
    const { bytes } = parcel;
    if (share === undefined) {
      return [{ passage: 'wake', delayNs: linkTransferNs(link, bytes, timeNs) + latencyNs, wakeUp: arrive }];
    }
    const done = (): readonly Passage[] => [{ passage: 'wake', delayNs: latencyNs, wakeUp: arrive }];
    return share.begin({ bytes, limit: link.rate, done }, timeNs);
  }

  /** A copy is there: the first one goes to its actor. */
  private handOver(shipment: Shipment, parcel: Parcel, timeNs: number): readonly Passage[] {
    if (shipment.delivered) return [...this.lose(parcel, 'duplicate'), ...this.acknowledge(shipment, timeNs)];
    if (shipment.handedOver) return this.lose(parcel, 'duplicate');
    shipment.handedOver = true;
    this.handedOver.set(parcel, shipment);
    return [{ passage: 'arrive', parcel, delayNs: 0 }];
  }

  private acknowledge(shipment: Shipment, timeNs: number): readonly Passage[] {
    if (this.options.retransmission === undefined) return [];
    const { from: to, to: from, message, event } = shipment.parcel;
    const parcel = { from, to, message: { kind: 'ack', facts: message.facts }, bytes: 0, sentNs: timeNs, event };
    const { link, streams } = this.lineOf(from, to);
    const fortune = drawFortune(link, streams('ack'), timeNs);
    const arrive = (): readonly Passage[] => {
      this.traffic.deliver(parcel);
      shipment.acknowledged = true;
      return [];
    };
    return this.carry({ parcel, arrive }, { link, timeNs, ...fortune });
  }

  private lose(parcel: Parcel, why: string): readonly Passage[] {
    this.traffic.lose(parcel);
    return [{ passage: 'lost', parcel, why }];
  }

  private lineOf(from: string, to: string): Line {
    let lines = this.lines.get(from);
    if (lines === undefined) this.lines.set(from, (lines = new Map<string, Line>()));
    let line = lines.get(to);
    if (line === undefined) {
      line = { link: this.options.link(from, to), streams: streamsOf(this.options.streams, from, to) };
      lines.set(to, line);
    }
    return line;
  }

  private isCut({ from, to }: Parcel, timeNs: number): boolean {
    return this.options.isCut?.(from, to, timeNs) ?? false;
  }

  private shareOf({ from, to, bytes }: Parcel): FairShare | undefined {
    return bytes === 0 ? undefined : this.options.bottleneck?.(from, to);
  }
}
