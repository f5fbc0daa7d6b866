/** Scenario documents: YAML text with positions, and the overrides of `--set`. */
import { closest, distance } from 'fastest-levenshtein';
import {
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parse,
  parseDocument,
  YAMLMap,
  type Document,
  type Pair,
} from 'yaml';
import { BadInput, type ScenarioPath } from '../conditions.js';

/** A scenario before it is checked: a plain value, and where each part of it was written. */
export interface Source {
  readonly value: unknown;
  /** Where `path` was written: `file.yaml:12:3`, the text of a `--set`, or the file alone. */
  readonly locate: (path: ScenarioPath) => string;
}

/** Other keys that stay when a discriminator changes; the rest belonged to the row it named before. */
const discriminators: Readonly<Record<string, readonly string[]>> = {
  dataset: ['partition', 'batchSize', 'sampling'],
  kind: [],
  distribution: [],
  schedule: [],
};

/** Parses the YAML `text` of `file` and applies overrides, each `path=value` with a YAML value. */
export function readDocument(text: string, file: string, overrides: readonly string[] = []): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const position = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error) throw new BadInput(`${position(error.pos[0])}: not valid YAML: ${error.message}`);
  if (!isMap(document.contents)) {
    throw new BadInput(`${file}: expected a scenario, a list of keys such as "data:" and "stop:"`);
  }
  const origins = new Map<string, string>();
  for (const override of overrides) applyOverride(document as Document<YAMLMap>, override, origins);
  const locate = (path: ScenarioPath): string => {
    for (let length = path.length; length > 0; length -= 1) {
      const part = path.slice(0, length);
      const origin = origins.get(part.join('.'));
      if (origin !== undefined) return `--set ${origin}`;
      const offset = offsetOf(document, part);
      if (offset !== undefined) return position(offset);
    }
    return file;
  };
  return { value: document.toJS() as unknown, locate };
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

function applyOverride(document: Document<YAMLMap>, override: string, origins: Map<string, string>): void {
  const equals = override.indexOf('=');
  if (equals < 1) {
    throw new BadInput(`--set ${override}: expected path=value`, {
      remedy: 'write for example --set algorithm.lambda=0.1',
    });
  }
  const path = override
    .slice(0, equals)
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const value = parseValue(override, equals);
  openMaps(document, path.slice(0, -1));
  if (value === null) document.deleteIn(path);
  else {
    dropSiblings(document, path, value);
    document.setIn(path, document.createNode(value));
  }
  origins.set(path.join('.'), override);
}

function parseValue(override: string, equals: number): unknown {
  try {
    return parse(override.slice(equals + 1)) as unknown;
  } catch (error) {
    throw new BadInput(`--set ${override}: the value is not valid YAML: ${(error as Error).message.split('\n')[0]!}`);
  }
}

/** Makes every step of `path` a map or a list, replacing a scalar (`model: lenet5` before `model.kind=mlp`). */
function openMaps(document: Document<YAMLMap>, path: ScenarioPath): void {
  for (let length = 1; length <= path.length; length += 1) {
    const part = path.slice(0, length);
    const node: unknown = document.getIn(part, true);
    if (!isMap(node) && !isSeq(node)) document.setIn(part, new YAMLMap());
  }
}

function dropSiblings(document: Document, path: ScenarioPath, value: unknown): void {
  const last = path.at(-1)!;
  const kept = discriminators[String(last)];
  if (kept === undefined || document.getIn(path) === value) return;
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return;
  for (const { key } of [...parent.items]) {
    const name = String(isScalar(key) ? key.value : key);
    if (name !== last && !kept.includes(name)) parent.delete(key);
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
  return distance(word.toLowerCase(), best) <= Math.max(2, Math.floor(word.length / 3)) ? found : undefined;
}
