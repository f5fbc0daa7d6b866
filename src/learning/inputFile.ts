/** The file system as the datasets and partitions see it: a file's bytes, or a condition that says why not. */
import { constants } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { BadInput, type ScenarioPath } from '../conditions.js';
import { grouped } from './sampleSet.js';

/** A file that a key of the scenario names. */
export interface InputFile {
  /** The resolved path. */
  readonly file: string;
  /** The key, for example `['data', 'trainImages']`. */
  readonly path: ScenarioPath;
}

/** The bytes of a file. Throws BadInput where it cannot be read. */
export function readBytes({ file, path }: InputFile): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const reason = reasons[code];
    throw new BadInput(reason === undefined ? `${file} cannot be read: ${message}` : `${file} ${reason}`, {
      path,
      remedy: 'give the path of a readable file; relative paths start at the scenario file',
    });
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a directory, not a file',
  EACCES: 'may not be read by this user',
};

/** The text of a UTF-8 file, without a byte order mark. Throws BadInput where it cannot be read or is too long. */
export function readText(input: InputFile): string {
  const bytes = readBytes(input);
  const limit = constants.MAX_STRING_LENGTH;
  if (bytes.length > limit) {
    throw new BadInput(`${input.file} has ${grouped(bytes.length)} bytes, a text may have ${grouped(limit)}`, {
      path: input.path,
      remedy: 'split off a part of it',
    });
  }
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}
