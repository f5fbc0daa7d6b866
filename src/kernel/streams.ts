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
  // By actor and then by purpose: no seed text is put together for a stream that is there.
  private readonly streams = new Map<string, Map<string, Stream>>();

  constructor(private readonly seed: number) {}

  /** The stream of `actor` for `purpose`: the same object at each call. */
  stream(actor: string, purpose: string): Stream {
    let own = this.streams.get(actor);
    if (own === undefined) this.streams.set(actor, (own = new Map<string, Stream>()));
    let stream = own.get(purpose);
    if (stream === undefined) own.set(purpose, (stream = seeded(`${this.seed}/${actor}/${purpose}`)));
    return stream;
  }
}

/** A generator takes a kilobyte: it is made when it is first drawn from. */
function seeded(text: string): Stream {
  let random: Stream | undefined;
  return {
    double: () => {
      random ??= compact(createHash('sha256').update(text).digest('hex'));
      return random.double();
    },
  };
}

/**
 * seedrandom's generator of `seed`, with the 256 bytes of its state in as many bytes: seedrandom itself has them in an array
 * of numbers, which takes four times as much memory as all the rest of a worker.
 */
function compact(seed: string): Stream {
  const { i, j, S } = seedrandom(seed, { state: true }).state();
  return seedrandom('', { state: { i, j, S: Uint8Array.from(S) as unknown as number[] } });
}

/** A whole number uniform in 0 ... `below` - 1. */
export function drawIndex(stream: Stream, below: number): number {
  return Math.floor(stream.double() * below);
}
