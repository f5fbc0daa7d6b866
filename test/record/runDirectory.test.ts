import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TimedMeasurement } from '../../src/kernel/ledger.js';
import type { LoggedEvent } from '../../src/kernel/simulation.js';
import { digestOfFile, readManifest } from '../../src/record/manifest.js';
import { checkRunPath, RunDirectory } from '../../src/record/runDirectory.js';
import { folder, refusal } from '../scenario/refused.js';

const { path: home, write } = folder();
const textOf = (...parts: string[]): string => readFileSync(join(home, ...parts), 'utf8');

describe('where a run directory may be', () => {
  const remedy = '\n  name another with --out';

  it('at a path that is not there yet, with all folders on the way', () => {
    RunDirectory.at(join(home, 'a/b/c')).writeJson('x.json', 1);
    expect(readdirSync(join(home, 'a/b/c'))).toEqual(['x.json']);
  });

  it('in an empty directory', () => {
    mkdirSync(join(home, 'empty'));
    expect(RunDirectory.at(join(home, 'empty')).path).toBe(join(home, 'empty'));
  });

  it('not in one that holds something, which stays as it is', async () => {
    mkdirSync(join(home, 'full'));
    write('full/thesis.tex', 'years of work');
    const said = `the run directory ~/full is not empty${remedy}`;
    expect(await refusal(() => RunDirectory.at(join(home, 'full')), home)).toBe(said);
    expect(await refusal(() => { checkRunPath(join(home, 'full')); }, home)).toBe(said); // prettier-ignore
    expect(readdirSync(join(home, 'full'))).toEqual(['thesis.tex']);
  });

  it('not at a file, nor below one', async () => {
    const file = write('file', 'text');
    expect(await refusal(() => RunDirectory.at(file), home)).toBe(`the run directory ~/file is a file${remedy}`);
    expect(await refusal(() => RunDirectory.at(join(file, 'run')), home)).toBe(
      `the run directory ~/file/run cannot be made (ENOTDIR)${remedy}`,
    );
  });

  it('checking a path makes nothing', () => {
    checkRunPath(join(home, 'later'));
    expect(existsSync(join(home, 'later'))).toBe(false);
  });
});

describe('the next free run directory', () => {
  const before = process.cwd();
  beforeAll(() => {
    process.chdir(home);
  });
  afterAll(() => {
    process.chdir(before);
  });

  it('is runs/<stem>, then -2, -3, also while the earlier ones are still empty', () => {
    const paths = Array.from({ length: 3 }, () => RunDirectory.next('study-7').path);
    expect(paths).toEqual(['runs/study-7', 'runs/study-7-2', 'runs/study-7-3']);
    write('runs/study-8', 'a file');
    expect(RunDirectory.next('study-8').path).toBe('runs/study-8-2');
  });
});

describe('what is written', () => {
  it('measurements are lines of JSON, with a worker where there is one', () => {
    const directory = RunDirectory.at(join(home, 'metrics'));
    const measurements$ = new Subject<TimedMeasurement>();
    directory.recordMeasurements(measurements$);
    measurements$.next({ timeNs: 0, iteration: 0, measure: 'gap', worker: 1, value: 0.5 });
    measurements$.next({ timeNs: 5_000_000, iteration: 3, measure: 'gap_max', value: 1e-7 });
    directory.close();
    expect(textOf('metrics/metrics.jsonl')).toBe(
      '{"timeNs":0,"iteration":0,"measure":"gap","worker":1,"value":0.5}\n' +
        '{"timeNs":5000000,"iteration":3,"measure":"gap_max","value":1e-7}\n',
    );
  });

  it('events are written as their lines, in order, however many', () => {
    const directory = RunDirectory.at(join(home, 'events'));
    const events$ = new Subject<LoggedEvent>();
    directory.recordEvents(events$);
    const lines = Array.from({ length: 20_000 }, (_, index) => `{"timeNs":${index}}\n`);
    const cause = { event: 0, actor: 'consensus', timeNs: 0, via: 'instant', bytes: 0 } as const;
    for (const line of lines) {
      events$.next({ timeNs: 0, actor: 'consensus', kind: 'move', facts: {}, line, number: 1, cause });
    }
    directory.close();
    expect(textOf('events/events.jsonl')).toBe(lines.join(''));
  });

  it('lists are JSON, one list a line', () => {
    RunDirectory.at(join(home, 'lists')).writeLists('partition.json', [Int32Array.of(0, 2), Int32Array.of(1)]);
    expect(textOf('lists/partition.json')).toBe('[\n[0,2],\n[1]\n]\n');
  });

  it('JSON replaces the file as a whole and leaves no part behind', () => {
    const directory = RunDirectory.at(join(home, 'json'));
    directory.writeJson('manifest.json', { status: 'running' });
    directory.writeJson('manifest.json', { status: 'completed' });
    expect(JSON.parse(textOf('json/manifest.json'))).toEqual({ status: 'completed' });
    expect(readdirSync(join(home, 'json'))).toEqual(['manifest.json']);
  });
});

describe('readManifest', () => {
  const remedy = '\n  give a directory that `straggler run` wrote';
  const said = (manifest: string): Promise<string> => {
    mkdirSync(join(home, 'run'), { recursive: true });
    write('run/manifest.json', manifest);
    return refusal(() => readManifest(join(home, 'run')), home);
  };

  it('a directory without one is no run directory', async () => {
    expect(await refusal(() => readManifest(join(home, 'empty')), home)).toBe(
      `~/empty is not a run directory: it has no manifest.json${remedy}`,
    );
  });

  const whole = { status: 'completed', scenario: {}, engine: {}, sets: {} };
  it.each([
    ['empty', ''],
    ['cut short', '{"status":"completed"'],
    ['null', 'null'],
    ['a list', '[]'],
    ['without a status', JSON.stringify({ ...whole, status: undefined })],
    ['without a scenario', JSON.stringify({ ...whole, scenario: null })],
    ['without sets', JSON.stringify({ ...whole, sets: 3 })],
  ])('one that is %s is damaged', async (_, manifest) => {
    expect(await said(manifest)).toBe(`~/run/manifest.json is damaged: it is not the JSON of a manifest${remedy}`);
  });

  it('a whole one is read', async () => {
    expect(await said(JSON.stringify(whole))).toBe('accepted');
  });
});

it('the digest of a file is what sha256sum says, and none where there is no file', () => {
  write('abc', 'abc');
  // FIPS 180-2, appendix B.1.
  expect(digestOfFile(home, 'abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(digestOfFile(home, 'abd')).toBe(undefined);
});
