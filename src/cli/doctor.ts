/** `straggler doctor`: the engines and devices of this machine. */
import Table from 'cli-table3';
import colors from 'picocolors';
import { findEngines } from '../compute/engines.js';
import { quietLibraries } from './quietLibraries.js';

export async function doctorCommand(): Promise<void> {
  quietLibraries();
  const rows = new Table({
    head: ['engine.runner', 'engine.device', 'found', 'what it is, or what is missing'],
    colWidths: [15, 15, 8, 80],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { runner, device, description, library, adapter, problem, remedy } of await findEngines()) {
    const found = problem === undefined;
    const gpu = adapter === undefined ? '' : `; GPU: ${adapter}`;
    const text = found ? `${description}; ${library ?? ''}${gpu}` : `${problem}\nto have it: ${remedy}`;
    rows.push([runner, device, found ? colors.green('yes') : colors.yellow('no'), text]);
  }
  process.stdout.write(`${rows.toString()}\n`);
}
