/** The run directory: what a run leaves behind. Streams go in, nothing comes out: it cannot change a run. */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { BadInput } from '../conditions.js';
import type { TimedMeasurement } from '../kernel/ledger.js';
import type { LoggedEvent } from '../kernel/simulation.js';
import { encodeSafetensors, type NamedTensors } from './safetensors.js';

/** The first of `runs/<stem>`, `runs/<stem>-2`, ... that is free below `directory`. */
export function freeRunPath(directory: string, stem: string): string {
  for (let count = 1; ; count += 1) {
    const path = join(directory, 'runs', count === 1 ? stem : `${stem}-${count}`);
    if (!existsSync(path)) return path;
  }
}

export class RunDirectory {
  private readonly files: LineFile[] = [];

  /** Makes the directory; throws BadInput where it holds something already or cannot be made. */
  constructor(readonly path: string) {
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw new BadInput(
        `the run directory ${path} cannot be made (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
        {
          remedy: 'name another with --out',
        },
      );
    }
    if (readdirSync(path).length > 0) {
      throw new BadInput(`the run directory ${path} is not empty`, { remedy: 'name another with --out' });
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
    const file = this.open('metrics.jsonl');
    measurements$.subscribe(({ timeNs, iteration, measure, worker, value }) => {
      file.write(`${JSON.stringify({ timeNs, iteration, measure, worker, value })}\n`);
    });
  }

  /** Writes events.jsonl as events come. */
  recordEvents(events$: Observable<LoggedEvent>): void {
    const file = this.open('events.jsonl');
    events$.subscribe(({ line }) => {
      file.write(line);
    });
  }

  /** Puts what is still buffered on the disk. */
  close(): void {
    for (const file of this.files) file.close();
  }

  private open(name: string): LineFile {
    const file = new LineFile(join(this.path, name));
    this.files.push(file);
    return file;
  }
}

/** A file that grows by lines, buffered: memory stays flat however long the run. */
class LineFile {
  private readonly descriptor: number;
  private pieces: string[] = [];
  private length = 0;

  constructor(path: string) {
    this.descriptor = openSync(path, 'w');
  }

  write(line: string): void {
    this.pieces.push(line);
    this.length += line.length;
    if (this.length > 65_536) this.flush();
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
