/**
 * The directory of a sweep, or of a comparison, which is one of two points: a run directory for each run that has ended,
 * `points.json` with what each of them ran, and `.running`, where the runs of live sweeps are written. What is killed
 * never stands where a run that ended does, and two sweeps never write to the same place.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { BadInput } from '../conditions.js';
import { readManifest, type Manifest } from '../record/manifest.js';
import { differences } from '../scenario/pairing.js';
import type { Sweep, SweepRun } from '../scenario/sweep.js';

const pointsFile = 'points.json';
const runningFolder = '.running';

/** Resolved scenarios by the name of the run. */
type Points = Readonly<Record<string, unknown>>;

export class SweepDirectory {
  private readonly running: string;
  private readonly work: string;

  private constructor(readonly path: string) {
    this.running = join(path, runningFolder);
    this.work = join(this.running, String(process.pid));
  }

  /** Makes the directory at `path`, or goes on with one. Throws BadInput where it holds something else. */
  static open(path: string, { kind, runs }: Sweep): SweepDirectory {
    const directory = new SweepDirectory(path);
    const points = readPoints(path, kind);
    for (const run of runs) if (directory.isDone(run)) checkSame(run, points[run.name], directory.at(run));
    removeDead(directory.running);
    directory.make();
    const resolved = Object.fromEntries(runs.map((run) => [run.name, run.resolved]));
    directory.writeJson(pointsFile, { ...points, ...resolved });
    return directory;
  }

  /** Where `run` is once it has ended. */
  at(run: SweepRun): string {
    return join(this.path, run.name);
  }

  /** Where `run` is written. */
  workAt(run: SweepRun): string {
    return join(this.work, run.name);
  }

  /** The manifest that `run` left, if it has ended. */
  manifest(run: SweepRun): Manifest | undefined {
    return manifestIn(this.at(run));
  }

  /** Whether `run` came to an end of its own; divergence is one. */
  isDone(run: SweepRun): boolean {
    const status = this.manifest(run)?.status;
    return status === 'completed' || status === 'diverged';
  }

  /** Removes what `run` left unfinished. */
  clear(run: SweepRun): void {
    // Out of the way first: what another sweep puts there meanwhile must not be removed.
    const aside = join(this.work, `${run.name}.unfinished`);
    if (this.isDone(run) || !existsSync(this.at(run))) return;
    renameSync(this.at(run), aside);
    remove(aside);
  }

  /** Puts what `run` wrote in its place, unless another sweep has been faster. */
  keep(run: SweepRun): void {
    const [from, to] = [this.workAt(run), this.at(run)];
    if (!existsSync(from)) return;
    try {
      renameSync(from, to);
    } catch {
      // Another sweep was faster, or was interrupted.
      if (this.isDone(run)) return;
      remove(to);
      renameSync(from, to);
    }
  }

  /** Writes a JSON file whole: a reader sees the old one or the new one. */
  writeJson(name: string, value: unknown): void {
    const part = join(this.work, name);
    writeFileSync(part, `${JSON.stringify(value, null, 2)}\n`);
    renameSync(part, join(this.path, name));
  }

  private make(): void {
    try {
      mkdirSync(this.work, { recursive: true });
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      throw new BadInput(`the directory ${this.path} cannot be made (${code})`, { remedy: 'name another with --out' });
    }
  }

  /** Removes the place where runs are written. */
  close(): void {
    remove(this.work);
    try {
      rmdirSync(this.running);
    } catch {
      // Another sweep is at work there.
    }
  }
}

function readPoints(path: string, kind: Sweep['kind']): Points {
  const file = join(path, pointsFile);
  try {
    // A sweep that was killed at once, or just begins, has left no more than where it would work.
    if (!existsSync(path) || readdirSync(path).every((entry) => entry === runningFolder)) return {};
    return JSON.parse(readFileSync(file, 'utf8')) as Points;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BadInput(`${path} is not the directory of a ${kind}: ${problems[code ?? ''] ?? `${file} is damaged`}`, {
      remedy: 'name another with --out',
    });
  }
}

const problems: Readonly<Record<string, string>> = {
  ENOENT: `it is not empty, and has no ${pointsFile}`,
  ENOTDIR: 'it is a file',
};

/** A run that is there must be the run that the sweep means. */
function checkSame({ resolved, place }: SweepRun, recorded: unknown, directory: string): void {
  const [difference] = differences(recorded, resolved);
  if (difference === undefined) return;
  const [was, is] = difference.values.map((value) => (value === undefined ? 'absent' : JSON.stringify(value)));
  const change = `${difference.path} was ${was!} and is ${is!}`;
  throw new BadInput(`${place}${directory} was made with another scenario: ${change}`, {
    remedy: 'name another directory with --out, or remove this run',
  });
}

function manifestIn(run: string): Manifest | undefined {
  try {
    return readManifest(run);
  } catch (error) {
    if (error instanceof BadInput) return undefined;
    throw error;
  }
}

/** Removes what sweeps left that were killed: each wrote under its process id. */
function removeDead(running: string): void {
  if (!existsSync(running)) return;
  for (const owner of readdirSync(running)) {
    if (Number(owner) === process.pid || !isAlive(Number(owner))) remove(join(running, owner));
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A killed sweep's run may still write its last file while it is removed. */
function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
