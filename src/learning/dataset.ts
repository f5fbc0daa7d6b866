import type { z } from 'zod';
import type { Table } from '../compute/table.js';
import type { Stream } from '../kernel/streams.js';
import type { LossName } from './losses.js';

/** Samples with their targets, row i of one belonging to row i of the other. */
export interface SampleSet {
  readonly count: number;
  /** float32 rows, for example `[28, 28, 1]`. */
  readonly inputs: Table;
  /** int32 rows of shape `[]` (a class), or float32 rows. */
  readonly targets: Table;
}

/** A problem's data, loaded and checked. */
export interface Dataset {
  readonly train: SampleSet;
  readonly test?: SampleSet;
  /** How many outputs a model for this data needs: classes, or 1 for a regression. */
  readonly outputs: number;
  /** True where targets are classes 0 ... outputs - 1, so that an error rate is defined. */
  readonly classification: boolean;
  /** The loss and model used where the scenario names none. */
  readonly defaults: { readonly loss: LossName; readonly model: string };
  /** `I_j` as the data itself has it (synthetic problems draw samples for each worker). */
  readonly natural?: readonly Int32Array[];
  /**
   * Where losses are convex and cheap enough for float64 and second derivatives: the mean loss of the given
   * training samples under the model `vector`, so that the minimum can be found exactly.
   */
  readonly convex?: (indices: Int32Array) => ConvexFunction;
  /** What `problem.safetensors` holds: the arrays that define a synthetic problem. */
  readonly problem?: Readonly<Record<string, { shape: readonly number[]; values: Float32Array }>>;
}

/** A smooth convex function of z `[n]` in float64. */
export interface ConvexFunction {
  readonly value: (z: Float64Array) => number;
  /** `[n]` */
  readonly gradient: (z: Float64Array) => Float64Array;
  /** `[n, n]`, row-major. */
  readonly hessian: (z: Float64Array) => Float64Array;
}

/** What a dataset may use beside its own keys. */
export interface DatasetContext {
  readonly workers: number;
  /** A stream of the run for `purpose` (actor `data`). */
  readonly random: (purpose: string) => Stream;
  /** Resolves a path of the scenario against the scenario file. */
  readonly resolve: (path: string) => string;
}

/** One row of the table of datasets: its keys under `data`, and how it is loaded. */
export interface DatasetRow<Options = never> {
  /** The keys under `data` beside `dataset`, `partition`, `batchSize` and `sampling`, each described. */
  readonly options: z.ZodObject;
  readonly load: (options: Options, context: DatasetContext) => Promise<Dataset>;
}
