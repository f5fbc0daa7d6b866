/** Which workers hold the same samples: what is computed over samples need be computed once for all of them. */
import type { Assignment } from './partition.js';

/** Samples, and the workers that hold just these. */
export interface Holding {
  readonly indices: Int32Array;
  /** Ascending. */
  readonly workers: readonly number[];
}

/** The distinct lists of an assignment, in the order of their first worker. */
export function distinctHoldings(assignment: Assignment): Holding[] {
  const holdings: { indices: Int32Array; workers: number[] }[] = [];
  assignment.forEach((indices, worker) => {
    const same = holdings.find((holding) => isSame(holding.indices, indices));
    if (same === undefined) holdings.push({ indices, workers: [worker] });
    else same.workers.push(worker);
  });
  return holdings;
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a === b || (a.length === b.length && a.every((value, index) => value === b[index]));
}
