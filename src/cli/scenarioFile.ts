import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearMiss } from '../scenario/document.js';
import { readdirSync } from 'node:fs';
import { BadInput } from '../conditions.js';

const packageRoot = fileURLToPath(new URL('../../../', import.meta.url));

/** The file that `text` means: a path, or else a shipped scenario by its path or name, from anywhere. */
export function findScenario(text: string): string {
  const shipped = [join(packageRoot, text), join(packageRoot, 'scenarios', `${text}.yaml`)];
  const found = [text, ...shipped].find((path) => existsSync(path));
  if (found !== undefined) return found;
  const names = readdirSync(join(packageRoot, 'scenarios')).map((file) => file.replace(/\.yaml$/, ''));
  const near = nearMiss(text.replace(/^.*\//, '').replace(/\.yaml$/, ''), names);
  throw new BadInput(`there is no scenario ${text}`, {
    remedy: near === undefined ? `shipped are ${names.join(', ')}` : `did you mean ${near}?`,
  });
}
