/** A link in one direction: how long a message takes, and whether it arrives. */
import type { Stream } from '../kernel/streams.js';
import { transferNs, valueAt, type Course } from './course.js';

/** What draws a delay in nanoseconds. */
export type Draw = (stream: Stream) => number;

export interface LinkOptions {
  /** The latency of a message that is sent at a time. */
  readonly latency: Course<Draw>;
  /** A drawn delay more, of messages that may overtake each other. */
  readonly jitter: Draw | undefined;
  /** Bytes a second; Infinity for a link without a limit. */
  readonly rate: Course<number>;
  /** Probabilities, of a copy of a message each. */
  readonly loss: number;
  readonly corruption: number;
  readonly duplication: number;
}

/** What is drawn. */
export type Purpose = 'loss' | 'corruption' | 'duplication' | 'latency' | 'jitter';

/** What is drawn for one copy of a message. */
export interface Fortune {
  /** Why it never arrives. */
  readonly lost: string | undefined;
  /** Whether the network makes another copy. */
  readonly doubled: boolean;
  /** What it takes beside its transfer. */
  readonly latencyNs: number;
}

/** How long `bytes` take that enter the link at `timeNs`. */
export function linkTransferNs({ rate }: LinkOptions, bytes: number, timeNs: number): number {
  return bytes === 0 ? 0 : transferNs(rate, bytes, timeNs);
}

/**
 * Draws what becomes of a message. Every kind of draw has, on every link and for every kind of message, a stream of its
 * own: whether messages are lost leaves the latencies as they were.
 */
export function drawFortune(options: LinkOptions, stream: (purpose: Purpose) => Stream, timeNs: number): Fortune {
  const happens = (purpose: 'loss' | 'corruption' | 'duplication'): boolean =>
    options[purpose] > 0 && stream(purpose).double() < options[purpose];
  // All are drawn, whatever the others say, so that each stream counts messages.
  const [lost, corrupted, doubled] = [happens('loss'), happens('corruption'), happens('duplication')];
  const latency = valueAt(options.latency, timeNs).value(stream('latency'));
  const jitter = options.jitter?.(stream('jitter')) ?? 0;
  return {
    lost: lost ? 'loss' : corrupted ? 'corruption' : undefined,
    doubled,
    latencyNs: latency + jitter,
  };
}
