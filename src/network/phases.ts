/** A process that is on and off in turns, for drawn times: a transient straggler, a link that fails and heals. */
import type { Stream } from '../kernel/streams.js';

export interface PhaseOptions {
  /** Draw how long a phase lasts, in nanoseconds; at least one of them not always 0. */
  readonly offNs: (stream: Stream) => number;
  readonly onNs: (stream: Stream) => number;
}

/** Returns whether the process is on at a time; times must not go back. It begins off, and draws from `stream` alone. */
export function phases({ offNs, onNs }: PhaseOptions, stream: Stream): (timeNs: number) => boolean {
  let on = false;
  let endsNs = offNs(stream);
  return (timeNs) => {
    while (endsNs <= timeNs) {
      on = !on;
      endsNs += (on ? onNs : offNs)(stream);
    }
    return on;
  };
}
