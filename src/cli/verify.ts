/** `straggler verify`: runs again what a run directory holds, and compares the digests. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Run } from '../scenario/simulate.js';
import { quietLibraries } from './quietLibraries.js';
import { differenceOf, possibleReasons, prepareRepetition, repeat } from './repetition.js';

/** Returns the exit status: 0 where everything agrees, 4 where something differs. */
export async function verifyCommand(path: string): Promise<number> {
  quietLibraries();
  const repetition = await prepareRepetition(path);
  const firstDifference = compareEvents(repetition.run, path);
  const result = await repeat(repetition);
  if (typeof result === 'number') return result;
  const { digests } = repetition.manifest;
  const differences = [...differenceOf('events', repetition, result), ...differenceOf('state', repetition, result)];
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  if (differences.length === 0) {
    print(`${path}: verified, both digests are the same`);
    print(`digests.events ${digests.events}`);
    print(`digests.state  ${digests.state}`);
    return 0;
  }
  print(`${path}: NOT the same`);
  for (const difference of differences) print(difference);
  const event = firstDifference();
  if (event !== undefined) print(event);
  for (const reason of possibleReasons(repetition)) print(reason);
  return 4;
}

/** Holds every event of the repetition against events.jsonl, where there is one; returns the first difference. */
function compareEvents(run: Run, path: string): () => string | undefined {
  const file = join(path, 'events.jsonl');
  if (!existsSync(file)) return () => undefined;
  const recorded = linesOf(file);
  let count = 0;
  let difference: string | undefined;
  run.events$.subscribe(({ line }) => {
    if (difference !== undefined) return;
    count += 1;
    const { value, done } = recorded.next();
    if (done !== true && value === line.trimEnd()) return;
    const shown = done === true ? '(the file ends here)' : shorten(value);
    difference = differingEvent(count, shown, shorten(line.trimEnd()));
  });
  return () => {
    if (difference !== undefined) return difference;
    const { value, done } = recorded.next();
    return done === true ? undefined : differingEvent(count + 1, shorten(value), '(the run ends here)');
  };
}

function differingEvent(number: number, recorded: string, repeated: string): string {
  return `the first event that differs is number ${number}\n  events.jsonl      ${recorded}\n  the repetition    ${repeated}`;
}

/** The lines of a file, read in pieces: event logs may be larger than memory. */
function* linesOf(file: string): Generator<string, void> {
  const descriptor = openSync(file, 'r');
  const piece = Buffer.alloc(1 << 16);
  let rest = '';
  try {
    for (let count = 1; count > 0;) {
      count = readSync(descriptor, piece);
      const lines = (rest + piece.toString('latin1', 0, count)).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
  } finally {
    closeSync(descriptor);
  }
}

function shorten(line: string): string {
  return line.length > 160 ? `${line.slice(0, 157)}...` : line;
}
