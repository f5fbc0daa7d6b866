/** Ctrl-C and SIGTERM end a run between two events; a second signal ends the process at once. */
import type { RunOptions } from '../scenario/simulate.js';

const statuses = { SIGINT: 130, SIGTERM: 143 } as const;

export interface Interrupt {
  /** Aborted by the first signal. */
  readonly signal: RunOptions['signal'] & object;
  /** 130 or 143, after the signal that came. */
  readonly exitStatus: () => number;
  /** Gives the signals back. */
  readonly stop: () => void;
}

export function abortOnSignals(): Interrupt {
  const controller = new AbortController();
  let status: number = statuses.SIGINT;
  const handlers = Object.entries(statuses).map(([name, code]) => {
    const handler = (): void => {
      if (controller.signal.aborted) process.exit(code);
      status = code;
      controller.abort();
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return {
    signal: controller.signal,
    exitStatus: () => status,
    stop: (): void => {
      for (const [name, handler] of handlers) process.off(name, handler);
    },
  };
}
