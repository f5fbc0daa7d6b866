import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { jsonSchema } from '../../src/scenario/jsonSchema.js';
import { loadScenario } from '../../src/scenario/scenario.js';

const root = join(import.meta.dirname, '../..');
const shipped = readdirSync(join(root, 'scenarios')).filter((file) => file.endsWith('.yaml'));

type Validate = ((value: unknown) => boolean) & { errors?: unknown };

/** A JSON-schema validator, where one is installed (ajv comes with eslint). */
function validator(): Validate | undefined {
  const require = createRequire(import.meta.url);
  const name = ['a', 'j', 'v'].join('');
  try {
    require.resolve(name);
  } catch {
    return undefined;
  }
  const Ajv = require(name) as new () => { compile: (schema: object) => Validate };
  // That version knows nothing of the 2020 dialect, and the schema uses nothing of it.
  return new Ajv().compile({ ...jsonSchema(), $schema: undefined });
}

/** All objects in a schema that describe a key. */
function keysOf(schema: unknown): [string, { description?: string }][] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties = {} } = schema as { properties?: Record<string, { description?: string }> };
  return [...Object.entries(properties), ...Object.values(schema).flatMap(keysOf)];
}

describe('the JSON schema of scenarios', () => {
  it('in schema/ is the one of this version', () => {
    const written = readFileSync(join(root, 'schema/scenario.schema.json'), 'utf8');
    expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(jsonSchema())));
  });

  it('knows the keys of the contract', () => {
    const names = new Set(keysOf(jsonSchema()).map(([name]) => name));
    for (const name of [
      'lambda',
      'eta',
      'workerStep',
      'quorum',
      'staleness',
      'stragglers',
      'alpha',
      'testFraction',
      'hidden',
    ]) {
      expect(names).toContain(name);
    }
  });

  const validate = validator();
  it.skipIf(validate === undefined).each(shipped)('accepts the shipped %s, as the loader does', (file) => {
    const path = join(root, 'scenarios', file);
    expect(validate!(parse(readFileSync(path, 'utf8'))) || validate!.errors).toBe(true);
    expect(loadScenario(path).settings.name).toBe(file.replace('.yaml', ''));
  });

  it.skipIf(validate === undefined).each([
    ['an unknown key', { data: { dataset: 'quadratic' }, stop: { iterations: 1 }, lamda: 1 }],
    ['an unknown dataset', { data: { dataset: 'imagenet' }, stop: { iterations: 1 } }],
    ['a key of another dataset', { data: { dataset: 'quadratic', testFraction: 0.5 }, stop: { iterations: 1 } }],
    ['lambda 0', { data: { dataset: 'quadratic' }, stop: { iterations: 1 }, algorithm: { lambda: 0 } }],
    ['a missing stop', { data: { dataset: 'quadratic' } }],
  ])('refuses %s', (_, value) => {
    expect(validate!(value)).toBe(false);
  });
});
