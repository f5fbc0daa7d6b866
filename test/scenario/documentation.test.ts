/** What the documents show as scenarios, or parts of them, is accepted. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { folder, verdict } from './refused.js';

const { write } = folder();
const needed = { data: '{ dataset: quadratic, dimension: 3 }', stop: '{ iterations: 2 }' };

/** The blocks of YAML in a document, completed to scenarios of four workers. */
function scenariosOf(document: string): string[] {
  const text = readFileSync(document, 'utf8');
  return [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block = '']) => {
    const missing = Object.entries(needed).filter(([key]) => !new RegExp(`^${key}:`, 'm').test(block));
    return missing.map(([key, value]) => `${key}: ${value}\n`).join('') + block;
  });
}

describe('docs/NETWORK.md', () => {
  it.each(scenariosOf('docs/NETWORK.md').map((text, index) => [index + 1, text] as const))(
    'its block %i is accepted',
    async (index, text) => {
      expect(await verdict(write(`${index}.yaml`, text))).toBe('accepted');
    },
  );
});
