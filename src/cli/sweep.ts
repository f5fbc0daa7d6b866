/** `straggler sweep`: runs what of a sweep is not done, and tabulates what all runs found. */
import { dirname } from 'node:path';
import { loadSweep } from '../scenario/sweep.js';
import { version } from './package.js';
import { findScenario } from './scenarioFile.js';
import { readResults, resultsTable } from './sweepResults.js';
import { carryOut, type SweepOptions } from './sweepRuns.js';

/** Returns the exit status. */
export async function sweepCommand(file: string, options: SweepOptions): Promise<number> {
  const sweep = loadSweep(file, { find: (scenario) => findScenario(scenario, dirname(file)) });
  return carryOut(sweep, {
    ...options,
    find: (directory) => {
      const points = readResults(sweep.runs, directory);
      const value = { straggler: version, sweep: sweep.name, points };
      return { file: 'summary.json', value, text: resultsTable(points) };
    },
  });
}
