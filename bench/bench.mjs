/** npm run bench [-- --device D [--model M...] [--workers N...]]: peers beside this, or a device as workers are added. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { exitStatus, report } from '../dist/src/cli/failures.js';
import { compare } from './comparison.mjs';
import { everyWorkers, measureDevice, measured } from './devices.mjs';

function workerCounts(text, before = []) {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Expected a whole number of at least 1.');
  return [...before, Number(text)];
}

const bench = new Command('npm run bench --')
  .description('Measures this project beside PyTorch, in turns; with --device, a device as workers are added.')
  .option('--device <device>', 'a device of the runner onnx: cpu, webgpu or cuda')
  .addOption(new Option('--model <name...>', 'only these, with --device').choices(measured))
  .option(
    '--workers <count...>',
    `only so many workers, with --device (default: ${everyWorkers.join(' ')})`,
    workerCounts,
  )
  .showHelpAfterError()
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

const { device, ...choice } = bench.parse().opts();
if (device === undefined && Object.keys(choice).length > 0) bench.error('error: --model and --workers need --device');
try {
  await (device === undefined ? compare() : measureDevice(device, choice));
} catch (error) {
  report(error);
  process.exitCode = exitStatus(error);
}
