/** `straggler compare`: runs two scenarios with the same seeds, and tabulates the differences within the pairs. */
import { realpathSync } from 'node:fs';
import { BadInput } from '../conditions.js';
import { planComparison, type Comparison } from '../scenario/compare.js';
import { unpairedStreams } from '../scenario/pairing.js';
import { checkOverrides, parseSeeds, parseTarget } from './compareArguments.js';
import { readComparison } from './compareResults.js';
import { comparisonText } from './compareTable.js';
import { findScenario } from './scenarioFile.js';
import { carryOut, tell, type SweepOptions } from './sweepRuns.js';

export interface CompareCommandOptions extends SweepOptions {
  readonly seeds: string;
  readonly target?: readonly string[];
  readonly set?: readonly string[];
}

/** Returns the exit status. */
export async function compareCommand(
  files: readonly [string, string],
  options: CompareCommandOptions,
): Promise<number> {
  const comparison = plan(files, options);
  const warn = tellOnce();
  const [{ resolved: a }, { resolved: b }] = comparison.pairs[0]!;
  for (const { message } of unpairedStreams(a, b)) warn(message);
  for (const omission of comparison.omissions) warn(omission);
  return carryOut(comparison, {
    ...options,
    find: (directory) => {
      const record = readComparison(comparison, directory);
      for (const { message } of record.unpaired) warn(message);
      return { file: 'comparison.json', value: record, text: comparisonText(record) };
    },
  });
}

function plan(files: readonly [string, string], { seeds, target = [], set = [] }: CompareCommandOptions): Comparison {
  const wanted = { seeds: parseSeeds(seeds), targets: target.map(parseTarget), set };
  checkOverrides(set);
  const [first, second] = [findScenario(files[0]), findScenario(files[1])];
  if (realpathSync(first) === realpathSync(second)) {
    throw new BadInput(`${files[0]} and ${files[1]} are the same file`, {
      remedy: 'give two scenarios: copy the file, and change in the copy what is to be compared',
    });
  }
  return planComparison([first, second], wanted);
}

/** Tells a line on standard error, unless it has been told. */
function tellOnce(): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (!told.has(message)) tell(`${message}\n`);
    told.add(message);
  };
}
