/** How long a step takes: a drawn duration, and permanent stragglers that multiply it. */
import type { Stream } from '../kernel/streams.js';

export interface Straggler {
  readonly workers: readonly number[];
  /** How many times slower these workers are. */
  readonly slowdown: number;
}

/** Returns, for `worker`, what draws the duration of a step in nanoseconds. */
export function stepTimes(
  drawNs: (stream: Stream) => number,
  stragglers: readonly Straggler[],
): (worker: number) => (stream: Stream) => number {
  return (worker) => {
    const slowdown = stragglers
      .filter(({ workers }) => workers.includes(worker))
      .reduce((product, straggler) => product * straggler.slowdown, 1);
    return (stream) => Math.round(drawNs(stream) * slowdown);
  };
}
