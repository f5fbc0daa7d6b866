/** What is shipped under scenarios/ can be run. */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { methodsOver } from '../../src/optimization/methods.js';
import { potentials } from '../../src/optimization/potentials.js';
import { loadScenario } from '../../src/scenario/scenario.js';
import { loadSweep } from '../../src/scenario/sweep.js';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../../scenarios');
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

describe('shipped scenarios', () => {
  it.each(files)('%s is a scenario, and its name is that of its file', (file) => {
    expect(loadScenario(join(folder, file)).settings.name).toBe(file.replace('.yaml', ''));
  });

  it('there is one for every method', () => {
    const methods = files.map((file) => loadScenario(join(folder, file)).settings.algorithm.method);
    expect(new Set(methods)).toEqual(new Set(Object.keys(methodsOver(potentials))));
  });
});

describe('the sweeps of the paper', () => {
  const find = (text: string): string => join(folder, 'paper', text);

  it('search every potential with three scales and two consensus rules', () => {
    const { runs } = loadSweep(join(folder, 'paper/search.yaml'), { find });
    expect(runs).toHaveLength(36);
  });

  it('run every potential with three seeds, and what Figure 1 shows beside', () => {
    const { runs } = loadSweep(join(folder, 'paper/paper.yaml'), { find });
    const names = runs.map(({ name }) => name);
    for (const potential of Object.keys(potentials)) {
      for (const seed of [1, 2, 3]) expect(names).toContain(`${potential}-${seed}`);
    }
    expect(names).toHaveLength(24);
  });
});
