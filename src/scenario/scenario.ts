/** Scenarios, checked and complete. */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { BadInput } from '../conditions.js';
import { readDocument, type Source } from './document.js';
import { describeIssue, placeOf, refusal } from './explain.js';
import { scenarioSchema, type ScenarioInput, type Settings } from './schema.js';
import { extendTables, type Extensions, type Tables } from './tables.js';

/** A scenario that can be simulated. */
export interface Scenario {
  readonly settings: Settings;
  readonly tables: Tables;
  /** Relative paths of the scenario are resolved against this directory. */
  readonly directory: string;
  /** Where a key was written, for messages. */
  readonly source: Source;
}

export interface ScenarioOptions {
  /** Overrides, each `path=value` as for `--set`. */
  readonly set?: readonly string[];
  readonly extensions?: Extensions;
}

/** Reads and checks the scenario file at `path`. Throws BadInput with file, line and column. */
export function loadScenario(path: string, options: ScenarioOptions = {}): Scenario {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new BadInput(`the scenario ${path} ${problems[code] ?? `cannot be read (${code})`}`, {
      remedy: 'give the path of a scenario, for example scenarios/mnist-sync.yaml',
    });
  }
  const stem = basename(path).replace(/\.(ya?ml|json)$/, '');
  const named = stem.replace(/[^\w.-]+/g, '-') || 'scenario';
  return check(readDocument(text, path, options.set), { name: named, directory: dirname(resolve(path)), options });
}

const problems: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a directory, not a file',
  EACCES: 'may not be read by this user',
};

/**
 * Checks a scenario given as a value; relative paths are resolved against `directory`. Messages name it as `called`:
 * a value has no lines.
 */
export function defineScenario(
  input: ScenarioInput,
  {
    directory = '.',
    called = 'scenario',
    ...options
  }: ScenarioOptions & { directory?: string | undefined; called?: string } = {},
): Scenario {
  const { value, locate } = readDocument(stringify(input, { aliasDuplicateObjects: false }), called, options.set);
  const source: Source = { value, locate: (path) => locate(path).replace(/:\d+:\d+$/, '') };
  return check(source, { name: 'scenario', directory: resolve(directory), options });
}

function check(
  source: Source,
  { name, directory, options }: { name: string; directory: string; options: ScenarioOptions },
): Scenario {
  const tables = extendTables(options.extensions);
  const value = { name, ...(source.value as object) };
  const parsed = scenarioSchema(tables).safeParse(value, { error: describeIssue });
  if (!parsed.success) throw refusal(parsed.error, source);
  return { settings: parsed.data, tables, directory, source };
}

/** The scenario as one would write it with every default filled in. */
export function encodeScenario({ settings, tables }: Pick<Scenario, 'settings' | 'tables'>): ScenarioInput {
  return z.encode(scenarioSchema(tables), settings);
}

/** Adds the place to BadInput that names a key of `scenario`. */
export function withPlace(error: unknown, scenario: Scenario): unknown {
  if (!(error instanceof BadInput) || error.path === undefined) return error;
  const message = placeOf(error.path, scenario.source) + error.message;
  return new BadInput(message, error.remedy === undefined ? {} : { remedy: error.remedy });
}
