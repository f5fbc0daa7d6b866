/** A star of independent links: a message takes its bytes over the rate, and a drawn latency. */
import type { Network } from '../kernel/effects.js';
import type { Stream, Streams } from '../kernel/streams.js';

export interface StarOptions {
  /** Draws a latency in nanoseconds. */
  readonly latencyNs: (stream: Stream) => number;
  /** Infinity for links without a limit. */
  readonly bytesPerSecond: number;
  /** Each link draws from the stream `latency/<receiver>` of its sender. */
  readonly streams: Streams;
}

export function star({ latencyNs, bytesPerSecond, streams }: StarOptions): Network {
  return {
    transitNs: ({ from, to, bytes }) =>
      Math.round((bytes / bytesPerSecond) * 1e9) + latencyNs(streams.stream(from, `latency/${to}`)),
  };
}
