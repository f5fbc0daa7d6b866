/** The table of partitions: which training samples `I_j` each worker has. */
import { z } from 'zod';
import { BadInput, type ScenarioPath } from '../conditions.js';
import { drawDirichlet, shuffle } from '../kernel/draws.js';
import type { Assignment, PartitionContext, PartitionRow } from './partition.js';
import { explicit } from './partitions/explicit.js';

const shared: PartitionRow = {
  description: 'every worker has all samples',
  options: z.object({}),
  assign: (_, { workers, count }) => {
    const all = range(count);
    return Array.from({ length: workers }, () => all);
  },
};

const iid: PartitionRow = {
  description: 'disjoint random parts whose sizes differ by at most 1',
  options: z.object({}),
  assign: (_, context) => {
    checkEnough(context, { parts: context.workers, called: 'workers', path: ['workers'] });
    return cut(shuffle(context.random('partition'), range(context.count)), context.workers).map(ascending);
  },
};

const shardsOptions = z.object({
  shardsPerWorker: z
    .int()
    .min(1)
    .default(2)
    .describe('Number of shards, runs of samples sorted by class, that each worker gets; 2 by default'),
});

/** McMahan et al. 2017, section 3: most workers see as many classes as they have shards. */
const shards: PartitionRow<typeof shardsOptions> = {
  description: 'samples sorted by class and cut into equal shards, a few for each worker at random',
  options: shardsOptions,
  assign: ({ shardsPerWorker }, context) => {
    const { workers, count, random } = context;
    const labels = classesOf(context, 'shards');
    const parts = workers * shardsPerWorker;
    checkEnough(context, { parts, called: 'shards', path: ['data', 'partition', 'shardsPerWorker'] });
    const byClass = range(count).sort((a, b) => labels[a]! - labels[b]! || a - b);
    const pieces = cut(byClass, parts);
    const dealt = cut(shuffle(random('partition'), range(parts)), workers);
    return dealt.map((hand) => ascending(joined(Array.from(hand, (piece) => pieces[piece]!))));
  },
};

const dirichletOptions = z.object({
  alpha: z
    .number()
    .min(1e-6)
    .describe('Concentration: the smaller, the fewer workers share a class; large values approach iid'),
  minimum: z
    .int()
    .min(1)
    .default(1)
    .describe('Fewest samples that a worker may get; a draw that gives less is an error; 1 by default'),
});

/**
 * Label skew by Dirichlet draws, as Hsu et al. 2019 have it, with the roles of Yurochkin et al. 2019: for each class,
 * the workers' shares are Dir(alpha, ..., alpha) (Hsu et al. draw each worker's shares of the classes instead, which
 * leaves samples over or runs out of them). One draw: drawing again until all workers are served changes the law.
 */
const dirichlet: PartitionRow<typeof dirichletOptions> = {
  description: 'each class is divided among the workers in proportions from a Dirichlet distribution',
  options: dirichletOptions,
  assign: ({ alpha, minimum }, context) => {
    const { workers, count, random } = context;
    const labels = classesOf(context, 'dirichlet');
    checkEnough(context, { parts: workers, called: 'workers', path: ['workers'] });
    const stream = random('partition');
    const parts = Array.from({ length: workers }, (): Int32Array[] => []);
    for (const members of membersOf(labels)) {
      const shares = drawDirichlet(stream, { alpha, count: workers });
      // Rounded at random: rounding down would starve the same workers in every small class.
      const offset = stream.double();
      shuffle(stream, members);
      let cumulative = 0;
      let start = 0;
      for (let worker = 0; worker < workers; worker += 1) {
        cumulative += shares[worker]!;
        const last = worker === workers - 1; // where the shares sum to 1 but for rounding
        const end = last ? members.length : Math.floor(Math.min(cumulative, 1) * members.length + offset);
        parts[worker]!.push(members.subarray(start, end));
        start = end;
      }
    }
    return parts.map((pieces, worker) => {
      const indices = ascending(joined(pieces));
      if (indices.length >= minimum) return indices;
      throw new BadInput(
        `worker ${worker} gets ${indices.length} of ${count} samples in a Dirichlet draw with alpha ${alpha}, the minimum is ${minimum}`,
        { path: ['data', 'partition'], remedy: 'choose a larger alpha, another seed or fewer workers' },
      );
    });
  },
};

const natural: PartitionRow = {
  description: 'as the data come: the synthetic problems draw samples for each worker',
  options: z.object({}),
  assign: (_, context) => {
    if (context.natural === undefined) {
      throw new BadInput('the partition natural needs data drawn for each worker, which this dataset is not', {
        path: ['data', 'partition', 'kind'],
        remedy: 'choose iid or shared',
      });
    }
    return context.natural;
  },
};

export const partitions = { shared, iid, shards, dirichlet, explicit, natural } satisfies Record<string, PartitionRow>;

/** How unequal a partition is. */
export interface Skew {
  /** Number of samples of each worker. */
  readonly sizes: readonly number[];
  /**
   * Mean over workers of the total variation distance, in [0, 1], between a worker's distribution of labels and that
   * of all assigned samples (a sample of two workers counts twice); absent without classes.
   */
  readonly labelSkew?: number;
}

/** The skew of a partition; `labels` `[count]` are the classes of the training samples. */
export function skewOf(assignment: Assignment, labels?: Int32Array): Skew {
  const sizes = assignment.map((indices) => indices.length);
  if (labels === undefined) return { sizes };
  const classes = labels.reduce((largest, label) => Math.max(largest, label), 0) + 1;
  const histograms = assignment.map((indices) => {
    const histogram = new Float64Array(classes);
    for (const index of indices) histogram[labels[index]!]! += 1;
    return histogram;
  });
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const overall = Float64Array.from({ length: classes }, (_, label) =>
    histograms.reduce((sum, histogram) => sum + histogram[label]! / total, 0),
  );
  // TV(p, q) = 1/2 sum |p - q|
  const distances = histograms.map((histogram, worker) =>
    histogram.reduce((sum, amount, label) => sum + 0.5 * Math.abs(amount / sizes[worker]! - overall[label]!), 0),
  );
  return { sizes, labelSkew: distances.reduce((sum, distance) => sum + distance, 0) / distances.length };
}

/** Throws BadInput where there are more disjoint, nonempty parts than samples. */
function checkEnough(
  { count }: PartitionContext,
  { parts, called, path }: { parts: number; called: string; path: ScenarioPath },
): void {
  if (parts <= count) return;
  throw new BadInput(`${parts} ${called} cannot share ${count} samples so that each has at least 1`, {
    path,
    remedy: `choose at most ${count} ${called}, or the partition shared`,
  });
}

function classesOf({ labels }: PartitionContext, kind: string): Int32Array {
  if (labels !== undefined) return labels;
  throw new BadInput(`the partition ${kind} needs classes, and the targets of this dataset are values`, {
    path: ['data', 'partition', 'kind'],
    remedy: 'choose iid, shared or natural',
  });
}

/** The samples of each class, ascending. */
function membersOf(labels: Int32Array): Int32Array[] {
  const classes = labels.reduce((largest, label) => Math.max(largest, label), -1) + 1;
  const members = Array.from({ length: classes }, (): number[] => []);
  labels.forEach((label, index) => members[label]!.push(index));
  return members.map((indices) => Int32Array.from(indices));
}

/** 0 ... count - 1. */
function range(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, index) => index);
}

/** `parts` consecutive pieces whose lengths differ by at most 1. */
function cut(values: Int32Array, parts: number): Int32Array[] {
  const bound = (part: number): number => Math.floor((part * values.length) / parts);
  return Array.from({ length: parts }, (_, part) => values.subarray(bound(part), bound(part + 1)));
}

function joined(pieces: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}

function ascending(indices: Int32Array): Int32Array {
  return indices.slice().sort();
}
