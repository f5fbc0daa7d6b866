import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findScenario } from '../../src/cli/scenarioFile.js';
import { loadSweep, type Sweep } from '../../src/scenario/sweep.js';
import { folder, refusal } from './refused.js';

const { path: home, write } = folder();
write('base.yaml', 'seed: 5\ndata: { dataset: quadratic, dimension: 3 }\nstop: { iterations: 5 }\n');
write('bad.yaml', 'data: { dataset: quadratic, dimenson: 3 }\nstop: { iterations: 5 }\n');

/** Loads the sweep `text`, kept beside base.yaml as `file`. */
function load(text: string, file = 'grid.yaml'): Sweep {
  const path = write(file, text);
  return loadSweep(path, { find: (scenario) => findScenario(scenario, dirname(path)) });
}

const said = (text: string): Promise<string> => refusal(() => load(text), home);

describe('a sweep', () => {
  it('is points times seeds in the order of the file, named for it', () => {
    const { name, runs } = load(
      'scenario: base.yaml\nseeds: [2, 1]\npoints:\n  - { name: b }\n  - { name: a-1, seeds: [0] }\n',
      'table 1.yaml',
    );
    expect(name).toBe('table-1');
    expect(runs.map((run) => run.name)).toEqual(['b-2', 'b-1', 'a-1-0']);
    expect(runs.map(({ point, seed }) => [point, seed])).toEqual([
      ['b', 2],
      ['b', 1],
      ['a-1', 0],
    ]);
  });

  it("without seeds has the scenario's own, or that of an override", () => {
    const { runs } = load('name: x\nscenario: base.yaml\npoints: [{ name: a }, { name: b, set: { seed: 8 } }]\n');
    expect(runs.map((run) => run.name)).toEqual(['a-5', 'b-8']);
  });

  it('takes a scenario beside it, or a shipped one by its name', () => {
    const { runs } = load('scenario: base.yaml\npoints: [{ name: a }, { name: b, scenario: quadratic }]\n');
    expect(runs[0]!.scenario).toBe(`${home}/base.yaml`);
    expect(runs[1]!.scenario).toMatch(/scenarios\/quadratic\.yaml$/);
  });

  it('applies the overrides of all points first, and those of a point then; null deletes', () => {
    const { runs } = load(
      'scenario: quadratic\nset: { workers: 3, algorithm.lambda: 0.5, algorithm.workerStep: null }\n' +
        'points:\n  - { name: a }\n  - { name: b, set: { workers: 2, network.latency: 1ms, stop: { steps: 4 } } }\n',
    );
    expect(runs[0]!.set).toEqual(['workers=3', 'algorithm.lambda=0.5', 'algorithm.workerStep=null']);
    const [a, b] = runs.map(({ resolved }) => resolved);
    expect(a).toMatchObject({ workers: 3, algorithm: { lambda: 0.5 }, stop: { iterations: 2000 } });
    expect(b).toMatchObject({ workers: 2, algorithm: { lambda: 0.5 }, network: { latency: '1ms' } });
    expect((b as { stop: unknown }).stop).toEqual({ steps: 4 });
    // The default, in place of the 0.1 of the file.
    expect((a as { algorithm: { workerStep: unknown } }).algorithm.workerStep).not.toBe(0.1);
  });

  it('resolves to the same whatever the threads, and knows whether it sets them', () => {
    const { runs } = load(
      'scenario: base.yaml\npoints:\n  - { name: a }\n  - { name: b, set: { engine.threads: 2 } }\n' +
        '  - { name: c, set: { engine: { threads: 3 } } }\n  - { name: d, set: { engine: { device: wasm, runner: eager } } }\n',
    );
    expect(runs.map((run) => run.setsThreads)).toEqual([false, true, true, false]);
    expect(runs[1]!.resolved).toEqual(runs[0]!.resolved);
    expect(runs[3]!.resolved).not.toEqual(runs[0]!.resolved);
  });
});

describe('a sweep that is refused', () => {
  it.each([
    [
      'a list',
      '- a\n',
      '~/grid.yaml:1:1: expected a sweep: keys such as "scenario:" and "points:", each with its value',
    ],
    [
      'an unknown key',
      'scenario: base.yaml\nseed: [1]\npoints: [{ name: a }]\n',
      '~/grid.yaml:2:1: seed: unknown key; did you mean seeds?',
    ],
    [
      'an unknown key of a point',
      'scenario: base.yaml\npoints:\n  - { name: a, sets: {} }\n',
      '~/grid.yaml:3:16: points.0.sets: unknown key; did you mean set?',
    ],
    ['no points', 'scenario: base.yaml\n', '~/grid.yaml:1:1: points: missing, expected a list'],
    ['empty points', 'scenario: base.yaml\npoints: []\n', '~/grid.yaml:2:1: points: expected at least 1 item, not []'],
    [
      'a point without a name',
      'scenario: base.yaml\npoints:\n  - { seeds: [1] }\n',
      '~/grid.yaml:3:5: points.0.name: missing, expected text',
    ],
    [
      'a name that is no directory',
      'scenario: base.yaml\npoints:\n  - { name: a/b }\n',
      '~/grid.yaml:3:7: points.0.name: expected letters, digits, dots, dashes and underscores, not "a/b"',
    ],
    [
      'a name twice',
      'scenario: base.yaml\npoints:\n  - { name: a }\n  - { name: a }\n',
      '~/grid.yaml:4:7: points.1.name: the name a is there twice',
    ],
    [
      'no seeds',
      'scenario: base.yaml\nseeds: []\npoints: [{ name: a }]\n',
      '~/grid.yaml:2:1: seeds: expected at least 1 item, not []',
    ],
    [
      'a seed twice',
      'scenario: base.yaml\nseeds: [1, 1]\npoints: [{ name: a }]\n',
      '~/grid.yaml:2:1: seeds: expected each seed once, not [ 1, 1 ]',
    ],
    [
      'a seed that is none',
      'scenario: base.yaml\npoints: [{ name: a, seeds: [1, -1] }]\n',
      '~/grid.yaml:2:32: points.0.seeds.1: expected a number of at least 0, not -1',
    ],
    [
      'a seed given twice over',
      'scenario: base.yaml\nseeds: [1]\npoints: [{ name: a, set: { seed: 2 } }]\n',
      '~/grid.yaml:3:28: points.0.set.seed: the seed is given by seeds: leave one of the two out',
    ],
    [
      'overrides that are none',
      'scenario: base.yaml\nset: [workers]\npoints: [{ name: a }]\n',
      '~/grid.yaml:2:1: set: expected overrides such as { workers: 8 }, not [ workers ]',
    ],
    [
      'an override that is no path',
      'scenario: base.yaml\nset: { algorithm..lambda: 1 }\npoints: [{ name: a }]\n',
      '~/grid.yaml:2:8: set.algorithm..lambda: not a path such as algorithm.lambda',
    ],
    [
      'an override of a key that is unknown',
      'scenario: base.yaml\npoints:\n  - name: a\n    set: { algorithm.lamda: 1 }\n',
      '~/grid.yaml:4:12: point a: algorithm.lamda: unknown key; did you mean lambda?',
    ],
    [
      'an override of all points, with a bad value',
      'scenario: base.yaml\nset:\n  workers: 0\npoints: [{ name: a }]\n',
      '~/grid.yaml:3:3: point a: workers: expected a number of at least 1, not 0',
    ],
    [
      'an override with a fault inside',
      'scenario: base.yaml\npoints: [{ name: a }, { name: b, set: { algorithm: { lambda: 0 } } }]\n',
      '~/grid.yaml:2:41: point b: algorithm.lambda: expected a number above 0, not 0',
    ],
    [
      'two overrides that do not go together',
      'scenario: base.yaml\nset: { workers: 2 }\npoints:\n  - { name: a, set: { algorithm.quorum: 3 } }\n',
      '~/grid.yaml:4:23: point a: algorithm.quorum: expected at most 2, the number of workers, not 3',
    ],
    [
      'a scenario that is bad itself',
      'points:\n  - { name: a, scenario: bad.yaml }\n',
      '~/grid.yaml:2:5: point a: ~/bad.yaml:1:29: data.dimenson: unknown key; did you mean dimension?',
    ],
    [
      'a scenario that is missing',
      'scenario: bse.yaml\npoints: [{ name: a }]\n',
      expect.stringMatching(/^~\/grid\.yaml:1:1: point a: there is no scenario bse\.yaml\n {2}give a YAML file, or /),
    ],
    [
      'a scenario of a point that is missing',
      'scenario: base.yaml\npoints:\n  - { name: a, scenario: quadratik }\n',
      '~/grid.yaml:3:16: point a: there is no scenario quadratik\n  did you mean quadratic?',
    ],
    [
      'a point without any scenario',
      'points:\n  - { name: a }\n',
      '~/grid.yaml:2:5: points.0: the point a has no scenario: give one here, or one for all points',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(text)).toEqual(expected);
  });

  it('a file that is not there', async () => {
    expect(await refusal(() => loadSweep(`${home}/none.yaml`, { find: findScenario }), home)).toBe(
      'the sweep ~/none.yaml does not exist\n  give a YAML file with points; straggler sweep --help shows one',
    );
  });
});
