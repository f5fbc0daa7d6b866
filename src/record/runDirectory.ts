/** The run directory: what a run leaves behind. Streams go in, nothing comes out: it cannot change a run. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { BadInput } from '../conditions.js';
import type { TimedMeasurement } from '../kernel/ledger.js';
import type { LoggedEvent } from '../kernel/simulation.js';
import { encodeSafetensors, type NamedTensors } from './safetensors.js';

/** Throws BadInput where `path` cannot become a run directory because something is there already. */
export function checkRunPath(path: string): void {
  if (!existsSync(path)) return;
  const remedy = 'name another with --out';
  if (!statSync(path).isDirectory()) throw new BadInput(`the run directory ${path} is a file`, { remedy });
  if (readdirSync(path).length > 0) throw new BadInput(`the run directory ${path} is not empty`, { remedy });
}

export class RunDirectory {
  private readonly files: LineFile[] = [];

  private constructor(readonly path: string) {}

  /** Makes the directory at `path`, or takes an empty one. Throws BadInput where that cannot be. */
  static at(path: string): RunDirectory {
    checkRunPath(path);
    make(path, { recursive: true });
    return new RunDirectory(path);
  }

  /** Makes the first of `runs/<stem>`, `runs/<stem>-2`, ... that nobody has made before. */
  static next(stem: string): RunDirectory {
    make('runs', { recursive: true });
    for (let count = 1; ; count += 1) {
      const path = join('runs', count === 1 ? stem : `${stem}-${count}`);
      if (!existsSync(path) && make(path, { recursive: false })) return new RunDirectory(path);
    }
  }

  /** Writes a JSON file whole: a reader sees the old one or the new one. */
  writeJson(name: string, value: unknown): void {
    const file = join(this.path, name);
    writeFileSync(`${file}.part`, `${JSON.stringify(value, null, 2)}\n`);
    renameSync(`${file}.part`, file);
  }

  /** Writes lists of numbers, one list a line. */
  writeLists(name: string, lists: readonly ArrayLike<number>[]): void {
    const lines = lists.map((list) => `[${Array.prototype.join.call(list, ',')}]`);
    writeFileSync(join(this.path, name), `[\n${lines.join(',\n')}\n]\n`);
  }

  writeTensors(name: string, tensors: NamedTensors): void {
    this.writeBytes(name, encodeSafetensors(tensors));
  }

  writeBytes(name: string, bytes: Uint8Array): void {
    writeFileSync(join(this.path, name), bytes);
  }

  /** Writes metrics.jsonl as measurements come. */
  recordMeasurements(measurements$: Observable<TimedMeasurement>): void {
    const file = this.open('metrics.jsonl', 0);
    measurements$.subscribe(({ timeNs, iteration, measure, worker, value }) => {
      file.write(`${JSON.stringify({ timeNs, iteration, measure, worker, value })}\n`);
    });
  }

  /** Writes events.jsonl as events come. */
  recordEvents(events$: Observable<LoggedEvent>): void {
    const file = this.open('events.jsonl', 65_536);
    events$.subscribe(({ line }) => {
      file.write(line);
    });
  }

  /** Puts what is still buffered on the disk. */
  close(): void {
    for (const file of this.files) file.close();
  }

  private open(name: string, buffered: number): LineFile {
    const file = new LineFile(join(this.path, name), buffered);
    this.files.push(file);
    return file;
  }
}

/** Makes a directory. Returns false where, unless `recursive`, it is there already. */
function make(path: string, options: { recursive: boolean }): boolean {
  try {
    mkdirSync(path, options);
    return true;
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && !options.recursive) return false;
    throw new BadInput(`the run directory ${path} cannot be made (${code})`, { remedy: 'name another with --out' });
  }
}

/** A file that grows by lines, of which at most `buffered` characters wait in memory. */
class LineFile {
  private readonly descriptor: number;
  private pieces: string[] = [];
  private length = 0;

  constructor(
    path: string,
    private readonly buffered: number,
  ) {
    this.descriptor = openSync(path, 'w');
  }

  write(line: string): void {
    this.pieces.push(line);
    this.length += line.length;
    if (this.length > this.buffered) this.flush();
  }

  close(): void {
    this.flush();
    closeSync(this.descriptor);
  }

  private flush(): void {
    writeSync(this.descriptor, this.pieces.join(''));
    this.pieces = [];
    this.length = 0;
  }
}
