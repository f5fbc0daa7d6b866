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
  private readonly paths: Path = { next: new Map() };

  constructor(private readonly seed: number) {}

  /** The stream of `actor` for a purpose, whose parts a slash joins: the same object at each call. */
  stream(actor: string, ...purpose: readonly string[]): Stream {
    // A way through names costs much less than putting a seed text together and looking for that.
    let path = step(this.paths, actor);
    for (const part of purpose) path = step(path, part);
    return (path.stream ??= this.named([this.seed, actor, ...purpose].join('/')));
  }

  private named(text: string): Stream {
    let stream = this.streams.get(text);
    if (stream === undefined) {
      const random = seedrandom(createHash('sha256').update(text).digest('hex'));
      stream = { double: () => random.double() };
      this.streams.set(text, stream);
    }
    return stream;
  }
}

interface Path {
  readonly next: Map<string, Path>;
  stream?: Stream;
}

function step({ next }: Path, name: string): Path {
  let path = next.get(name);
  if (path === undefined) next.set(name, (path = { next: new Map() }));
  return path;
}

/** A whole number uniform in 0 ... `below` - 1. */
export function drawIndex(stream: Stream, below: number): number {
  return Math.floor(stream.double() * below);
}
