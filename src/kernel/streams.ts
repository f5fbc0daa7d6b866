import { createHash } from 'node:crypto';
import seedrandom from 'seedrandom';

/**
 * A named stream of random numbers. Every actor owns one stream a purpose, so that changing what one
 * actor draws, or how often, leaves every other draw of the run untouched (paired experiments).
 */
export interface Stream {
  /** The next number, uniform in [0, 1), with 53 bits. */
  double(): number;
}

/** All streams of one run. A stream's seed text is the SHA-256 of `seed/actor/purpose`. */
export class Streams {
  private readonly streams = new Map<string, Stream>();

  constructor(private readonly seed: number) {}

  /** The stream of `actor` for `purpose`: the same object at each call. */
  stream(actor: string, purpose: string): Stream {
    const key = `${this.seed}/${actor}/${purpose}`;
    let stream = this.streams.get(key);
    if (stream === undefined) {
      const random = seedrandom(createHash('sha256').update(key).digest('hex'), { state: true });
      stream = { double: () => random.double() };
      this.streams.set(key, stream);
    }
    return stream;
  }
}

/** A whole number uniform in 0 ... `below` - 1. */
export function drawIndex(stream: Stream, below: number): number {
  return Math.floor(stream.double() * below);
}
