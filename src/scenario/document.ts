/** Scenario documents: YAML text with positions, and the overrides of `--set`. */
import { closest, distance } from 'fastest-levenshtein';
import {
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parse,
  parseDocument,
  visit,
  YAMLMap,
  YAMLSeq,
  type Document,
  type Pair,
  type YAMLError,
} from 'yaml';
import { BadInput, type ScenarioPath } from '../conditions.js';

/** A scenario before it is checked: a plain value, and where each part of it was written. */
export interface Source {
  readonly value: unknown;
  /** Where `path`, or what it belongs to, was written: `file.yaml:12:3` or the text of a `--set`. */
  readonly locate: (path: ScenarioPath) => string;
}

/**
 * Other keys that stay when a discriminator changes; the rest belonged to the row it named before. An absent one may
 * stand for a row, too.
 */
const discriminators: ReadonlyMap<string, { readonly kept: readonly string[]; readonly absent?: string }> = new Map([
  ['dataset', { kept: ['partition', 'batchSize', 'sampling'] }],
  ['method', { kept: ['gradient', 'regularization'], absent: 'alternating' }],
  ['kind', { kept: [] }],
  ['distribution', { kept: [] }],
  ['schedule', { kept: [] }],
  ['codec', { kept: ['threshold'], absent: 'none' }],
]);

/** The text of each `--set`, by the key that it sets. */
type Origins = Map<string, string>;

/**
 * Parses the YAML `text` of `file`, which is to hold `what`, and applies overrides, each `path=value` with a YAML
 * value.
 */
export function readDocument(
  text: string,
  file: string,
  overrides: readonly string[] = [],
  what = 'a scenario: keys such as "data:" and "stop:"',
): Source {
  const lines = new LineCounter();
  const document: Document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const position = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) throw new BadInput(`${position(fault.pos[0])}: ${describeFault(fault, text)}`);
  const start = document.contents?.range?.[0] ?? 0;
  if (!isMap(document.contents)) {
    throw new BadInput(`${position(start)}: expected ${what}, each with its value`);
  }
  const origins: Origins = new Map();
  for (const override of overrides) applyOverride(document as Document<YAMLMap>, override, origins);
  const locate = (path: ScenarioPath): string => {
    for (let length = path.length; length > 0; length -= 1) {
      const part = path.slice(0, length);
      const key = part.join('.');
      const whole = length === path.length;
      const origin = origins.get(key) ?? originWithin(key, origins, (name) => whole || discriminators.has(name));
      if (origin !== undefined) return `--set ${origin}`;
      const offset = offsetOf(document, part);
      if (offset !== undefined) return position(offset);
      // What is there and is not in the text was made by a --set for a part of it.
      const maker = originWithin(key, origins, () => true);
      if (maker !== undefined) return `--set ${maker}`;
    }
    return position(start);
  };
  return { value: valueOf(document, position), locate };
}

/** The last `--set` for a part of `key` whose name `decides`. */
function originWithin(key: string, origins: Origins, decides: (name: string) => boolean): string | undefined {
  const prefix = `${key}.`;
  const last = [...origins.keys()].findLast((part) => part.startsWith(prefix) && decides(part.slice(prefix.length)));
  return last === undefined ? undefined : origins.get(last);
}

function describeFault({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'DUPLICATE_KEY') return `the key ${/^[^\s:]*/.exec(text.slice(pos[0]))![0]} is there twice`;
  if (code === 'MULTIPLE_DOCS') return 'expected one YAML document, and a second one begins here';
  return `not valid YAML: ${message}`;
}

/** The plain value of `document`; an alias may name no anchor, or too many aliases each other. */
function valueOf(document: Document, position: (offset: number) => string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    let offset = 0;
    visit(document, {
      Alias: (_, alias) => {
        offset = alias.range?.[0] ?? offset;
        return error.message.endsWith(`: ${alias.source}`) ? visit.BREAK : undefined;
      },
    });
    throw new BadInput(`${position(offset)}: not valid YAML: ${error.message}`);
  }
}

/** Where a key, or an item of a list, begins in the text. */
function offsetOf(document: Document, path: ScenarioPath): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1)!;
  if (isMap(parent)) {
    const pair = parent.items.find((item: Pair) => isScalar(item.key) && String(item.key.value) === String(last));
    return isPair(pair) && isScalar(pair.key) ? pair.key.range?.[0] : undefined;
  }
  if (isSeq(parent))
    return (parent.items[Number(last)] as { range?: [number, number, number] } | undefined)?.range?.[0];
  return undefined;
}

function applyOverride(document: Document<YAMLMap>, override: string, origins: Origins): void {
  const equals = override.indexOf('=');
  const keys = override.slice(0, Math.max(0, equals)).split('.');
  if (keys.includes('')) {
    throw new BadInput(`--set ${override}: expected path=value`, {
      remedy: 'write for example --set algorithm.lambda=0.1',
    });
  }
  const value = parseValue(override, equals);
  const key = keys.join('.');
  if (value === null) {
    if (document.hasIn(keys)) document.deleteIn(keys);
  } else {
    const parent = openParent(document, keys, override);
    if (isMap(parent)) dropSiblings(parent, keys, value, origins);
    parent.set(isSeq(parent) ? Number(keys.at(-1)) : keys.at(-1), document.createNode(value));
  }
  for (const earlier of [...origins.keys()]) if (`${earlier}.`.startsWith(`${key}.`)) origins.delete(earlier);
  origins.set(key, override);
}

function parseValue(override: string, equals: number): unknown {
  try {
    return parse(override.slice(equals + 1), { prettyErrors: false, logLevel: 'error' }) as unknown;
  } catch (error) {
    throw new BadInput(`--set ${override}: the value is not valid YAML: ${(error as Error).message}`, {
      remedy: "quote it for the shell, as in --set 'monitor.measures=[gap, train_loss]'",
    });
  }
}

/** Makes every step of `keys` but the last a map or a list, replacing a scalar (`model: lenet5` before `model.kind=mlp`). */
function openParent(document: Document<YAMLMap>, keys: readonly string[], override: string): YAMLMap | YAMLSeq {
  let parent: YAMLMap | YAMLSeq = document.contents!;
  keys.forEach((key, depth) => {
    const count = parent.items.length;
    if (isSeq(parent) && !(/^\d+$/.test(key) && Number(key) <= count)) {
      const list = keys.slice(0, depth).join('.');
      throw new BadInput(`--set ${override}: ${list} is a list: expected an index from 0 to ${count}, not ${key}`);
    }
    if (depth === keys.length - 1) return;
    const step = isSeq(parent) ? Number(key) : key;
    let next: unknown = parent.get(step, true);
    if (!isCollection(next)) parent.set(step, (next = keys[depth + 1] === '0' ? new YAMLSeq() : new YAMLMap()));
    parent = next as YAMLMap | YAMLSeq;
  });
  return parent;
}

/** A new discriminator drops the keys that went with the old one, but for those that an earlier `--set` gave. */
function dropSiblings(parent: YAMLMap, keys: readonly string[], value: unknown, origins: Origins): void {
  const last = keys.at(-1)!;
  const discriminator = discriminators.get(last);
  if (discriminator === undefined) return;
  const { kept, absent } = discriminator;
  if ((parent.get(last) ?? absent) === value) return;
  for (const { key } of [...parent.items]) {
    const name = String(isScalar(key) ? key.value : key);
    const given = origins.has([...keys.slice(0, -1), name].join('.'));
    if (name !== last && !kept.includes(name) && !given) parent.delete(key);
  }
}

/** The candidate that `word` was probably meant to be, if one is near. */
export function nearMiss(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const best = closest(
    word.toLowerCase(),
    candidates.map((candidate) => candidate.toLowerCase()),
  );
  const found = candidates.find((candidate) => candidate.toLowerCase() === best)!;
  const edits = distance(word.toLowerCase(), best);
  return edits < word.length && edits <= Math.max(2, Math.floor(word.length / 3)) ? found : undefined;
}
