/** What goes wrong, on the terminal: one message for what a user can mend, a stack for bugs. */
import { BadInput } from '../conditions.js';

export const exitStatuses = { completed: 0, failed: 3, diverged: 3, interrupted: 130 } as const;

/** A reader that has seen enough, as in `straggler doctor | head -3`, is no failure. */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** Prints `error` on standard error. */
export function report(error: unknown): void {
  if (error instanceof BadInput) {
    const lines = error.message.split('\n').map((line) => `straggler: ${line}\n`);
    if (error.remedy !== undefined) lines.push(`  ${error.remedy}\n`);
    process.stderr.write(lines.join(''));
    return;
  }
  process.stderr.write(`straggler: this is a bug, please report it\n${describe(error)}\n`);
}

export function exitStatus(error: unknown): number {
  return error instanceof BadInput ? 2 : 1;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${describe(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
