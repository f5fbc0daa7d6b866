/**
 * How large vectors go to another thread: through shared memory that is used again. Were they made in shared memory, it
 * would be for the collectors of two threads to free them, and V8 does not count shared memory when it decides to collect.
 */
import { isLarge } from './checked.js';
import { isStack, type Feeds, type InputValue } from './feeds.js';
import { mapped } from './ports.js';

/** The memory of one call at a time. */
export class Crossing {
  private memory = new Float32Array(new SharedArrayBuffer(0));
  private used = 0;

  /** The feeds as they cross. A vector that occurs more than once crosses once. */
  load(feeds: readonly Feeds[]): readonly Feeds[] {
    const vectors = new Set(feeds.flatMap((own) => Object.values(own)).flatMap(largeVectorsOf));
    this.begin([...vectors].reduce((total, { length }) => total + length, 0));
    const copies = new Map([...vectors].map((vector) => [vector, this.copyOf(vector)]));
    return feeds.map((own) => mapped(own, (value) => replaced(value, copies)));
  }

  /** Nothing is in use, and there is room for `length` numbers. */
  private begin(length: number): void {
    this.used = 0;
    if (this.memory.length >= length) return;
    // Grown by half at least: memory that is given up is not counted either.
    const room = Math.max(length, Math.ceil(1.5 * this.memory.length));
    this.memory = new Float32Array(new SharedArrayBuffer(Float32Array.BYTES_PER_ELEMENT * room));
  }

  private copyOf(vector: Float32Array): Float32Array {
    const copy = this.memory.subarray(this.used, (this.used += vector.length));
    copy.set(vector);
    return copy;
  }
}

function largeVectorsOf(value: InputValue): Float32Array[] {
  const vectors: readonly unknown[] = isStack(value) ? value : [value];
  return vectors.filter((vector) => vector instanceof Float32Array).filter(({ length }) => isLarge(length));
}

function replaced(value: InputValue, copies: ReadonlyMap<unknown, Float32Array>): InputValue {
  return isStack(value) ? value.map((vector) => copies.get(vector) ?? vector) : (copies.get(value) ?? value);
}
