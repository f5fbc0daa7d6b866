/** Sweeps: points, each a scenario with overrides, times seeds. Planning one checks every run and runs none. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { BadInput, type ScenarioPath } from '../conditions.js';
import { readDocument, type Source } from './document.js';
import { describeIssue, refusal } from './explain.js';
import { encodeScenario, loadScenario } from './scenario.js';

/** Runs that belong together, each of which has been checked. */
export interface Sweep {
  /** What it is called in messages. */
  readonly kind: 'sweep' | 'comparison';
  /** Names the directory of the runs. */
  readonly name: string;
  /** In the order in which they run; that of a file is point by point, and by seed within a point. */
  readonly runs: readonly SweepRun[];
}

/** One point with one seed. */
export interface SweepRun {
  readonly point: string;
  readonly seed: number;
  /** `<point>-<seed>`, the name of its run directory; no other run of the sweep has it. */
  readonly name: string;
  /** The path of the base scenario. */
  readonly scenario: string;
  /** Overrides as for `--set`, those of all points first. */
  readonly set: readonly string[];
  /** Whether an override says how many threads the engine has. */
  readonly setsThreads: boolean;
  /** The resolved scenario as JSON has it, less `engine.threads`, which never changes a bit. */
  readonly resolved: unknown;
  /** Where its point was given, for messages: `table1.yaml:5:5: point quad: `. */
  readonly place: string;
}

const scenarioPath = z.string().min(1);
const overrides = z.record(z.string().regex(/^[^.=]+(\.[^.=]+)*$/), z.unknown(), {
  error: ({ code }) =>
    code === 'invalid_key' ? 'not a path such as algorithm.lambda' : 'expected overrides such as { workers: 8 }',
});
const seeds = z
  .array(z.int().min(0))
  .min(1)
  .refine((list) => new Set(list).size === list.length, { error: 'expected each seed once' });

// Names become directories, alone or before a seed.
const name = z.string().regex(/^[\w.-]+$/, { error: 'expected letters, digits, dots, dashes and underscores' });

const point = z.strictObject({
  name: name.describe('Names the row of the table, and with the seed the run directory'),
  scenario: scenarioPath.optional().describe('The base scenario of this point'),
  set: overrides.default({}).describe('Overrides, applied after those of all points'),
  seeds: seeds.optional(),
});

const sweepSchema = z
  .strictObject({
    name: name.describe('Names the directory of the runs; by default the file does'),
    scenario: scenarioPath.optional().describe('The base scenario: a path relative to this file, or a shipped one'),
    set: overrides.default({}).describe('Overrides of every point: paths with values, as for --set; null deletes'),
    seeds: seeds.optional().describe("By default the scenario's own, once"),
    points: z.array(point).min(1),
  })
  .superRefine(checkPoints);

type SweepSettings = z.infer<typeof sweepSchema>;
type Point = SweepSettings['points'][number];

/** What no key can say alone. */
function checkPoints(sweep: SweepSettings, context: z.core.$RefinementCtx): void {
  const refuse = (path: (string | number)[], message: string): void => {
    context.addIssue({ code: 'custom', path, message });
  };
  const given = 'the seed is given by seeds: leave one of the two out';
  if (sweep.seeds !== undefined && 'seed' in sweep.set) refuse(['set', 'seed'], given);
  sweep.points.forEach((each, index) => {
    const path = ['points', index];
    if (sweep.points.findIndex((other) => other.name === each.name) < index) {
      refuse([...path, 'name'], `the name ${each.name} is there twice`);
    }
    if ((each.scenario ?? sweep.scenario) === undefined) {
      refuse(path, `the point ${each.name} has no scenario: give one here, or one for all points`);
    }
    if ((each.seeds ?? sweep.seeds) !== undefined && 'seed' in each.set) refuse([...path, 'set', 'seed'], given);
  });
}

/**
 * Reads the sweep file at `path` and checks it with every scenario that it makes; `find` gives the path of a scenario
 * that the file names. Throws BadInput with file, line and column, and the point that is bad.
 */
export function loadSweep(path: string, { find }: { find: (scenario: string) => string }): Sweep {
  const source = readDocument(read(path), path, [], 'a sweep: keys such as "scenario:" and "points:"');
  const stem = basename(path).replace(/\.(ya?ml|json)$/, '');
  const value = { name: stem.replace(/[^\w.-]+/g, '-'), ...(source.value as object) };
  const parsed = sweepSchema.safeParse(value, { error: describeIssue });
  if (!parsed.success) throw refusal(parsed.error, source);
  const sweep = parsed.data;
  return {
    kind: 'sweep',
    name: sweep.name,
    runs: sweep.points.flatMap((each, index) => planPoint(sweep, { index, point: each, source, find })),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new BadInput(`the sweep ${path} ${problem}`, {
      remedy: 'give a YAML file with points; straggler sweep --help shows one',
    });
  }
}

interface PointContext {
  readonly index: number;
  readonly point: Point;
  readonly source: Source;
  readonly find: (scenario: string) => string;
}

/** An override as `--set` takes it, and where the sweep file has it. */
interface Override {
  readonly text: string;
  readonly path: ScenarioPath;
}

/** The runs of one point, each checked. */
function planPoint(sweep: SweepSettings, { index, point, source, find }: PointContext): SweepRun[] {
  const own = ['points', index];
  const given = [...overridesOf(sweep.set, ['set']), ...overridesOf(point.set, [...own, 'set'])];
  const set = given.map(({ text }) => text);
  const at = (path: ScenarioPath): string => `${source.locate(path)}: point ${point.name}: `;
  const scenario = placed(at(point.scenario === undefined ? ['scenario'] : [...own, 'scenario']), () =>
    find((point.scenario ?? sweep.scenario)!),
  );
  const place = at(own);
  const common = { point: point.name, scenario, set, place };
  return (point.seeds ?? sweep.seeds ?? [undefined]).map((seed) =>
    explained(given, { place, at }, () => planRun(common, seed)),
  );
}

/** What the runs of one point have in common. */
type SweepPoint = Pick<SweepRun, 'point' | 'scenario' | 'set' | 'place'>;

/** The run of a point with the seed `wanted`, by default the scenario's own. Throws BadInput as loadScenario does. */
export function planRun(common: SweepPoint, wanted?: number): SweepRun {
  const { point, scenario, set } = common;
  const loaded = loadScenario(scenario, { set: wanted === undefined ? set : [...set, `seed=${wanted}`] });
  const { seed } = loaded.settings;
  return {
    ...common,
    seed,
    name: `${point}-${seed}`,
    setsThreads: set.some(setsThreads),
    resolved: withoutThreads(encodeScenario(loaded)),
  };
}

function overridesOf(set: Readonly<Record<string, unknown>>, path: ScenarioPath): Override[] {
  return Object.entries(set).map(([key, value]) => ({
    text: `${key}=${stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()}`,
    path: [...path, key],
  }));
}

/** Calls `call`, and puts `place` before what it refuses. */
function placed<Value>(place: string, call: () => Value): Value {
  try {
    return call();
  } catch (error) {
    throw atPlace(error, (line) => place + line);
  }
}

/** Calls `call`, and tells what it refuses of an override at its place in the sweep file. */
function explained<Value>(
  given: readonly Override[],
  { place, at }: { place: string; at: (path: ScenarioPath) => string },
  call: () => Value,
): Value {
  try {
    return call();
  } catch (error) {
    throw atPlace(error, (line) => {
      // The later of two that are the same is the one that counts.
      const cause = given.findLast(({ text }) => line.startsWith(`--set ${text}: `));
      if (cause === undefined) return place + line;
      const key = String(cause.path.at(-1));
      const rest = line.slice(`--set ${cause.text}: `.length);
      // What is wrong inside a value begins with its own key already.
      return at(cause.path) + (rest.startsWith(`${key}.`) ? rest : `${key}: ${rest}`);
    });
  }
}

/** The error with each line of what is refused at its place. */
export function atPlace(error: unknown, place: (line: string) => string): unknown {
  if (!(error instanceof BadInput)) return error;
  const message = error.message.split('\n').map(place).join('\n');
  return new BadInput(message, error.remedy === undefined ? {} : { remedy: error.remedy });
}

function setsThreads(override: string): boolean {
  if (override.startsWith('engine.threads=')) return true;
  if (!override.startsWith('engine=')) return false;
  const engine = parse(override.replace('engine=', '')) as { readonly threads?: unknown } | null;
  return engine?.threads !== undefined;
}

function withoutThreads(scenario: ReturnType<typeof encodeScenario>): unknown {
  // JSON leaves out what is undefined.
  return JSON.parse(JSON.stringify({ ...scenario, engine: { ...scenario.engine, threads: undefined } }));
}
