/** Whole runs, with everything that happened in them. */
import type { LoggedEvent, Loss } from '../../src/kernel/simulation.js';
import { defineScenario } from '../../src/scenario/scenario.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { prepare, type RunOptions, type RunResult, type RunStart } from '../../src/scenario/simulate.js';

export interface Log {
  readonly start: RunStart;
  readonly events: readonly LoggedEvent[];
  readonly lost: readonly Loss[];
  readonly result: RunResult;
}

/** Runs `scenario` to its end. It is an object for the tests that put one together piece by piece. */
export async function record(scenario: object, options: RunOptions = {}): Promise<Log> {
  const run = await prepare(defineScenario(scenario as ScenarioInput));
  const [events, lost]: [LoggedEvent[], Loss[]] = [[], []];
  run.events$.subscribe((event) => events.push(event));
  run.losses$.subscribe((loss) => lost.push(loss));
  const result = await run.toEnd(options);
  return { start: run.start, events, lost, result };
}
