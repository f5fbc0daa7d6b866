/**
 * How large vectors cross between threads: through shared memory that is used again. Were they made in shared memory, it
 * would be for the collectors of two threads to free them, and V8 does not count shared memory when it decides to collect.
 */
import type { Vector } from '../vector.js';
import { isLarge } from './checked.js';
import { isStack, type Feeds, type InputValue } from './feeds.js';
import { mapped, type Evaluation } from './ports.js';
import { sizeOf } from './table.js';
import type { Program } from './trace.js';

/** Where the large outputs of each replica go. */
export type Results = readonly Readonly<Record<string, Float32Array>>[];

const isLargeVector = (value: unknown): value is Float32Array => value instanceof Float32Array && isLarge(value.length);

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
    const inputs = feeds.flatMap((own) => Object.values(own));
    const vectors = inputs
      .flatMap((value): readonly unknown[] => (isStack(value) ? value : [value]))
      .filter(isLargeVector);
    const sum = (lengths: readonly number[]): number => lengths.reduce((total, length) => total + length, 0);
    this.begin(sum(vectors.map(({ length }) => length)) + replicas * sum(sizes.map(({ size }) => size)));
    return {
      feeds: feeds.map((own) => mapped(own, (value) => this.crossing(value))),
      results: feeds.map(() => Object.fromEntries(sizes.map(({ name, size }) => [name, this.take(size)]))),
    };
  }

  /** Nothing is in use, and there is room for `length` numbers. */
  private begin(length: number): void {
    this.used = 0;
    const { BYTES_PER_ELEMENT } = Float32Array;
    if (this.memory.length < length) this.memory = new Float32Array(new SharedArrayBuffer(BYTES_PER_ELEMENT * length));
  }

  private take(length: number): Float32Array {
    return this.memory.subarray(this.used, (this.used += length));
  }

  private crossing(value: InputValue): InputValue {
    if (isStack(value)) return value.map((vector) => this.crossing(vector) as Vector);
    if (!isLargeVector(value)) return value;
    const copy = this.take(value.length);
    copy.set(value);
    return copy;
  }
}

/** What a thread sends back: the large outputs are left in `results`. */
export function leave(evaluations: readonly Evaluation[], results: Results): Evaluation[] {
  return evaluations.map(({ outputs, finite }, replica) => {
    const small = Object.entries(outputs).filter(([name, values]) => {
      const place = results[replica]![name];
      place?.set(values);
      return place === undefined;
    });
    return { outputs: Object.fromEntries(small), finite };
  });
}

/** What a thread gave: the large outputs are copied from `results`. */
export function fetched(evaluations: readonly Evaluation[], results: Results): Evaluation[] {
  return evaluations.map(({ outputs, finite }, replica) => ({
    outputs: { ...outputs, ...mapped(results[replica]!, (values) => values.slice()) },
    finite,
  }));
}
