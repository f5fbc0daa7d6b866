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

/** Returns the exit status: 0 where everything agrees, 4 where something differs. */
export async function verifyCommand(path: string): Promise<number> {
  const manifest = readManifest(path);
  const { digests, counts, status } = manifest;
  if (digests === undefined || counts === undefined) {
    throw new BadInput(`${path} has the status ${status}: it has no digests to compare`, {
      remedy: 'run the scenario to its end first',
    });
  }
  const scenario = defineScenario(manifest.scenario as ScenarioInput, { directory: manifest.scenarioDirectory });
  const run = await prepare(scenario);
  const engineNote = engineDifference(manifest, run);
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
    ...compare('digests.events', digests.events, result.digests.events),
    ...compare('digests.state', digests.state, result.digests.state),
    ...compare('the SHA-256 of final.safetensors', digests.state, digestOfFile(path, 'final.safetensors')),
    ...compare('the SHA-256 of events.jsonl', digests.events, digestOfFile(path, 'events.jsonl') ?? digests.events),
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
  const event = firstDifference();
  if (event !== undefined) print(event);
  if (engineNote !== undefined) print(engineNote);
  return 4;
}

function compare(what: string, recorded: string, found: string | undefined): string[] {
  if (found === recorded) return [];
  return [`${what} differs\n  recorded ${recorded}\n  now      ${found ?? '(there is no such file)'}`];
}

/** Bits are promised within one engine fingerprint only. */
function engineDifference({ engine }: Manifest, { start }: Run): string | undefined {
  const now = Object.entries(start.engine).filter(([key, value]) => engine[key] !== value);
  if (now.length === 0) return undefined;
  const parts = now.map(([key, value]) => `${key} was ${String(engine[key])} and is ${String(value)}`);
  return `note: the engine is another one, so digests.state may differ: ${parts.join('; ')}`;
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
    difference = `the first event that differs is number ${count}\n  recorded ${shown}\n  now      ${shorten(line.trimEnd())}`;
  });
  return () => difference;
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
