/** `straggler verify`: runs again what a run directory holds, and compares the digests. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { BadInput } from '../conditions.js';
import { digestOfFile, readManifest, type Manifest } from '../record/manifest.js';
import { defineScenario } from '../scenario/scenario.js';
import type { ScenarioInput } from '../scenario/schema.js';
import { prepare, type Run, type RunResult } from '../scenario/simulate.js';
import { abortOnSignals } from './interrupt.js';
import { showProgress } from './progress.js';
import { quietLibraries } from './quietLibraries.js';

/** Returns the exit status: 0 where everything agrees, 4 where something differs. */
export async function verifyCommand(path: string): Promise<number> {
  quietLibraries();
  const manifest = readManifest(path);
  const { digests, counts, status } = manifest;
  if (digests === undefined || counts === undefined) {
    throw new BadInput(`${path} has the status ${status}: it has no digests to compare`, {
      remedy: 'run the scenario to its end first',
    });
  }
  const scenario = defineScenario(manifest.scenario as ScenarioInput, {
    directory: manifest.scenarioDirectory,
    called: join(path, 'manifest.json'),
  });
  const run = await prepare(scenario);
  const firstDifference = compareEvents(run, path);
  const interrupt = abortOnSignals();
  const progress = showProgress(run, scenario.settings);
  let result: RunResult;
  try {
    // An interrupted run ended where its user pleased: the repetition ends after as many events.
    const events = status === 'interrupted' ? { events: counts.events } : {};
    result = await run.toEnd({ signal: interrupt.signal, ...events });
  } finally {
    progress.stop();
    interrupt.stop();
  }
  if (result.status === 'interrupted') return interrupt.exitStatus();
  const differences = [
    ...compare('events', path, { recorded: digests.events, repeated: result.digests.events }),
    ...compare('state', path, { recorded: digests.state, repeated: result.digests.state }),
  ];
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  if (differences.length === 0) {
    print(`${path}: verified, both digests are the same`);
    print(`digests.events ${digests.events}`);
    print(`digests.state  ${digests.state}`);
    return 0;
  }
  print(`${path}: NOT the same`);
  for (const difference of differences) print(difference);
  for (const note of [firstDifference(), dataDifference(manifest, run), engineDifference(manifest, run)]) {
    if (note !== undefined) print(note);
  }
  return 4;
}

const digestedFiles = { events: 'events.jsonl', state: 'final.safetensors' } as const;

/** One digest as the manifest has it, as the repetition gives it, and as the file has it (events.jsonl is optional). */
function compare(
  digest: keyof typeof digestedFiles,
  path: string,
  { recorded, repeated }: { recorded: string; repeated: string },
): string[] {
  const name = digestedFiles[digest];
  const written = digestOfFile(path, name) ?? (digest === 'events' ? recorded : '(there is no such file)');
  if (recorded === repeated && recorded === written) return [];
  const rows = [
    ['manifest.json', recorded],
    [name, written],
    ['the repetition', repeated],
  ] as const;
  return [`digests.${digest} differs`, ...rows.map(([of, value]) => `  ${of.padEnd(17)} ${value}`)];
}

/** Bits are promised within one engine fingerprint only. */
function engineDifference({ engine }: Manifest, { start }: Run): string | undefined {
  const now = Object.entries(start.engine).filter(([key, value]) => engine[key] !== value);
  if (now.length === 0) return undefined;
  const parts = now.map(([key, value]) => `${key} was ${String(engine[key])} and is ${String(value)}`);
  return `note: the engine is another one, so digests.state may differ: ${parts.join('; ')}`;
}

/** A data file may have changed since. */
function dataDifference({ sets }: Manifest, { start }: Run): string | undefined {
  const changed = Object.entries(start.sets).filter(([name, { sha256 }]) => sets[name]?.sha256 !== sha256);
  if (changed.length === 0) return undefined;
  return `note: the data are not those of the run: ${changed.map(([name]) => `sets.${name}`).join(', ')}`;
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
