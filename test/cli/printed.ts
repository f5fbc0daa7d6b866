/** What commands print that are called as functions. */
import { afterEach, beforeEach, vi } from 'vitest';

/** Catches, for every test of the file, what goes to standard output; standard error is silent. */
export function catchPrinted(): { readonly text: () => string; readonly forget: () => void } {
  let printed = '';
  const forget = (): void => {
    printed = '';
  };
  beforeEach(() => {
    forget();
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  return { text: () => printed, forget };
}
