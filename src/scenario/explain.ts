/** Turns what zod says of a scenario into sentences with place, key, expectation and value. */
import { stringify } from 'yaml';
import type { z } from 'zod';
import { BadInput, type ScenarioPath } from '../conditions.js';
import { nearMiss, type Source } from './document.js';

type Issue = z.core.$ZodIssue;

interface Finding {
  readonly path: ScenarioPath;
  /** What is wrong; where it begins with `expected`, the value found follows. */
  readonly text: string;
  readonly cause: 'unknown' | 'type' | 'rule';
  /** Names, one of which may have been meant. */
  readonly names: readonly string[];
}

/** More findings, or names in a list, than this would hide the others. */
const shownMax = 10;

/** The sentence of one issue, without place and value; zod calls this while it parses. */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'unrecognized_keys':
      // Findings take the names from here: zod keeps no schema in the issues that it returns.
      return Object.keys((issue.inst as unknown as z.ZodObject).shape).join(' ');
    case 'invalid_type':
      return `expected ${typeName(issue.expected, issue.inst)}`;
    case 'invalid_value':
      return `expected ${list(issue.values.map(String))}`;
    case 'too_small':
      if (issue.origin === 'string') return 'expected text that is not empty';
      return issue.origin === 'array'
        ? `expected at least ${issue.minimum} item${issue.minimum === 1 ? '' : 's'}`
        : `expected a number ${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `expected a number ${issue.inclusive ? 'of at most' : 'below'} ${issue.maximum}`;
    case 'invalid_union':
      return issue.errors.length > 0 ? undefined : `expected ${list(optionsOf(issue))}`;
    default:
      return undefined;
  }
}

/** The names of the rows that a discriminated union knows. */
function optionsOf(issue: object): string[] {
  const { options } = issue as { options: unknown[] };
  return options.filter((option) => option !== undefined).map(String);
}

function list(names: readonly string[]): string {
  return names.length === 1 ? names[0]! : `one of ${names.join(', ')}`;
}

/** What zod calls a type, as a user would; an object is shown by its first key, `{ kind: ... }`. */
function typeName(expected: string, inst: unknown): string {
  const definition = (inst as z.core.$ZodType | undefined)?._zod.def as
    { discriminator?: string; shape?: object; format?: string } | undefined;
  const key = definition?.discriminator ?? Object.keys(definition?.shape ?? {})[0];
  if (expected === 'object' && key !== undefined) return `{ ${key}: ... }`;
  if (expected === 'int' || definition?.format === 'safeint') return 'a whole number';
  const named: Record<string, string> = { array: 'a list', string: 'text', boolean: 'true or false' };
  return named[expected] ?? `a ${expected}`;
}

/** BadInput with one line a finding: place, key, expectation and value. */
export function refusal(error: z.ZodError, source: Source): BadInput {
  const found = error.issues.flatMap((issue) => findingsOf(issue, [], source.value));
  // One fault a key: of two limits that a number passes, zod names the narrower one last.
  const byKey = new Map(withoutEchoes(found, source.value).map((finding) => [finding.path.join('.'), finding]));
  const lines = [...byKey.values()].map((finding) => render(finding, source));
  const more = lines.length > shownMax ? [`and ${lines.length - shownMax} more`] : [];
  return new BadInput([...lines.slice(0, shownMax), ...more].join('\n'));
}

/** An issue may stand for several: unknown keys, and the alternatives of a union. */
function findingsOf(issue: Issue, base: ScenarioPath, root: unknown): Finding[] {
  const path = [...base, ...(issue.path as (string | number)[])];
  const text = issue.message;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], text: '', cause: 'unknown', names: text.split(' ') }));
    case 'invalid_type':
      return [{ path, text, cause: 'type', names: [] }];
    case 'invalid_value':
      return [{ path, text, cause: 'type', names: issue.values.map(String) }];
    case 'invalid_union':
      if (issue.errors.length === 0)
        return [missingDiscriminator({ path, text, cause: 'type', names: optionsOf(issue) }, root)];
      // A union may have a sentence of its own, as quantities have.
      return text.startsWith('expected ')
        ? [{ path, text, cause: 'type', names: [] }]
        : alternatives(issue, path, root);
    default:
      return [{ path, text, cause: 'rule', names: [] }];
  }
}

/** An absent discriminator may be there under a name that is nearly its own. */
function missingDiscriminator(finding: Finding, root: unknown): Finding {
  const { path } = finding;
  if (valueAt(root, path) !== undefined) return finding;
  const key = String(path.at(-1));
  const written = Object.keys(valueAt(root, path.slice(0, -1)) as object);
  const near = nearMiss(key, written);
  return near === undefined
    ? finding
    : { path: [...path.slice(0, -1), near], text: '', cause: 'unknown', names: [key] };
}

/** Of a union, what the alternative says that the value was meant to be, or else what all expect. */
function alternatives(issue: z.core.$ZodIssueInvalidUnion, path: ScenarioPath, root: unknown): Finding[] {
  const inner = issue.errors.map((errors) => errors.flatMap((each) => findingsOf(each, path, root)));
  // It is the alternative that accepts the value's type and finds fault inside it, ...
  const deeper = inner.find((findings) => findings.every((finding) => finding.path.length > path.length));
  if (deeper !== undefined && typeof valueAt(root, path) === 'object') return deeper;
  const own = inner.flat().filter((finding) => finding.path.length === path.length);
  const names = own.flatMap((finding) => finding.names);
  // ... or that accepts the type and finds fault with the value.
  const rule = own.find(({ cause }) => cause === 'rule');
  if (rule !== undefined) return [{ ...rule, names }];
  const texts = new Set(own.map(({ text }) => text.replace(/^expected /, '')));
  return [{ path, text: `expected ${[...texts].join(', or ')}`, cause: 'type', names }];
}

/** Leaves out what an unknown key explains: that the key which was meant is missing, or its object incomplete. */
function withoutEchoes(findings: readonly Finding[], root: unknown): Finding[] {
  const explained = new Set(
    findings
      .filter(({ cause }) => cause === 'unknown')
      .flatMap(({ path, names }) => {
        const parent = path.slice(0, -1);
        return [parent, [...parent, nearMiss(String(path.at(-1)), names)]].map((each) => each.join('.'));
      }),
  );
  return findings.filter(({ path, cause }) => {
    const consequence = cause === 'rule' || (cause === 'type' && valueAt(root, path) === undefined);
    return !(consequence && explained.has(path.join('.')));
  });
}

function render({ path, text, cause, names }: Finding, source: Source): string {
  const key = String(path.at(-1));
  if (cause === 'unknown') {
    const near = nearMiss(key, names);
    const hint = near === undefined ? `the keys here are ${names.join(', ')}` : `did you mean ${near}?`;
    return `${placeOf(path, source)}unknown key; ${hint}`;
  }
  const value = valueAt(source.value, path);
  const near = typeof value === 'string' ? nearMiss(value, names) : undefined;
  const expectation = near !== undefined && names.length > shownMax ? `expected one of ${names.length} names` : text;
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  if (value === undefined) return `${placeOf(path, source)}missing, ${expectation}`;
  return `${placeOf(path, source)}${expectation}${text.startsWith('expected ') ? found(value) : ''}${hint}`;
}

/** Where `path` was written and, unless a `--set` just tells it, which key it is. */
export function placeOf(path: ScenarioPath, source: Source): string {
  const place = source.locate(path);
  const key = path.map((part) => (part === '' ? '""' : part)).join('.');
  return place.startsWith(`--set ${key}=`) || key === '' ? `${place}: ` : `${place}: ${key}: `;
}

/** The value as YAML has it, on one line. */
function found(value: unknown): string {
  if (value === null) return ', but it is empty';
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
  return `, not ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`;
}

function valueAt(root: unknown, path: ScenarioPath): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined | null)?.[key], root);
}
