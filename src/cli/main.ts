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
  straggler compare sync.yaml async.yaml --seeds 1..10
  straggler verify runs/mnist-sync-7
  straggler trace runs/mnist-sync-7

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
again. The table has the means over the seeds that completed, with their 95% Student-t intervals: of the virtual time and
of the bytes given to the network, and of the final value of each measure. Where a scenario has stop.target, it tells how
many runs reached it, and virtual time and bytes are what that took. summary.json has every value.

Exit status: that of the first run that failed, else 0; 2 bad sweep or arguments, 130 or 143 interrupted.`,
  )
  .action(async (sweep: string, options: import('./sweepRuns.js').SweepOptions) => {
    const { sweepCommand } = await import('./sweep.js');
    process.exitCode = await sweepCommand(sweep, options);
  });

program
  .command('compare')
  .description('run two scenarios with the same seeds, and tabulate the differences within the pairs')
  .argument('<A>', 'a YAML file, or the name of a shipped scenario')
  .argument('<B>', 'another one')
  .requiredOption('--seeds <list>', 'a range, 1..10, or a list, 1,2,5; each seed makes a pair of runs')
  .option(
    '--target <measure<value>',
    'also compare what it takes to get a measure below a value; may be repeated',
    collect,
  )
  .option('--set <path=value>', 'override one key of both scenarios, as for run; may be repeated', collect)
  .option('--jobs <number>', 'how many run at once, each in a process of its own (default: the cores)', positive)
  .option('--out <directory>', 'directory of the runs (default: runs/<A>-vs-<B>); one that is there is continued')
  .option('--quiet', 'no progress; the table alone')
  .addHelpText(
    'after',
    `
Examples:
  straggler compare mnist-sync mnist-async --seeds 1..10
  straggler compare loose.yaml tight.yaml --seeds 1,2,5 --target 'test_error<0.05' --set stop.iterations=3000

With one seed, both scenarios draw the same samples, step times and latencies: the difference within a pair has less
of the luck of the seed than either of the two values. What of these they do not share is told.

The table has the mean of A and of B, the mean of B - A with its 95% Student-t interval, and in how many pairs B was
lower: for the final value of every measure that both record (averaged over workers); for what the whole runs took; and
for what it took to reach each target, in virtual time, moves, worker steps and bytes: up to the first measurement whose
mean over workers is below, so no finer than monitor.every. The default targets are those of
stop.target. comparison.json has every value.

The same command goes on after an interruption, and only tabulates when all is done.

Exit status: that of the first run that failed, else 0; 2 bad scenario or arguments, 130 or 143 interrupted.`,
  )
  .action(async (first: string, second: string, options: import('./compare.js').CompareCommandOptions) => {
    const { compareCommand } = await import('./compare.js');
    process.exitCode = await compareCommand([first, second], options);
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
  .command('trace')
  .description('run a run directory again, draw its virtual time for Perfetto, and say where that went')
  .argument('<run>', 'a run directory')
  .option('--out <file>', 'where the trace goes (default: trace.json in the run directory)')
  .option('--target <measure<value>', 'also tell what it took to get a measure below a value; may be repeated', collect)
  .addHelpText(
    'after',
    `
Examples:
  straggler trace runs/mnist-async-7
  straggler trace runs/mnist-async-7 --target 'test_error<0.05' --target 'gap<1'

The trace (open it at https://ui.perfetto.dev) has a lane for each actor, arrows for messages, and lanes for the critical
path and for losses. The tables, and attribution.json in the run directory, have

  the time of every worker: compute, lost (in steps that a crash cut off), transfer, wait, idle; and how long its copies
    wait at the consensus node for a move
  the critical path: what the time of the last event is made of
  staleness: how many moves behind the copies were that moves used
  the traffic of links, and what was lost on them
  what each target took: virtual time, moves, worker steps and bytes, up to the first measurement whose mean over workers
    is below, so no finer than monitor.every

What each number means exactly is in docs/ATTRIBUTION.md.

Exit status: 0 done, 2 bad arguments, 4 the run cannot be repeated here: the digest of its events differs, 130 or 143
interrupted.`,
  )
  .action(async (run: string, options: import('./trace.js').TraceCommandOptions) => {
    const { traceCommand } = await import('./trace.js');
    process.exitCode = await traceCommand(run, options);
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
