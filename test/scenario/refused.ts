/** Scenario files in a folder of their own, and what is said where they are refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { BadInput } from '../../src/conditions.js';
import { loadScenario } from '../../src/scenario/scenario.js';
import { prepare } from '../../src/scenario/simulate.js';

/** A temporary folder, removed after the tests of the file; `write` gives the path of a file in it. */
export function folder(): { path: string; write: (name: string, content: string | Uint8Array) => string } {
  const path = mkdtempSync(join(tmpdir(), 'straggler-'));
  afterAll(() => {
    rmSync(path, { recursive: true });
  });
  return {
    path,
    write: (name, content) => {
      writeFileSync(join(path, name), content);
      return join(path, name);
    },
  };
}

/** What the call is refused with, as a terminal shows it but for `straggler: `; `home` is written `~`. */
export async function refusal(call: () => unknown, home: string): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    const remedy = error.remedy === undefined ? '' : `\n  ${error.remedy}`;
    return (error.message + remedy).replaceAll(`${home}/`, '~/').replaceAll(home, '~');
  }
  return 'accepted';
}

/** What is said of the scenario at `path`, up to the moment before its first event. */
export function verdict(path: string, set: readonly string[] = []): Promise<string> {
  return refusal(async () => {
    const run = await prepare(loadScenario(path, { set }));
    await run.close();
  }, dirname(path));
}
