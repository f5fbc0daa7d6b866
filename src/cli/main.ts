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

function collect(value: string, all: string[] = []): string[] {
  return [...all, value];
}

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
