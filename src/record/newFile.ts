import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { BadInput } from '../conditions.js';

/** A file that is there, or replaces an older one, only when it is complete. */
export class NewFile {
  private readonly part: string;
  private descriptor: number | undefined;

  /** Throws BadInput where no file can be written at `path`. */
  constructor(readonly path: string) {
    this.part = `${path}.part`;
    try {
      this.descriptor = openSync(this.part, 'w');
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      throw new BadInput(`${path} cannot be written (${code})`, { remedy: 'name another file with --out' });
    }
  }

  write(text: string): void {
    writeSync(this.descriptor!, text);
  }

  /** The file is complete. */
  keep(): void {
    closeSync(this.descriptor!);
    this.descriptor = undefined;
    renameSync(this.part, this.path);
  }

  /** Removes what was written, unless it has been kept. */
  discard(): void {
    if (this.descriptor === undefined) return;
    closeSync(this.descriptor);
    this.descriptor = undefined;
    rmSync(this.part);
  }
}
