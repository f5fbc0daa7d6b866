/** What a partition of the training samples is, and what a row of the table of partitions must give. */
import type { z } from 'zod';
import type { Stream } from '../kernel/streams.js';

/** `I_j` for each worker j: ascending indices of training samples, at least one. */
export type Assignment = readonly Int32Array[];

/** What a partition may use beside its own keys. */
export interface PartitionContext {
  readonly workers: number;
  /** How many training samples there are. */
  readonly count: number;
  /** The class of each training sample `[count]`, where the data has classes. */
  readonly labels?: Int32Array | undefined;
  /** `I_j` as the data itself has it, where it does. */
  readonly natural?: Assignment | undefined;
  /** A stream of the run for `purpose` (actor `data`). */
  readonly random: (purpose: string) => Stream;
  /** Resolves a path of the scenario against the scenario file. */
  readonly resolve: (path: string) => string;
}

/** One row of the table of partitions: its keys beside `kind`, and how it assigns samples. */
export interface PartitionRow<Options extends z.ZodObject = z.ZodObject> {
  readonly description: string;
  readonly options: Options;
  /** Takes what `options` has parsed. Throws BadInput where the samples cannot be assigned so. */
  assign(options: z.output<Options>, context: PartitionContext): Assignment;
}
