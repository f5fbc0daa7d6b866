/** Running again what a run directory holds: what `straggler verify` and `straggler trace` share. */
import { join } from 'node:path';
import type { MeasureName } from '../../actors/measures.js';
import { BadInput } from '../conditions.js';
import { digestOfFile, readManifest, type Digests, type Manifest } from '../record/manifest.js';
import { defineScenario } from '../scenario/scenario.js';
import type { ScenarioInput, Settings } from '../scenario/schema.js';
import { prepare, type Run, type RunResult } from '../scenario/simulate.js';
import { abortOnSignals } from './interrupt.js';
import { showProgress } from './progress.js';

/** A recorded run, ready to be run again. */
export interface Repetition {
  /** The run directory. */
  readonly path: string;
  /** What it has recorded, to its end. */
  readonly manifest: Manifest & Required<Pick<Manifest, 'digests' | 'counts'>>;
  readonly settings: Settings;
  readonly run: Run;
}

/** Prepares the repetition of the run in `path`; it takes `measures` instead of its own, which cannot change it. */
export async function prepareRepetition(path: string, measures?: readonly MeasureName[]): Promise<Repetition> {
  const manifest = readManifest(path);
  const { digests, counts, status } = manifest;
  if (digests === undefined || counts === undefined) {
    throw new BadInput(`${path} has the status ${status}: it has no digests to compare`, {
      remedy: 'run the scenario to its end first',
    });
  }
  const recorded = manifest.scenario as ScenarioInput;
  const input = measures === undefined ? recorded : { ...recorded, monitor: { ...recorded.monitor, measures } };
  const scenario = defineScenario(input as ScenarioInput, {
    directory: manifest.scenarioDirectory,
    called: join(path, 'manifest.json'),
  });
  const run = await prepare(scenario);
  return { path, manifest: { ...manifest, digests, counts }, settings: scenario.settings, run };
}

/** Runs to the end; returns 130 or 143 where a signal ended it before. */
export async function repeat({ manifest, settings, run }: Repetition): Promise<RunResult | number> {
  const interrupt = abortOnSignals();
  const progress = showProgress(run, settings);
  try {
    // An interrupted run ended where its user pleased: the repetition ends after as many events.
    const events = manifest.status === 'interrupted' ? { events: manifest.counts.events } : {};
    const result = await run.toEnd({ signal: interrupt.signal, ...events });
    return result.status === 'interrupted' ? interrupt.exitStatus() : result;
  } finally {
    progress.stop();
    interrupt.stop();
  }
}

const digestedFiles = { events: 'events.jsonl', state: 'final.safetensors' } as const;

/** How a digest differs between manifest, repetition and file (events.jsonl is optional), in lines; none if it does not. */
export function differenceOf(
  digest: keyof Digests,
  { path, manifest }: Repetition,
  repetition: Pick<RunResult, 'digests'>,
): string[] {
  const name = digestedFiles[digest];
  const [recorded, repeated] = [manifest.digests[digest], repetition.digests[digest]];
  const written = digestOfFile(path, name) ?? (digest === 'events' ? recorded : '(there is no such file)');
  if (recorded === repeated && recorded === written) return [];
  const rows = [
    ['manifest.json', recorded],
    [name, written],
    ['the repetition', repeated],
  ] as const;
  return [`digests.${digest} differs`, ...rows.map(([of, value]) => `  ${of.padEnd(17)} ${value}`)];
}

/** What may have made digests differ, in lines: other data, or another engine. */
export function possibleReasons({ manifest, run }: Repetition): string[] {
  const reasons = [dataDifference(manifest, run), engineDifference(manifest, run)];
  return reasons.filter((reason) => reason !== undefined);
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
