/** Where this package lies, and which version it is. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json, above the built dist/src/cli or, in tests, above src/cli. */
export const packageRoot = ['../../../', '../../']
  .map((steps) => fileURLToPath(new URL(steps, import.meta.url)))
  .find((folder) => existsSync(join(folder, 'package.json')))!;

export const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
