/** Courses of a scenario: values over virtual time, from its keys or from a CSV file. */
import { parse } from 'csv-parse/sync';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { BadInput, type ScenarioPath } from '../conditions.js';
import { readText } from '../learning/inputFile.js';
import { always, type Course } from '../network/course.js';
import type { Changing } from './networkSchema.js';
import { duration } from './units.js';

/** How the values of a trace are read, and what they become. */
export interface Reading<Value, Read> {
  readonly directory: string;
  /** The key, for messages. */
  readonly path: ScenarioPath;
  /** What a cell of the file may be. */
  readonly cell: z.ZodType<Value>;
  readonly read: (value: Value) => Read;
}

/** The course that `given` means. Throws BadInput, with file and line, where a trace cannot be used. */
export function courseOf<Value, Read>(given: Changing<Value>, reading: Reading<Value, Read>): Course<Read> {
  if (typeof given !== 'object' || given === null) return always(reading.read(given));
  if ('piecewise' in given) {
    return given.piecewise.map(({ from, value }) => ({ fromNs: from, value: reading.read(value) }));
  }
  if ('trace' in given) return readTrace(given.trace, reading);
  return always(reading.read(given));
}

function readTrace<Value, Read>(trace: string, { directory, path, cell, read }: Reading<Value, Read>): Course<Read> {
  const file = resolve(directory, trace);
  const refuse = (line: number, message: string): never => {
    throw new BadInput(`${file}:${line}: ${message}`, {
      path,
      remedy: 'a trace has the columns time and value, for example the line 0.5s,10ms',
    });
  };
  const rows = rowsOf(readText({ file, path }), refuse);
  if (rows.length === 0) refuse(1, 'there are no rows');
  return rows.map(({ time, value, line }, index) => {
    const fromNs = parsed<number>(duration, time, (message) => refuse(line, `time: ${message}`));
    if (index === 0 && fromNs !== 0) refuse(line, `the first time is ${time}: expected 0`);
    const before = rows[index - 1];
    if (before !== undefined && fromNs <= parsed(duration, before.time, () => Infinity)) {
      refuse(line, `the time ${time} is not later than ${before.time} before it`);
    }
    return { fromNs, value: read(parsed(cell, value, (message) => refuse(line, `value: ${message}`))) };
  });
}

interface Row {
  readonly time: string;
  readonly value: string;
  readonly line: number;
}

function rowsOf(text: string, refuse: (line: number, message: string) => never): Row[] {
  let records: { record: Record<string, string>; info: { lines: number } }[];
  try {
    records = parse(text, {
      columns: true,
      trim: true,
      skip_empty_lines: true,
      info: true,
    }) as unknown as typeof records;
  } catch (error) {
    const { message, lines = 1 } = error as Error & { lines?: number };
    return refuse(lines, message);
  }
  return records.map(({ record, info }) => {
    const { time, value } = record;
    if (time === undefined || value === undefined) return refuse(1, 'expected the columns time and value');
    return { time, value, line: info.lines };
  });
}

/** A cell as a quantity with its unit, or as a plain number. */
function parsed<Value>(cell: z.ZodType<Value>, text: string, refuse: (message: string) => Value): Value {
  const found = cell.safeParse(text);
  const result = found.success ? found : cell.safeParse(Number(text));
  // An empty cell is not zero.
  if (text !== '' && result.success) return result.data;
  return refuse(`expected ${text === '' ? 'a value' : `another value than ${text}`}`);
}
