/** The command line as a user has it: a process of its own, over the built code (`npm test` builds first). */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../src/record/manifest.js';

// Plain text wherever the tests run: a CI variable would turn colours on.
const env = { ...process.env, NO_COLOR: '1' };

const program = join(import.meta.dirname, '../../bin/straggler.mjs');

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `straggler ...args` to its end in the folder `cwd`. */
export function straggler(cwd: string, ...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd, env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Starts `straggler ...args`; `ended` resolves with its exit status. */
export function start(cwd: string, ...args: string[]): { process: ChildProcess; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [program, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.resume();
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { process: child, ended };
}

/** A run of the quadratic problem that is over at once. */
export const short = ['quadratic', '--set', 'stop.iterations=6', '--set', 'monitor.every.iterations=3'];

export function manifestOf(...path: string[]): Manifest {
  return JSON.parse(readFileSync(join(...path, 'manifest.json'), 'utf8')) as Manifest;
}

export function sha256(...path: string[]): string {
  return createHash('sha256')
    .update(readFileSync(join(...path)))
    .digest('hex');
}

/** The lines of a file of JSON lines. */
export function linesOf(...path: string[]): Record<string, unknown>[] {
  const lines = readFileSync(join(...path), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
