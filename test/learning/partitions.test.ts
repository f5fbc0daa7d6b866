import fc from 'fast-check';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Assignment, PartitionContext } from '../../src/learning/partition.js';
import { partitions, skewOf } from '../../src/learning/partitions.js';
import { Streams } from '../../src/kernel/streams.js';
import { folder, refusal } from './refusals.js';
import { chiSquare, chiSquareLimit, mean } from './statistics.js';

type Kind = keyof typeof partitions;

const { path: home, write } = folder();

/** Assigns as a scenario would: keys through the schema, then the rule. */
function assign(
  kind: Kind,
  keys: Record<string, unknown>,
  { seed = 7, ...context }: Partial<PartitionContext> & { workers: number; count: number; seed?: number },
): Assignment {
  const { options, assign: rule } = partitions[kind] as (typeof partitions)['dirichlet'];
  const streams = new Streams(seed);
  return rule(options.strict().parse(keys), {
    random: (purpose) => streams.stream('data', purpose),
    resolve: (path) => join(home, path),
    ...context,
  });
}

/** Labels 0 ... classes - 1 in turn. */
function labelsOf(count: number, classes: number): Int32Array {
  return Int32Array.from({ length: count }, (_, index) => index % classes);
}

function listsOf(assignment: Assignment): number[][] {
  return assignment.map((indices) => [...indices]);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

describe('every partition', () => {
  const setting = fc.record({
    workers: fc.integer({ min: 1, max: 12 }),
    count: fc.integer({ min: 144, max: 400 }),
    classes: fc.integer({ min: 2, max: 6 }),
    seed: fc.nat(),
  });
  const rows: { kind: Kind; keys: Record<string, unknown>; disjoint: boolean }[] = [
    { kind: 'shared', keys: {}, disjoint: false },
    { kind: 'iid', keys: {}, disjoint: true },
    { kind: 'shards', keys: { shardsPerWorker: 2 }, disjoint: true },
    // Large alpha and classes of 24 or more: shares near 1/12 or more, so that no worker goes without.
    { kind: 'dirichlet', keys: { alpha: 1000 }, disjoint: true },
    { kind: 'natural', keys: {}, disjoint: true },
    { kind: 'explicit', keys: {}, disjoint: true },
  ];

  it('has a row here', () => {
    expect(rows.map(({ kind }) => kind).sort()).toEqual(Object.keys(partitions).sort());
  });

  it.each(rows)(
    '$kind gives each worker ascending samples, at least one, and uses all samples',
    ({ kind, keys, disjoint }) => {
      fc.assert(
        fc.property(setting, ({ workers, count, classes, seed }) => {
          const dealt = range(workers).map((worker) => range(count).filter((index) => index % workers === worker));
          const given = kind === 'explicit' ? { indices: dealt.map((list) => [...list].reverse()) } : keys;
          const natural = dealt.map((list) => Int32Array.from(list));
          const assignment = assign(kind, given, { workers, count, seed, labels: labelsOf(count, classes), natural });
          expect(assignment).toHaveLength(workers);
          for (const indices of listsOf(assignment)) {
            expect(indices.length).toBeGreaterThan(0);
            expect(indices).toEqual([...new Set(indices)].sort((a, b) => a - b));
          }
          const all = listsOf(assignment).flat();
          expect([...new Set(all)].sort((a, b) => a - b)).toEqual(range(count));
          if (disjoint) expect(all).toHaveLength(count);
        }),
        { seed: 1, numRuns: 50 },
      );
    },
  );

  it.each(['iid', 'shards', 'dirichlet'] as const)('%s follows from the seed', (kind) => {
    const keys = kind === 'dirichlet' ? { alpha: 10 } : {};
    const context = { workers: 4, count: 200, labels: labelsOf(200, 4) };
    expect(assign(kind, keys, context)).toEqual(assign(kind, keys, context));
    expect(assign(kind, keys, { ...context, seed: 8 })).not.toEqual(assign(kind, keys, context));
  });

  it.each(['iid', 'shards', 'dirichlet'] as const)('%s refuses more workers than samples', async (kind) => {
    const keys = kind === 'dirichlet' ? { alpha: 1 } : kind === 'shards' ? { shardsPerWorker: 1 } : {};
    const { message, path } = await refusal(() => assign(kind, keys, { workers: 4, count: 3, labels: labelsOf(3, 2) }));
    expect(message).toBe(
      `4 ${kind === 'shards' ? 'shards' : 'workers'} cannot share 3 samples so that each has at least 1`,
    );
    expect(path).toBe(kind === 'shards' ? 'data.partition.shardsPerWorker' : 'workers');
  });

  it.each(['shards', 'dirichlet'] as const)('%s refuses data without classes', async (kind) => {
    const keys = kind === 'dirichlet' ? { alpha: 1 } : {};
    expect(await refusal(() => assign(kind, keys, { workers: 2, count: 10 }))).toMatchObject({
      message: `the partition ${kind} needs classes, and the targets of this dataset are values`,
      path: 'data.partition.kind',
    });
  });
});

describe('iid', () => {
  it('gives sizes that differ by at most 1', () => {
    expect(
      assign('iid', {}, { workers: 4, count: 11 })
        .map(({ length }) => length)
        .sort(),
    ).toEqual([2, 3, 3, 3]);
  });

  it('gives a sample to each worker equally often', () => {
    const counts = [0, 0, 0, 0];
    for (let seed = 0; seed < 2000; seed += 1) {
      counts[assign('iid', {}, { workers: 4, count: 8, seed }).findIndex((indices) => indices.includes(0))]! += 1;
    }
    expect(chiSquare(counts, [500, 500, 500, 500])).toBeLessThan(chiSquareLimit[3]!);
  });
});

describe('shards', () => {
  it('gives a worker as many classes as it has shards, where shards do not straddle classes', () => {
    // 10 classes of 20 samples in 20 shards of 10: each shard lies within one class.
    const labels = labelsOf(200, 10);
    const assignment = assign('shards', { shardsPerWorker: 2 }, { workers: 10, count: 200, labels });
    for (const indices of assignment) {
      expect(indices).toHaveLength(20);
      expect(new Set(Array.from(indices, (index) => labels[index]!)).size).toBeLessThanOrEqual(2);
    }
    expect(skewOf(assignment, labels).labelSkew).toBeGreaterThan(0.79);
  });
});

describe('dirichlet', () => {
  it('ends with alpha 1e-3, and gives nearly all of each class to one worker', () => {
    // 100 classes for 2 workers: each worker has a class with probability 1 - 2^-99.
    const labels = labelsOf(10_000, 100);
    const assignment = assign('dirichlet', { alpha: 1e-3 }, { workers: 2, count: 10_000, labels });
    const largest = range(100).map((label) =>
      Math.max(...assignment.map((indices) => indices.filter((index) => labels[index] === label).length)),
    );
    // A share of Beta(a, a) is between 0.01 and 0.99 with probability about 2 a log(99)/2 = 0.005.
    expect(largest.filter((count) => count < 99).length).toBeLessThan(5);
  });

  it('gives shares of a class with the mean and variance of the closed form', () => {
    const labels = labelsOf(2000, 2);
    const shares = range(400).map((seed) => {
      const assignment = assign('dirichlet', { alpha: 2 }, { workers: 4, count: 2000, labels, seed });
      return assignment[1]!.filter((index) => labels[index] === 0).length / 1000;
    });
    // Mean 1/4, variance (1/4)(3/4)/(4 * 2 + 1) = 1/48, so the mean of 400 errs by 0.0072.
    expect(Math.abs(mean(shares) - 1 / 4)).toBeLessThan(0.03);
    const variance = mean(shares.map((share) => (share - 1 / 4) * (share - 1 / 4)));
    expect(Math.abs(variance * 48 - 1)).toBeLessThan(0.3);
  });

  it('rounds at random, so that small classes starve no worker', () => {
    // 50 classes of 4 samples for 5 equal workers: rounding every class alike would leave one with nothing.
    const sizes = assign('dirichlet', { alpha: 1e6 }, { workers: 5, count: 200, labels: labelsOf(200, 50) }).map(
      ({ length }) => length,
    );
    // A class gives a worker 0 or 1, with mean 4/5: 40 of 50, standard deviation 2.8.
    for (const size of sizes) expect(Math.abs(size - 40)).toBeLessThan(12);
  });

  it('refuses a draw that leaves a worker below the minimum, and says what helps', async () => {
    const labels = labelsOf(100, 2);
    expect(await refusal(() => assign('dirichlet', { alpha: 1e-3 }, { workers: 4, count: 100, labels }))).toEqual({
      message: expect.stringMatching(
        /^worker \d gets 0 of 100 samples in a Dirichlet draw with alpha 0.001, the minimum is 1$/,
      ),
      path: 'data.partition',
      remedy: 'choose a larger alpha, another seed or fewer workers',
    });
    const keys = { alpha: 1e6, minimum: 26 };
    expect((await refusal(() => assign('dirichlet', keys, { workers: 4, count: 100, labels }))).message).toMatch(
      /gets 2[45] of 100 samples .* the minimum is 26$/,
    );
  });

  it.each([0, -1, Infinity, NaN])('refuses alpha %f', (alpha) => {
    expect(partitions.dirichlet.options.safeParse({ alpha }).success).toBe(false);
  });
});

describe('natural', () => {
  it('refuses data that were not drawn for each worker', async () => {
    expect(await refusal(() => assign('natural', {}, { workers: 2, count: 4 }))).toMatchObject({
      message: 'the partition natural needs data drawn for each worker, which this dataset is not',
      path: 'data.partition.kind',
    });
  });
});

describe('explicit', () => {
  const context = { workers: 2, count: 5 };

  it('takes lists that overlap, and puts them in ascending order', () => {
    const indices = [
      [3, 0],
      [3, 4, 1],
    ];
    expect(listsOf(assign('explicit', { indices }, context))).toEqual([
      [0, 3],
      [1, 3, 4],
    ]);
  });

  it('reads the lists of a JSON file', () => {
    const path = write('partition.json', '[[4, 2], [0]]');
    expect(listsOf(assign('explicit', { path }, context))).toEqual([[2, 4], [0]]);
  });

  it.each([
    ['a missing worker', [[0]], 'indices holds 1 lists for 2 workers'],
    ['an empty list', [[0], []], 'the list of worker 1 in indices is empty'],
    [
      'a sample beyond the set',
      [[0], [1, 5]],
      'the list of worker 1 in indices holds sample 5, and the training set has 5',
    ],
    ['a sample twice', [[2, 0, 2], [1]], 'the list of worker 0 in indices holds sample 2 twice'],
  ])('refuses %s', async (_, indices, message) => {
    expect(await refusal(() => assign('explicit', { indices }, context))).toMatchObject({
      message,
      path: 'data.partition.indices',
    });
  });

  it.each([
    ['text', 'I_0 = {1}', /^~\/bad\.json is no JSON: Unexpected token/],
    [
      'an object',
      '{"0": [1]}',
      /^~\/bad\.json holds no lists of samples: Invalid input: expected array, received object/,
    ],
    ['a fraction', '[[0], [1.5]]', /^~\/bad\.json holds no lists of samples: .* at \[1\]\[0\]$/],
    ['a sample twice', '[[0], [1, 1]]', /^the list of worker 1 in ~\/bad\.json holds sample 1 twice$/],
  ])('refuses a file with %s', async (_, content, message) => {
    const result = await refusal(() => assign('explicit', { path: write('bad.json', content) }, context), home);
    expect(result).toMatchObject({ message: expect.stringMatching(message), path: 'data.partition.path' });
  });

  it('refuses a missing file, and both or neither of its keys', async () => {
    const messages = [{ path: 'absent' }, {}, { path: 'absent', indices: [[0], [1]] }].map((keys) =>
      refusal(() => assign('explicit', keys, context), home),
    );
    expect((await Promise.all(messages)).map(({ message }) => message)).toEqual([
      '~/absent does not exist',
      'the partition explicit takes indices or path, neither of them given',
      'the partition explicit takes indices or path, both of them given',
    ]);
  });
});

describe('skewOf', () => {
  it('is 0 where all workers have the same labels, and 1 - 1/M where each has a class of its own', () => {
    const labels = Int32Array.of(0, 1, 2, 0, 1, 2);
    const alike = skewOf([Int32Array.of(0, 1, 2), Int32Array.of(3, 4, 5)], labels);
    expect(alike.sizes).toEqual([3, 3]);
    expect(alike.labelSkew).toBeCloseTo(0, 15);
    const apart = skewOf([Int32Array.of(0, 3), Int32Array.of(1, 4), Int32Array.of(2, 5)], labels);
    expect(apart.labelSkew).toBeCloseTo(2 / 3, 15);
  });

  it('weighs workers alike, and compares with the assigned samples alone', () => {
    // Worker 0 has classes 0, 0, 1 and worker 1 class 1; sample 4 is unassigned. Overall: 1/2, 1/2.
    // Distances: |2/3 - 1/2| = 1/6 and 1/2; mean 1/3.
    const skew = skewOf([Int32Array.of(0, 1, 2), Int32Array.of(3)], Int32Array.of(0, 0, 1, 1, 0));
    expect(skew).toEqual({ sizes: [3, 1], labelSkew: expect.closeTo(1 / 3, 12) });
  });

  it('has sizes alone where there are no classes', () => {
    expect(skewOf([Int32Array.of(0), Int32Array.of(1, 2)])).toEqual({ sizes: [1, 2] });
  });
});
