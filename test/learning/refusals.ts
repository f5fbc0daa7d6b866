/** Files in a folder of their own, and the condition that a call ends in. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { BadInput } from '../../src/conditions.js';
import type { Dataset } from '../../src/learning/dataset.js';
import { datasets } from '../../src/learning/datasets.js';
import { Streams } from '../../src/kernel/streams.js';

/** A temporary folder, removed after the tests of the file. */
export function folder(): { path: string; write: (name: string, content: string | Uint8Array) => string } {
  const path = mkdtempSync(join(tmpdir(), 'straggler-'));
  afterAll(() => rmSync(path, { recursive: true }));
  return {
    path,
    write: (name, content) => {
      writeFileSync(join(path, name), content);
      return name;
    },
  };
}

/** What the BadInput says in which the call ends, with `home` written as `~`. */
export async function refusal(
  call: () => unknown,
  home = '',
): Promise<{ message: string; path?: string; remedy?: string }> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    const message = home === '' ? error.message : error.message.replaceAll(home, '~');
    return { message, path: error.path?.join('.') ?? '', remedy: error.remedy ?? '' };
  }
  throw new Error('expected a refusal');
}

/** Loads a row of the table of datasets as a scenario would: keys through the schema, then the loader. */
export function loadDataset(
  name: keyof typeof datasets,
  keys: Record<string, unknown> = {},
  { home = '/', workers = 4, seed = 7 }: { home?: string; workers?: number; seed?: number } = {},
): Promise<Dataset> {
  const { options, load } = datasets[name] as (typeof datasets)['csv'];
  const streams = new Streams(seed);
  return load(options.strict().parse(keys), {
    workers,
    random: (purpose) => streams.stream('data', purpose),
    resolve: (path) => join(home, path),
  });
}
