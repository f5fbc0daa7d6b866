/** The command line. Each command loads what it needs only when it runs: --help answers at once. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { exitStatus, report, tolerateClosedPipes } from './failures.js';
import { version } from './package.js';

const program = new Command('straggler')
  .description(
    'Simulates distributed training: workers, a consensus node and a monitor exchange messages in virtual time.\n' +
      'Every gradient is real, every delay is modelled, every run replays bit for bit.',
  )
  .version(version)
  .exitOverride()
  .configureOutput({
    outputError: (text, write) => {
      write(`straggler: ${text.replace(/^error: /, '')}`);
    },
  })
  .showHelpAfterError('(see straggler --help)')
  .addHelpText(
    'after',
    `
Examples:
  straggler run scenarios/mnist-sync.yaml
  straggler run scenarios/mnist-async.yaml --seed 8 --set algorithm.lambda=0.05 --set network.latency=5ms
  straggler sweep table1.yaml --jobs 2
  straggler verify runs/mnist-sync-7

Exit status: 0 done, 1 a bug, 2 bad scenario or arguments, 3 diverged or failed (the run directory is kept),
4 digests differ, 130 or 143 interrupted.`,
  );

program
  .command('run')
  .description('run a scenario and write a run directory')
  .argument('<scenario>', 'a YAML file, or the name of a shipped scenario such as mnist-sync')
  .option('--seed <number>', 'seed of every random stream, instead of the one in the scenario', wholeNumber)
  .option('--out <directory>', 'run directory (default: runs/<name>-<seed>, then -2, ...)')
  .option(
    '--set <path=value>',
    'override one key, as in --set algorithm.lambda=0.1; null deletes; may be repeated',
    collect,
  )
  .option('--events', 'write events.jsonl, every processed event in order')
  .option('--quiet', 'print the digests alone')
  .action(async (scenario: string, options: import('./run.js').RunCommandOptions) => {
    const { runCommand } = await import('./run.js');
    process.exitCode = await runCommand(scenario, options);
  });

program
  .command('sweep')
  .description('run points times seeds, skip what is done, and tabulate what they found')
  .argument('<sweep>', 'a YAML file: a base scenario, points with their overrides, and seeds')
  .option('--jobs <number>', 'how many run at once, each in a process of its own (default: the cores)', positive)
  .option('--out <directory>', 'directory of the runs (default: runs/<name>); one that is there is continued')
  .option('--quiet', 'no progress; the table alone')
  .addHelpText(
    'after',
    `
A sweep file, for example table1.yaml:
  scenario: mnist-sync            # a path relative to this file, or a shipped scenario
  set: { stop.iterations: 3000 }  # overrides of every point, as for --set; null deletes
  seeds: [1, 2, 3]                # default: the scenario's own, once
  points:                         # each may have a scenario and seeds of its own, too
    - { name: weak, set: { algorithm.lambda: 1 } }
    - { name: strong, set: { algorithm.lambda: 0.01 } }

Everything is checked before anything runs. Each run is a run directory, runs/table1/weak-1 and so on. The same command
goes on after an interruption, and only tabulates when all is done: a run that diverged is done, one that failed is run
again. The table has the mean of each final value over the seeds that completed, with its 95% Student-t interval;
summary.json has every value.

Exit status: that of the first run that failed, else 0; 2 bad sweep or arguments, 130 or 143 interrupted.`,
  )
  .action(async (sweep: string, options: import('./sweep.js').SweepCommandOptions) => {
    const { sweepCommand } = await import('./sweep.js');
    process.exitCode = await sweepCommand(sweep, options);
  });

program
  .command('verify')
  .description('run a run directory again and compare the digests')
  .argument('<run>', 'a run directory')
  .action(async (run: string) => {
    const { verifyCommand } = await import('./verify.js');
    process.exitCode = await verifyCommand(run);
  });

program
  .command('doctor')
  .description('list the engines and devices found on this machine')
  .action(async () => {
    const { doctorCommand } = await import('./doctor.js');
    await doctorCommand();
  });

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Expected a whole number of at least 0.');
}

function positive(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a whole number of at least 1.');
}

function collect(value: string, all: string[] = []): string[] {
  return [...all, value];
}

// A run that a sweep started ends with the sweep, however that ended; the channel alone keeps no process alive.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();

tolerateClosedPipes();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    report(error);
    process.exitCode = exitStatus(error);
  }
}
