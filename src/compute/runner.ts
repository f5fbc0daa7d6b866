import type { Feeds } from './feeds.js';
import type { Vector } from '../vector.js';
import type { TensorFunction } from './tensorFunction.js';

/** What decides the bits of a result, and is stored with each run. The number of threads is not part of it. */
export interface Fingerprint {
  readonly runner: string;
  readonly device: string;
  /** Name and version of the library that computes. */
  readonly library: string;
  /** Name and driver of the GPU; absent on devices that need not be one. */
  readonly adapter?: string;
  readonly optimization: string;
  readonly intraOpThreads: 1;
  /** How many steps are evaluated together at most. */
  readonly batch: number | 'auto';
  readonly cpu: string;
  readonly node: string;
}

/** Evaluates tensor functions. Equal calls give equal bits within a fingerprint, on any number of threads. */
export interface Runner {
  readonly fingerprint: Fingerprint;
  call(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Float32Array>>;
  /** The same, but vectors may stay on the device, to be used there again. */
  keep(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Vector>>;
  /** The same, and evaluated together with others of its kind, perhaps. It must be waited for with `wait`. */
  join(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Vector>>;
  /** Waits for what follows from calls, and works meanwhile; `joined` is the one of `join` on which `result` depends. */
  wait<Value>(result: Promise<Value>, joined?: Promise<unknown>): Promise<Value>;
  /** True for a result of `call` that is known to be finite, without looking at it. */
  knownFinite(result: Readonly<Record<string, Vector>>): boolean;
  /** What was called so far and the device could not evaluate alone, with the operators that were left to the processor. */
  onCpu(): Promise<Readonly<Record<string, readonly string[]>>>;
  close(): Promise<void>;
}

/** How the caller wants functions to be evaluated. */
export interface RunnerOptions {
  readonly device: string;
  /** Threads that compute, this one among them, from 1. */
  readonly threads: number;
  /** How many calls are evaluated together at most; `auto` for what suits the device and the function. */
  readonly batch: number | 'auto';
  /** Whether vectors may stay on the device; otherwise all that is computed comes back. */
  readonly stays: boolean;
}
