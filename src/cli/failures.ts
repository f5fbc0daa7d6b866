/** What goes wrong, on the terminal: one message for what a user can mend, a stack for bugs. */
import { BadInput } from '../conditions.js';

export const exitStatuses = { completed: 0, failed: 3, diverged: 3, interrupted: 130 } as const;

/** Prints `error` on standard error. */
export function report(error: unknown): void {
  if (error instanceof BadInput) {
    const remedy = error.remedy === undefined ? '' : `\n  ${error.remedy}`;
    process.stderr.write(`straggler: ${error.message}${remedy}\n`);
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
