/** `straggler run`: runs a scenario and records it. */
import { relative } from 'node:path';
import { loadScenario } from '../scenario/scenario.js';
import { prepare, type Run, type RunResult } from '../scenario/simulate.js';
import { checkRunPath, RunDirectory } from '../record/runDirectory.js';
import type { Manifest } from '../record/manifest.js';
import { exitStatuses } from './failures.js';
import { abortOnSignals } from './interrupt.js';
import { version } from './package.js';
import { showProgress } from './progress.js';
import { quietLibraries } from './quietLibraries.js';
import { findScenario } from './scenarioFile.js';
import { followMeasures, printSummary } from './summary.js';

export interface RunCommandOptions {
  readonly seed?: number;
  readonly out?: string;
  readonly set?: readonly string[];
  readonly events?: true;
  readonly quiet?: true;
}

/** Returns the exit status. */
export async function runCommand(file: string, options: RunCommandOptions): Promise<number> {
  const began = Date.now();
  quietLibraries();
  const { set: overrides = [] } = options;
  const set = options.seed === undefined ? overrides : [...overrides, `seed=${options.seed}`];
  const scenario = loadScenario(findScenario(file), { set });
  const { name, seed } = scenario.settings;
  if (options.out !== undefined) checkRunPath(options.out);
  const run = await prepare(scenario);
  // Before the manifest says `running`: a signal must find somebody who corrects it.
  const interrupt = abortOnSignals();
  // Made only now: a scenario that is refused leaves nothing behind.
  const directory = options.out === undefined ? RunDirectory.next(`${name}-${seed}`) : RunDirectory.at(options.out);
  const opening = openingManifest(run, scenario.directory);
  writeStart(directory, run, opening);
  directory.recordMeasurements(run.measurements$);
  if (options.events) directory.recordEvents(run.events$);
  const measures = followMeasures(run.measurements$);
  const progress = options.quiet ? undefined : showProgress(run, scenario.settings);
  let result: RunResult;
  try {
    result = await run.toEnd({ signal: interrupt.signal });
  } catch (error) {
    directory.writeJson('manifest.json', { ...opening, status: 'failed', reason: String(error) });
    throw error;
  } finally {
    progress?.stop();
    interrupt.stop();
    directory.close();
  }
  const wallSeconds = (Date.now() - began) / 1000;
  directory.writeBytes('final.safetensors', result.final.bytes);
  directory.writeJson('manifest.json', closingManifest(opening, result, wallSeconds));
  const written = relative('.', directory.path) || '.';
  printSummary({
    run,
    result,
    wallSeconds,
    measures,
    written,
    quiet: options.quiet === true,
    events: options.events === true,
  });
  return result.status === 'interrupted' ? interrupt.exitStatus() : exitStatuses[result.status];
}

function openingManifest({ start }: Run, scenarioDirectory: string): Manifest {
  const { scenario, seed, engine, parameters, sets, skew } = start;
  return {
    straggler: version,
    status: 'running',
    scenario,
    scenarioDirectory,
    seed,
    engine: { ...engine },
    parameters,
    sets,
    partition: skew,
  };
}

function writeStart(directory: RunDirectory, { start }: Run, manifest: Manifest): void {
  directory.writeJson('manifest.json', manifest);
  directory.writeTensors('initial.safetensors', start.initial);
  directory.writeLists('partition.json', start.assignment);
  if (start.problem !== undefined) directory.writeTensors('problem.safetensors', start.problem);
}

function closingManifest(opening: Manifest, result: RunResult, wallSeconds: number): Manifest {
  const { status, reason, digests, virtualSeconds, counts, onCpu } = result;
  const left = opening.engine['device'] === 'cpu' ? {} : { onCpu };
  return { ...opening, status, reason, digests, ...left, virtualSeconds, wallSeconds, counts };
}
