/** A star of independent links: a message takes its bytes over the rate, and a drawn latency. */
import type { Network } from '../kernel/effects.js';
import type { Stream, Streams } from '../kernel/streams.js';

export interface StarOptions {
  /** Draws a latency in nanoseconds. */
  readonly latencyNs: (stream: Stream) => number;
  /** Infinity for links without a limit. */
  readonly bytesPerSecond: number;
  /**
   * Messages of one kind on one link draw from the stream `latency/<receiver>/<kind>` of the sender, so that telling
   * progress, say, leaves the latencies of copies as they were.
   */
  readonly streams: Streams;
}

export function star({ latencyNs, bytesPerSecond, streams }: StarOptions): Network {
  return {
    transitNs: ({ from, to, kind, bytes }) =>
      Math.round((bytes / bytesPerSecond) * 1e9) + latencyNs(streams.stream(from, `latency/${to}/${kind}`)),
  };
}
