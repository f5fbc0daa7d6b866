import fc from 'fast-check';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { quietLibraries } from '../../src/cli/quietLibraries.js';
import { assemble } from '../../src/scenario/assemble.js';
import { loadScenario, withPlace } from '../../src/scenario/scenario.js';
import type { Settings } from '../../src/scenario/schema.js';
import { folder, refusal } from './refused.js';

quietLibraries();
const { write } = folder();

/** Scenarios that use, between them, nearly every key. */
const scenarios: readonly string[] = [
  `
name: quadratic
seed: 7
data: { dataset: quadratic, dimension: 4, condition: 10, spread: 1, rotate: true, batchSize: full }
model: vector
loss: squared-error
workers: 3
algorithm:
  method: alternating
  potential: quad
  lambda: 1
  eta: 1
  workerStep: { schedule: piecewise, values: [0.1, 0.05], boundaries: [10] }
  consensusStep: { schedule: inverse-sqrt, value: 0.1 }
  momentum: 0.9
  regularization: 1e-4
  gradient: sum
  consensusScaling: scaled
  coupling: gauss-seidel
  quorum: 1
  combine: latest
  localSteps: 2
  overlap: true
  staleness: { max: 4 }
network:
  stepTime: { distribution: lognormal, median: 10ms, sigma: 0.3 }
  latency: { distribution: uniform, minimum: 1ms, maximum: 2ms }
  bandwidth: 1Gbit/s
  stragglers: [{ workers: [0, 2], slowdown: 3 }]
monitor: { every: { iterations: 5 }, measures: [gap, optimality_gap, wait_fraction] }
stop: { iterations: 20, steps: 50, virtualTime: 1s, target: { measure: gap_max, below: 1e-3 } }
engine: { runner: eager, device: cpu, threads: 1 }
`,
  `
data:
  dataset: logistic
  dimension: 3
  samplesPerWorker: 6
  heterogeneity: 0.5
  testSamples: 4
  partition: { kind: dirichlet, alpha: 5, minimum: 1 }
  batchSize: 2
  sampling: epoch
model: { kind: mlp, hidden: [3] }
workers: 2
algorithm: { quorum: all, coupling: jacobi, workerStep: 0.1 }
network: { stepTime: 3ms, latency: { distribution: pareto, minimum: 1ms, shape: 2 } }
monitor: { measures: [test_error, train_loss, minibatch_loss] }
stop: { steps: 9 }
engine: { runner: eager, device: cpu }
`,
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Path = (string | number)[];

/** Every place of a document. */
function places(value: Json, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))];
}

const strange: readonly Json[] = [
  null, true, false, '', ' ', 0, -1, 1, 2, 1.5, 1e308, -1e308, 5e-324, 2 ** 53, NaN, Infinity, -Infinity, [], {}, [[]],
  [null], [-1, 0, 99], { a: 1 }, { kind: 'shared' }, { kind: null }, { distribution: 'normal' }, { schedule: 'constant' },
  'none', 'all', 'NaN', '10', '10ms', '-3ms', '1e400h', '3constructor', '0bit/s', '1e-30bit/s', '__proto__', 'toString',
  'quadratic', 'csv', 'idx', 'nowhere/at-all', '\u0000', '🦋', 'a: b', '*a', '&a', '!a', '%', '- x', 'x'.repeat(500),
]; // prettier-ignore

const factors = [0, 0.5, 2, 3, 10, 1e-9, 1e9, -1, 1.1];

const keys = ['__proto__', 'constructor', 'kind', '0', '', 'lambda', 'a b', 'name', 'toString'];

interface Mutation {
  readonly kind: 'delete' | 'scale' | 'replace' | 'typo' | 'rename' | 'add' | 'move';
  /** Chooses a place, a value, a letter: numbers from 0 to 1. */
  readonly where: number;
  readonly what: number;
}

const share = fc.noBias(fc.nat(9_999)).map((number) => number / 10_000);
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('delete', 'scale', 'scale', 'scale', 'replace', 'replace', 'typo', 'rename', 'add', 'move'),
  where: share,
  what: share,
});

function choose<Item>(items: readonly Item[], at: number): Item {
  return items[Math.floor(at * items.length)]!;
}

function typo(word: string, at: number): string {
  const place = Math.floor(at * word.length);
  const spoilt = [
    word.slice(0, place) + word.slice(place + 1),
    word.slice(0, place) + (word[place + 1] ?? '') + (word[place] ?? '') + word.slice(place + 2),
    `${word.slice(0, place)}x${word.slice(place)}`,
    word.toUpperCase(),
  ];
  return choose(spoilt, (at * 97) % 1);
}

/** Changes `document` in place. */
function mutate(document: Json, { kind, where, what }: Mutation): void {
  const path = choose(places(document).slice(1), where);
  const parent = path.slice(0, -1).reduce<Json>((value, key) => (value as Record<string, Json>)[key]!, document) as
    Json[] | Record<string, Json>;
  const key = String(path.at(-1));
  const holder = parent as Record<string, Json>;
  const put = (name: string, value: Json): void => {
    Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  };
  const value = holder[key]!;
  if (kind === 'delete' && Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (kind === 'delete') Reflect.deleteProperty(holder, key);
  else if (kind === 'scale' && typeof value === 'number') put(key, value * choose(factors, what));
  else if (kind === 'scale' || kind === 'replace') put(key, structuredClone(choose(strange, what)));
  else if (kind === 'move') put(key, structuredClone(document));
  else if (Array.isArray(parent)) parent.push(choose(strange, what));
  else if (kind === 'add') put(choose(keys, what), structuredClone(choose(strange, (what * 31) % 1)));
  else {
    Reflect.deleteProperty(holder, key);
    put(kind === 'typo' ? typo(key, what) : choose(keys, what), value);
  }
}

/** Spoils one letter of a text. */
function scratch(text: string, { where, what }: Mutation): string {
  const place = Math.floor(where * text.length);
  const sign = choose(['', '\t', ':', '{', '}', '[', '"', "'", '*', '&', '!', '#', '\n', '-', '\u0000', '|'], what);
  return text.slice(0, place) + sign + text.slice(place + 1);
}

/** Whether the data and the model of a scenario are small enough to be made here. */
function isSmall({ data, model, workers }: Settings): boolean {
  const numbers = JSON.stringify([data, model]).match(/\d+(\.\d+)?(e[+-]?\d+)?/g) ?? [];
  return workers <= 20 && data.dataset !== 'mnist' && numbers.every((number) => Number(number) <= 30);
}

/** What is said of a scenario up to its first event: `accepted`, or the message. */
function verdictOf(text: string): Promise<string> {
  const path = write('s.yaml', text);
  return refusal(async () => {
    const scenario = loadScenario(path);
    if (!isSmall(scenario.settings)) return;
    try {
      await (await assemble(scenario)).close();
    } catch (error) {
      throw withPlace(error, scenario);
    }
  }, dirname(path));
}

describe('a scenario with mistakes', () => {
  it('the unspoilt ones are accepted', async () => {
    for (const text of scenarios) expect(await verdictOf(text)).toBe('accepted');
  });

  it('is accepted, or refused with line and column, whatever the mistakes are', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...scenarios),
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: mutation }),
        async (text, mutations, scratched) => {
          const document = parse(text) as Json;
          for (const each of mutations) mutate(document, each);
          const spoilt = stringify(document);
          const said = await verdictOf(scratched === null ? spoilt : scratch(spoilt, scratched));
          if (said === 'accepted') {
            accepted += 1;
            return;
          }
          // Every line but a remedy and a count is a fault with its place.
          const faults = said.split('\n').filter((line) => !/^( {2}|and \d+ more$)/.test(line));
          for (const fault of faults) expect(fault).toMatch(/^~\/s\.yaml:[1-9]\d*:[1-9]\d*: \S/);
          expect(new Set(faults).size).toBe(faults.length);
          expect(said.length).toBeLessThan(3000);
        },
      ),
      { numRuns: 300, seed: 1 },
    );
    // Mutations that are all refused, or all accepted, would test little.
    expect(accepted).toBeGreaterThan(10);
    expect(accepted).toBeLessThan(280);
  });
});
