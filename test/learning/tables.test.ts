import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { datasets } from '../../src/learning/datasets.js';
import { partitions } from '../../src/learning/partitions.js';

const rows = Object.entries({ ...datasets, ...partitions });

describe('the tables of datasets and partitions', () => {
  it('hold the datasets and partitions of the design', () => {
    expect(Object.keys(datasets)).toEqual(['mnist', 'idx', 'csv', 'libsvm', 'quadratic', 'logistic']);
    expect(Object.keys(partitions)).toEqual(['shared', 'iid', 'shards', 'dirichlet', 'explicit', 'natural']);
  });

  it.each(rows)('%s is described, and so is each of its keys, also as JSON Schema', (_, { description, options }) => {
    expect(description).toMatch(/^\S.{10,}[^.]$/);
    const { properties = {} } = z.toJSONSchema(options, { io: 'input' });
    expect(Object.keys(properties)).toEqual(Object.keys(options.shape));
    for (const [key, schema] of Object.entries(properties)) {
      expect([key, (schema as { description?: string }).description]).toEqual([
        key,
        expect.stringMatching(/^\S.{10,}[^.]$/),
      ]);
    }
  });

  it.each(rows)('%s can be extended with the keys of a discriminated choice', (name, { options }) => {
    const extended = options.safeExtend({ kind: z.literal(name) }).strict();
    expect(extended.safeParse({ kind: 'other' }).success).toBe(false);
    expect(extended.safeParse({ kind: name, unknownKey: 1 }).success).toBe(false);
  });
});
