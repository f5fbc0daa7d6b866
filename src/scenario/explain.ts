/** Turns what zod says of a scenario into sentences with place, value and expectation. */
import type { z } from 'zod';
import { BadInput, type ScenarioPath } from '../conditions.js';
import { nearMiss, type Source } from './document.js';

type Issue = z.core.$ZodIssue;

interface Finding {
  readonly path: ScenarioPath;
  readonly text: string;
}

/** The sentence of one issue, without place and value; zod calls this while it parses. */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = Object.keys((issue.inst as unknown as z.ZodObject).shape);
      return issue.keys.map((key) => unknownKey(key, known)).join('\n');
    }
    case 'invalid_type':
      return `expected ${typeName(issue.expected)}`;
    case 'invalid_value':
      return issue.values.length === 1 ? `expected ${String(issue.values[0])}` : oneOf(issue.input, issue.values);
    case 'too_small':
      return issue.origin === 'array'
        ? `expected at least ${issue.minimum} items`
        : `expected a number ${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `expected a number ${issue.inclusive ? 'of at most' : 'below'} ${issue.maximum}`;
    case 'invalid_union': {
      const options = (issue as { options?: readonly unknown[] }).options;
      if (options === undefined) return undefined;
      return oneOf((issue.input as Record<string, unknown>)[String(issue.path?.at(-1))], options);
    }
    default:
      return undefined;
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearMiss(key, known);
  return `unknown key ${key}; ${near === undefined ? `the keys here are ${known.join(', ')}` : `did you mean ${near}?`}`;
}

function oneOf(input: unknown, values: readonly unknown[]): string {
  const names = values.filter((value) => value !== undefined).map(String);
  const near = typeof input === 'string' ? nearMiss(input, names) : undefined;
  return `expected one of ${names.join(', ')}${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function typeName(expected: string): string {
  const named: Record<string, string> = {
    object: 'keys and values',
    array: 'a list',
    int: 'a whole number',
    string: 'text',
  };
  return named[expected] ?? `a ${expected}`;
}

/** BadInput with one line an issue: place, key, expectation and value. */
export function refusal(error: z.ZodError, source: Source): BadInput {
  const findings = error.issues.flatMap((issue) => findingsOf(issue, [], source.value));
  const lines = new Set(findings.map((finding) => render(finding, source)));
  return new BadInput([...lines].slice(0, 10).join('\n'));
}

/** An issue may stand for several: unknown keys, and the alternatives of a union. */
function findingsOf(issue: Issue, base: ScenarioPath, root: unknown): Finding[] {
  const path = [...base, ...(issue.path as (string | number)[])];
  if (issue.code === 'unrecognized_keys') {
    const texts = issue.message.split('\n');
    return issue.keys.map((key, index) => ({ path: [...path, key], text: texts[index]! }));
  }
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [{ path, text: issue.message }];
  // The alternative that the value was meant to be is the one that accepts its type.
  const inner = issue.errors.map((alternative) => alternative.flatMap((each) => findingsOf(each, path, root)));
  const deeper = inner.filter((findings) => findings.every((finding) => finding.path.length > path.length));
  const value = valueAt(root, path);
  if (deeper.length > 0 && typeof value === 'object') return deeper[0]!;
  const own = inner.flat().filter((finding) => finding.path.length === path.length);
  const special = own.find(({ text }) => !text.startsWith('expected '));
  const texts = [...new Set(own.map(({ text }) => text.replace(/^expected /, '')))];
  return [{ path, text: special?.text ?? `expected ${texts.join(', or ')}` }];
}

function render({ path, text }: Finding, source: Source): string {
  const value = valueAt(source.value, path);
  const key = path.join('.');
  const place = source.locate(path);
  if (text.startsWith('unknown key')) return `${place}: ${text}`;
  if (value === undefined) return `${place}: ${key} is missing: ${text}`;
  return `${place}: ${key}: ${text}, not ${JSON.stringify(value)}`;
}

function valueAt(root: unknown, path: ScenarioPath): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined | null)?.[key], root);
}
