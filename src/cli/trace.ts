/** `straggler trace`: runs again what a run directory holds, draws its virtual time, and says where that went. */
import { join, relative } from 'node:path';
import { consensusName, faultsName, workerName } from '../../actors/names.js';
import { Attribution } from '../record/attribution.js';
import { ChromeTrace } from '../record/chromeTrace.js';
import { NewFile } from '../record/newFile.js';
import type { Target } from '../scenario/compare.js';
import type { RunResult, RunStatus } from '../scenario/simulate.js';
import { attributionText } from './attributionTables.js';
import { parseTarget } from './compareArguments.js';
import { quietLibraries } from './quietLibraries.js';
import { differenceOf, possibleReasons, prepareRepetition, repeat, type Repetition } from './repetition.js';
import type { TraceRecord } from './traceRecord.js';
import { followTargets, measuresFor } from './traceTargets.js';

export interface TraceCommandOptions {
  readonly out?: string;
  readonly target?: readonly string[];
}

/** Returns the exit status: 0, or 4 where the repetition is another run than the one that was recorded. */
export async function traceCommand(path: string, options: TraceCommandOptions): Promise<number> {
  quietLibraries();
  const targets = (options.target ?? []).map(parseTarget);
  const repetition = await prepareRepetition(path, measuresFor(targets));
  const file = await openFor(repetition, options.out ?? join(path, 'trace.json'));
  try {
    const follower = follow(repetition, { targets, write: (text) => file.write(text) });
    const result = await repeat(repetition);
    if (typeof result === 'number') return result;
    const differences = differenceOf('events', repetition, result);
    if (differences.length > 0) {
      print(`${path}: the repetition is another run`, ...differences, ...possibleReasons(repetition));
      return 4;
    }
    const record = follower.end(result);
    file.keep();
    const attribution = new NewFile(join(path, 'attribution.json'));
    attribution.write(`${JSON.stringify(record, null, 2)}\n`);
    attribution.keep();
    print(
      attributionText(record),
      `written to ${[file, attribution].map(({ path }) => relative('.', path)).join(', ')}`,
    );
    return 0;
  } finally {
    file.discard();
  }
}

/** The file at `path`; where it cannot be written, the repetition is given up. */
async function openFor({ run }: Repetition, path: string): Promise<NewFile> {
  try {
    return new NewFile(path);
  } catch (error) {
    await run.close();
    throw error;
  }
}

function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Writes the trace while the repetition runs; `end` completes it and returns what attribution.json says. */
function follow(
  { settings, manifest, run }: Repetition,
  { targets, write }: { targets: readonly Target[]; write: (text: string) => void },
): { readonly end: (result: RunResult) => TraceRecord } {
  const { name, seed } = settings;
  const workers = Array.from({ length: settings.workers }, (_, worker) => workerName(worker));
  const trace = new ChromeTrace({
    title: `${name}, seed ${seed}`,
    workers,
    others: [consensusName, faultsName],
    write,
  });
  const attribution = new Attribution(workers, trace);
  run.events$.subscribe((event) => {
    attribution.see(event);
    trace.see(event);
  });
  run.losses$.subscribe((loss) => {
    attribution.lose(loss);
    trace.lose(loss);
  });
  run.starts$.subscribe((start) => {
    attribution.begin(start);
  });
  run.strikes$.subscribe((struck) => {
    attribution.strike(struck);
  });
  const reached = followTargets(run, targets);
  return {
    end: ({ virtualSeconds, counts, digests }) => {
      const timeNs = Math.round(virtualSeconds * 1e9);
      const record = attribution.end({ timeNs, sent: { messages: counts.messages, bytes: counts.bytes } });
      for (const leg of attribution.legs()) trace.leg(leg);
      const told = { scenario: name, seed, status: manifest.status as RunStatus, digests };
      trace.end(timeNs, { ...told, straggler: manifest.straggler });
      const acknowledges = settings.network.retransmission !== undefined;
      return { ...told, acknowledges, ...record, targets: reached() };
    },
  };
}
