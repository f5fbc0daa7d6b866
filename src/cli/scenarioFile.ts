import { existsSync, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { BadInput } from '../conditions.js';
import { nearMiss } from '../scenario/document.js';
import { packageRoot } from './package.js';

/** The file that `text` means: a path in `folder`, or else a shipped scenario by its path or name, from anywhere. */
export function findScenario(text: string, folder?: string): string {
  const path = folder === undefined || isAbsolute(text) ? text : join(folder, text);
  const shipped = [join(packageRoot, text), join(packageRoot, 'scenarios', `${text}.yaml`)];
  const found = [path, ...shipped].find((path) => existsSync(path) && !statSync(path).isDirectory());
  if (found !== undefined) return found;
  const names = readdirSync(join(packageRoot, 'scenarios'))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.replace('.yaml', ''));
  const near = nearMiss(text.replace(/^.*\//, '').replace(/\.yaml$/, ''), names);
  const problem = existsSync(path) ? `${path} is a directory, not a scenario` : `there is no scenario ${text}`;
  throw new BadInput(problem, {
    remedy: near === undefined ? `give a YAML file, or a shipped one: ${names.join(', ')}` : `did you mean ${near}?`,
  });
}
