/** What a dataset is, and what a row of the table of datasets must give. */
import type { z } from 'zod';
import type { ConvexFunction } from '../compute/convex.js';
import type { Table } from '../compute/table.js';
import type { Stream } from '../kernel/streams.js';
import type { LossName } from './losses.js';

/** Samples with their targets, row i of one belonging to row i of the other. */
export interface SampleSet {
  readonly count: number;
  /** float32 rows, for example `[28, 28, 1]`. */
  readonly inputs: Table;
  /** int32 rows of shape `[]` (a class), or float32 rows of shape `[outputs]`. */
  readonly targets: Table;
}

/** A problem's data, loaded and checked. */
export interface Dataset {
  readonly train: SampleSet;
  readonly test?: SampleSet;
  /** How many outputs a model for this data needs: classes (1 for two classes told apart by a sign), or target values. */
  readonly outputs: number;
  /** True where targets are classes, so that an error rate is defined. */
  readonly classification: boolean;
  /** What is used where the scenario names none; the batch size is 20 unless given here. */
  readonly defaults: { readonly loss: LossName; readonly model: string; readonly batchSize?: number | 'full' };
  /** `I_j` as the data itself has it (synthetic problems draw samples for each worker). */
  readonly natural?: readonly Int32Array[];
  /**
   * Where losses are convex and cheap enough for float64 and second derivatives: the mean loss of the given
   * training samples under the model `vector`, so that the minimum can be found exactly.
   */
  readonly convex?: (indices: Int32Array) => ConvexFunction;
  /** What `problem.safetensors` holds: the arrays that define a synthetic problem. */
  readonly problem?: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;
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
export interface DatasetRow<Options extends z.ZodObject = z.ZodObject> {
  readonly description: string;
  /** The keys under `data` beside `dataset`, `partition`, `batchSize` and `sampling`, each described. */
  readonly options: Options;
  /** Takes what `options` has parsed. Throws BadInput where a file or a combination of keys cannot be used. */
  load(options: z.output<Options>, context: DatasetContext): Promise<Dataset>;
}
