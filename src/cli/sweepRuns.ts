/**
 * Runs what is not done of a sweep or a comparison, each run in a process of its own, and tells what all found: what
 * `straggler sweep` and `straggler compare` share.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { average } from '../scenario/statistics.js';
import type { Sweep, SweepRun } from '../scenario/sweep.js';
import { abortOnSignals, type Interrupt } from './interrupt.js';
import { packageRoot } from './package.js';
import { SweepDirectory } from './sweepDirectory.js';
import { formatSeconds } from './sweepResults.js';

export interface SweepOptions {
  readonly jobs?: number;
  readonly out?: string;
  readonly quiet?: true;
}

/** What the runs found: a JSON file in the directory of the runs, and what is printed. */
export interface Findings {
  readonly file: string;
  readonly value: unknown;
  readonly text: string;
}

/** Runs what of `sweep` is not done, and tells what `find` makes of all runs that are. Returns the exit status. */
export async function carryOut(
  sweep: Sweep,
  { find, ...options }: SweepOptions & { find: (directory: SweepDirectory) => Findings },
): Promise<number> {
  const directory = SweepDirectory.open(options.out ?? join('runs', sweep.name), sweep);
  const interrupt = abortOnSignals();
  try {
    const failed = await runAll(sweep, { directory, signal: interrupt.signal, ...options });
    // Also of what is done so far.
    const { file, value, text } = find(directory);
    directory.writeJson(file, value);
    if (interrupt.signal.aborted) {
      const done = sweep.runs.filter((run) => directory.isDone(run)).length;
      tell(`interrupted, ${done} of ${count(sweep.runs)} done in ${directory.path}; the same command continues\n`);
      return interrupt.exitStatus();
    }
    const written = options.quiet ? '' : `written to ${join(directory.path, file)}\n`;
    process.stdout.write(`${text}\n${written}`);
    return failed[0] ?? 0;
  } finally {
    interrupt.stop();
    directory.close();
  }
}

/** Runs what is not done, some at a time. Returns the exit statuses of the runs that failed. */
async function runAll(
  { kind, name, runs }: Sweep,
  {
    directory,
    signal,
    jobs: wanted = availableParallelism(),
    quiet,
  }: SweepOptions & { directory: SweepDirectory; signal: Interrupt['signal'] },
): Promise<number[]> {
  // Each run under way listens.
  setMaxListeners(0, signal);
  const waiting = runs.filter((run) => !directory.isDone(run));
  const jobs = Math.min(wanted, waiting.length);
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  const progress = followProgress({ total: runs.length, left: waiting.length, jobs, quiet: quiet === true });
  progress.say(`${name}: ${count(runs)}, ${waiting.length} to run${jobs > 1 ? `, ${jobs} at once` : ''}`);
  const failed: number[] = [];
  const runNext = async (): Promise<void> => {
    const run = signal.aborted ? undefined : waiting.shift();
    if (run === undefined) return;
    if (directory.isDone(run)) {
      progress.say(`${run.name} has been done by another ${kind}`);
      return runNext();
    }
    directory.clear(run);
    progress.say(`${run.name} starts`);
    const { status, seconds, complaint } = await runChild(run, { work: directory.workAt(run), threads, signal });
    directory.keep(run);
    if (directory.isDone(run)) progress.ended(run, { how: directory.manifest(run)!.status, seconds });
    else if (!signal.aborted) {
      // What failed leaves the others their turn.
      failed.push(status === 0 ? 1 : status);
      tell(`${run.name} failed with exit status ${status}\n${complaint.replaceAll(/^(?=.)/gm, '  ')}`);
    }
    await runNext();
  };
  await Promise.all(Array.from({ length: jobs }, runNext));
  return failed;
}

interface ChildEnd {
  readonly status: number;
  readonly seconds: number;
  /** What it wrote on standard error. */
  readonly complaint: string;
}

/** Runs `run` in a process of its own, which writes to the directory `work`. */
function runChild(
  { scenario, set, setsThreads, seed }: SweepRun,
  { work, threads, signal }: { work: string; threads: number; signal: Interrupt['signal'] },
): Promise<ChildEnd> {
  const began = Date.now();
  const overrides = setsThreads ? set : [...set, `engine.threads=${threads}`];
  const args = ['run', scenario, '--seed', `${seed}`, ...overrides.flatMap((text) => ['--set', text])];
  const program = join(packageRoot, 'bin/straggler.mjs');
  const child = spawn(process.execPath, [program, ...args, '--out', work, '--quiet'], {
    // The channel closes when this process ends, however it does: the run then ends too (main.ts).
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // In a process group of its own Ctrl-C reaches the run once, from here: a second one would end it at once.
    detached: true,
    windowsHide: true,
  });
  const end = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', end);
  return endOf(child).then(({ status, complaint }) => {
    signal.removeEventListener('abort', end);
    return { status, complaint, seconds: (Date.now() - began) / 1000 };
  });
}

/** How much of a run's standard error is kept: its end. */
const complaintLengthMax = 4096;

function endOf(child: ChildProcess): Promise<{ status: number; complaint: string }> {
  let complaint = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-complaintLengthMax);
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      resolve({ status: 1, complaint: `${error.message}\n` });
    });
    child.on('close', (status, killer) => {
      resolve({ status: status ?? 1, complaint: killer === null ? complaint : `${complaint}killed by ${killer}\n` });
    });
  });
}

/** Tells on standard error what starts and ends, and about how long the rest will take. */
function followProgress({ total, left, jobs, quiet }: { total: number; left: number; jobs: number; quiet: boolean }) {
  const times: number[] = [];
  let done = total - left;
  const say = (text: string): void => {
    if (!quiet) process.stderr.write(`${text}\n`);
  };
  return {
    say,
    ended: ({ name }: SweepRun, { how, seconds }: { how: string; seconds: number }): void => {
      times.push(seconds);
      done += 1;
      const rest = (average(times) * (total - done)) / jobs;
      const estimate = done === total ? '' : `, about ${formatSeconds(rest)} left`;
      say(`${name} ${how} in ${formatSeconds(seconds)}; ${done} of ${total} done${estimate}`);
    },
  };
}

/** Tells one line, or several, on standard error. */
export function tell(text: string): void {
  process.stderr.write(`straggler: ${text}`);
}

function count(runs: readonly SweepRun[]): string {
  return runs.length === 1 ? '1 run' : `${runs.length} runs`;
}
