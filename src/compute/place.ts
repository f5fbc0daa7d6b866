import type { Vector } from '../vector.js';
import type { Feeds } from './feeds.js';
import type { Evaluation } from './ports.js';
import type { TensorFunction } from './tensorFunction.js';
import type { Program } from './trace.js';

export interface Call {
  readonly definition: TensorFunction;
  readonly feeds: Feeds;
}

/** Where programs are evaluated: the processor, or a device. */
export interface Place {
  readonly isProcessor: boolean;
  /** The call as it is made here. */
  resolve(call: Call): Call;
  /** The function as it is compiled here. */
  completed(definition: TensorFunction): TensorFunction;
  /** How many calls of a program are worth evaluating at once. It must not depend on the number of threads. */
  mostTogether(program: Program): number;
  /** Evaluates a program for the feeds of every replica. */
  evaluate(program: Program, calls: readonly Feeds[]): Promise<Evaluation<Vector>[]>;
  /** Works while somebody waits for `result`, if it can. */
  help(result: Promise<unknown>): Promise<void> | undefined;
  /** By function, the operators that are left to the processor. */
  onCpu(): Promise<Record<string, string[]>>;
  close(): Promise<void>;
}
