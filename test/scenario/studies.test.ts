/** The studies under scenarios/studies can be run, and their README tells of each. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/scenario.js';
import { loadSweep } from '../../src/scenario/sweep.js';

const folder = join(import.meta.dirname, '../../scenarios/studies');
const readme = readFileSync(join(folder, 'README.md'), 'utf8');
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
const isSweep = (file: string): boolean => /^points:/m.test(readFileSync(join(folder, file), 'utf8'));
const studies = files.filter(isSweep).map((file) => file.replace('.yaml', ''));

const load = (study: string) =>
  loadSweep(join(folder, `${study}.yaml`), { find: (scenario) => join(folder, scenario) });

describe.each(studies)('the study %s', (study) => {
  const { name, runs } = load(study);
  const section = readme.split(/^(?=## )/m).find((text) => text.includes(`(${study}.yaml)`));

  it('is named for its file, has five seeds or more a point, and ends with or without its target', () => {
    expect(name).toBe(study);
    for (const { point, resolved } of runs) {
      expect(runs.filter((run) => run.point === point).length).toBeGreaterThanOrEqual(5);
      const { stop } = resolved as { stop: Record<string, unknown> };
      expect(Object.keys(stop).some((limit) => limit !== 'target')).toBe(true);
    }
  });

  it('has a section in the README with a question, what was found, and a table of all its points', () => {
    for (const title of ['**Question.**', '**Look at**', '**Found.**']) expect(section).toContain(title);
    const table = section!.slice(section!.indexOf(`<!-- table ${study} -->`), section!.indexOf('<!-- end -->'));
    const rows = table.split('\n').filter((line) => line.startsWith('| '));
    const names = rows.slice(2).map((line) => line.split('|')[1]!.trim());
    expect(names).toEqual([...new Set(runs.map(({ point }) => point))]);
  });
});

it.each(files.filter((file) => !isSweep(file)))('%s, a base of studies, is a scenario', (file) => {
  expect(loadScenario(join(folder, file)).settings.name).toBe(file.replace('.yaml', ''));
});

it('the README tells of no study that is not there', () => {
  const told = [...readme.matchAll(/^<!-- table (.*) -->$/gm)].map(([, study]) => study!);
  expect(told.sort()).toEqual(studies.sort());
});
