/**
 * How large vectors go to another thread: through shared memory that is used again. Were they made in shared memory, it
 * would be for the collectors of two threads to free them, and V8 does not count shared memory when it decides to collect.
 */
import { isLarge } from './checked.js';
import { isStack, type Feeds, type InputValue } from './feeds.js';
import { mapped } from './mapped.js';

/** The memory of one call at a time. */
export class Crossing {
  private memory = new Float32Array(new SharedArrayBuffer(0));
  /** What lies in it, from the beginning on. Vectors do not change: one that lies where it is to lie is left alone. */
  private held: readonly Float32Array[] = [];

  /** The feeds as they cross. A vector that occurs more than once crosses once. */
  load(feeds: readonly Feeds[]): readonly Feeds[] {
    const vectors = [...new Set(feeds.flatMap((own) => Object.values(own)).flatMap(largeVectorsOf))];
    this.makeRoom(vectors.reduce((total, { length }) => total + length, 0));
    const places = new Map<unknown, Float32Array>();
    let [to, holds] = [0, 0];
    for (const [index, vector] of vectors.entries()) {
      const place = this.memory.subarray(to, to + vector.length);
      const there = this.held[index];
      if (there !== vector || holds !== to) place.set(vector);
      places.set(vector, place);
      to += vector.length;
      holds += there?.length ?? 0;
    }
    this.held = vectors;
    return feeds.map((own) => mapped(own, (value) => replaced(value, places)));
  }

  private makeRoom(length: number): void {
    if (this.memory.length >= length) return;
    // Grown by half at least: memory that is given up is not counted either.
    const room = Math.max(length, Math.ceil(1.5 * this.memory.length));
    this.memory = new Float32Array(new SharedArrayBuffer(Float32Array.BYTES_PER_ELEMENT * room));
    this.held = [];
  }
}

function largeVectorsOf(value: InputValue): Float32Array[] {
  const vectors: readonly unknown[] = isStack(value) ? value : [value];
  return vectors.filter((vector) => vector instanceof Float32Array).filter(({ length }) => isLarge(length));
}

function replaced(value: InputValue, copies: ReadonlyMap<unknown, Float32Array>): InputValue {
  return isStack(value) ? value.map((vector) => copies.get(vector) ?? vector) : (copies.get(value) ?? value);
}
