/**
 * How large vectors cross between threads: through shared memory that is used again. Were they made in shared memory, it
 * would be for the collectors of two threads to free them, and V8 does not count shared memory when it decides to collect.
 */
import { isLarge } from './checked.js';
import { isStack, type Feeds, type InputValue } from './feeds.js';
import { mapped, type Evaluation } from './ports.js';
import { sizeOf } from './table.js';
import type { Program } from './trace.js';

/** Where the large outputs of each replica go. */
export type Results = readonly Readonly<Record<string, Float32Array>>[];

/** The memory of one call at a time. */
export class Crossing {
  private memory = new Float32Array(new SharedArrayBuffer(0));
  private used = 0;

  /** The feeds as they cross, and where results are to be left. */
  load({ outputs, replicas }: Program, feeds: readonly Feeds[]): { feeds: readonly Feeds[]; results: Results } {
    const sizes = Object.entries(outputs).flatMap(([name, { shape }]) => {
      const size = sizeOf(shape) / replicas;
      return isLarge(size) ? [{ name, size }] : [];
    });
    const vectors = new Set(feeds.flatMap((own) => Object.values(own)).flatMap(largeVectorsOf));
    const sum = (lengths: readonly number[]): number => lengths.reduce((total, length) => total + length, 0);
    this.begin(sum([...vectors].map(({ length }) => length)) + replicas * sum(sizes.map(({ size }) => size)));
    // A vector that occurs more than once crosses once.
    const copies = new Map([...vectors].map((vector) => [vector, this.copyOf(vector)]));
    return {
      feeds: feeds.map((own) => mapped(own, (value) => replaced(value, copies))),
      results: feeds.map(() => Object.fromEntries(sizes.map(({ name, size }) => [name, this.take(size)]))),
    };
  }

  /** Nothing is in use, and there is room for `length` numbers. */
  private begin(length: number): void {
    this.used = 0;
    if (this.memory.length >= length) return;
    // Grown by half at least: memory that is given up is not counted either.
    const room = Math.max(length, Math.ceil(1.5 * this.memory.length));
    this.memory = new Float32Array(new SharedArrayBuffer(Float32Array.BYTES_PER_ELEMENT * room));
  }

  private take(length: number): Float32Array {
    return this.memory.subarray(this.used, (this.used += length));
  }

  private copyOf(vector: Float32Array): Float32Array {
    const copy = this.take(vector.length);
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

const nothing = new Float32Array(0);

/** What a thread sends back: the large outputs are left in `results`, and nothing stands in their place. */
export function leave(evaluations: readonly Evaluation[], results: Results): Evaluation[] {
  return evaluations.map(({ outputs, finite }, replica) => {
    for (const name in results[replica]) results[replica][name]!.set(outputs[name]!);
    return { outputs: mapped(outputs, (values, name) => (name in results[replica]! ? nothing : values)), finite };
  });
}

/** What a thread gave, as it was before `leave`: the large outputs are copied from `results`. */
export function fetched(evaluations: readonly Evaluation[], results: Results): Evaluation[] {
  return evaluations.map(({ outputs, finite }, replica) => ({
    outputs: mapped(outputs, (values, name) => results[replica]![name]?.slice() ?? values),
    finite,
  }));
}
