import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../src/record/safetensors.js';
import { folder } from '../scenario/refused.js';
import { linesOf, manifestOf, sha256, short, start, straggler, type Ended } from './straggler.js';

const { path: home, write } = folder();
const tensorsOf = (name: string) => decodeSafetensors(readFileSync(join(home, name)), name);

describe('a run', () => {
  let ended: Ended;
  beforeAll(() => {
    // A folder of the same name must not hide the shipped scenario.
    mkdirSync(join(home, 'quadratic'));
    ended = straggler(home, 'run', ...short, '--events');
  });

  it('of a shipped scenario by its bare name, from any folder, is written to runs/<name>-<seed>', () => {
    expect(ended.status).toBe(0);
    expect(readdirSync(join(home, 'runs'))).toEqual(['quadratic-7']);
    expect(readdirSync(join(home, 'runs/quadratic-7')).sort()).toEqual([
      'events.jsonl',
      'final.safetensors',
      'initial.safetensors',
      'manifest.json',
      'metrics.jsonl',
      'partition.json',
      'problem.safetensors',
    ]);
  });

  it('tells on standard output what it did, and shows its progress on standard error', () => {
    const { events, state } = manifestOf(home, 'runs/quadratic-7').digests!;
    const lines = ended.stdout.split('\n');
    expect(lines[0]).toBe('quadratic, seed 7: completed, stop.iterations reached');
    expect(lines[1]).toMatch(/^6 moves of u, \d+ worker steps, \d+ messages$/);
    expect(lines[2]).toMatch(/^0\.0\d+ s of virtual time in \d+\.\d s$/);
    expect(ended.stdout).toMatch(/│ optimality_gap +│ 11\.37 +│ [\d.]+ +│/);
    expect(lines.slice(-4)).toEqual([
      `digests.events ${events}`,
      `digests.state  ${state}`,
      'written to runs/quadratic-7: manifest.json, metrics.jsonl, events.jsonl, final.safetensors',
      '',
    ]);
    expect(ended.stderr).toMatch(/^quadratic .* 0% \| 0 moves/);
    expect(ended.stderr).toMatch(/100% \| 6 of 6 moves/);
  });

  it('its manifest has the fields of the contract', () => {
    const manifest = manifestOf(home, 'runs/quadratic-7');
    expect(manifest).toMatchObject({
      straggler: '0.1.0',
      status: 'completed',
      reason: 'move',
      seed: 7,
      scenario: { name: 'quadratic', seed: 7, workers: 4, stop: { iterations: 6 }, network: { latency: '2ms' } },
      engine: { runner: 'onnx', device: 'cpu', intraOpThreads: 1, node: process.version },
      parameters: { count: 10, layout: [{ name: 'vector/weight', shape: [10], offset: 0 }] },
      sets: { train: { count: 4 } },
      partition: { sizes: [1, 1, 1, 1] },
      counts: { moves: 6, steps: 20 },
    });
    expect(manifest.engine).not.toHaveProperty('threads');
    // u moves at 2 ms (z^0 is in) and then every 14 ms: reply 2 ms, step 10 ms, copy 2 ms.
    expect(manifest.virtualSeconds).toBeCloseTo(0.002 + 5 * 0.014, 12);
    expect(manifest.wallSeconds).toBeGreaterThan(0);
  });

  it('its digests are the SHA-256 of its files', () => {
    const { digests } = manifestOf(home, 'runs/quadratic-7');
    expect(digests).toEqual({
      events: sha256(home, 'runs/quadratic-7/events.jsonl'),
      state: sha256(home, 'runs/quadratic-7/final.safetensors'),
    });
  });

  it('its events are those of Algorithm 1, as the contract writes them', () => {
    const events = linesOf(home, 'runs/quadratic-7/events.jsonl');
    expect(events).toHaveLength(manifestOf(home, 'runs/quadratic-7').counts!.events);
    const copies = [0, 1, 2, 3].map((worker) => [worker, 0]);
    expect(events.slice(3, 10)).toEqual([
      { timeNs: 2_000_000, actor: 'consensus', kind: 'deliver', worker: 3, step: 0, version: 0 },
      { timeNs: 2_000_000, actor: 'consensus', kind: 'move', version: 1, from: copies },
      { timeNs: 4_000_000, actor: 'worker-0', kind: 'reply', worker: 0, version: 1 },
      { timeNs: 4_000_000, actor: 'worker-1', kind: 'reply', worker: 1, version: 1 },
      { timeNs: 4_000_000, actor: 'worker-2', kind: 'reply', worker: 2, version: 1 },
      { timeNs: 4_000_000, actor: 'worker-3', kind: 'reply', worker: 3, version: 1 },
      { timeNs: 14_000_000, actor: 'worker-0', kind: 'step', worker: 0, step: 1, version: 1, samples: [0] },
    ]);
    expect(events.at(-1)).toMatchObject({ kind: 'move', version: 6 });
  });

  it('its measurements are taken at version 0, every three moves and at the end', () => {
    const metrics = linesOf(home, 'runs/quadratic-7/metrics.jsonl');
    const iterations = [0, 3, 6];
    expect(metrics.map(({ iteration, measure, worker }) => [iteration, measure, worker])).toEqual(
      iterations.flatMap((iteration) => [
        ...[0, 1, 2, 3].map((worker) => [iteration, 'gap', worker]),
        [iteration, 'optimality_gap', undefined],
        [iteration, 'splitting_objective', undefined],
      ]),
    );
    for (const line of metrics) expect(Number.isFinite(line['value'])).toBe(true);
    expect(metrics.slice(0, 4).map(({ value }) => value)).toEqual([0, 0, 0, 0]);
  });

  it('its tensors are u, and z_j and v_j of each worker', () => {
    const names = ['u', 'z0', 'v0', 'z1', 'v1', 'z2', 'v2', 'z3', 'v3'].map((vector) => `${vector}/vector/weight`);
    for (const file of ['initial.safetensors', 'final.safetensors']) {
      const tensors = tensorsOf(`runs/quadratic-7/${file}`);
      expect(Object.keys(tensors)).toEqual(names);
      for (const name of names) expect(tensors[name]!.shape).toEqual([10]);
    }
    const initial = tensorsOf('runs/quadratic-7/initial.safetensors');
    expect(initial['z3/vector/weight']!.values).toEqual(initial['u/vector/weight']!.values);
    expect(initial['v3/vector/weight']!.values).toEqual(new Float32Array(10));
  });

  it('its problem is D_j, symmetric with eigenvalues that sum alike, and c_j', () => {
    const { D, c } = tensorsOf('runs/quadratic-7/problem.safetensors');
    expect([D!.shape, c!.shape]).toEqual([
      [4, 10, 10],
      [4, 10],
    ]);
    // Ten eigenvalues from 1 down to 1/10 in a constant ratio: the trace of each D_j.
    const sum = Array.from({ length: 10 }, (_, k) => Math.exp((-Math.log(10) * k) / 9)).reduce((a, b) => a + b);
    for (let worker = 0; worker < 4; worker += 1) {
      const trace = Array.from({ length: 10 }, (_, k) => D!.values[worker * 100 + 11 * k]!).reduce((a, b) => a + b);
      expect(trace).toBeCloseTo(sum, 5);
    }
  });

  it('its partition is the lists I_j', () => {
    expect(JSON.parse(readFileSync(join(home, 'runs/quadratic-7/partition.json'), 'utf8'))).toEqual([
      [0],
      [1],
      [2],
      [3],
    ]);
  });

  it('again, quietly and without events: the digests alone, in runs/<name>-<seed>-2, and they are the same', () => {
    const quiet = straggler(home, 'run', 'scenarios/quadratic.yaml', ...short.slice(1), '--quiet');
    const { digests } = manifestOf(home, 'runs/quadratic-7');
    expect(quiet).toEqual({
      status: 0,
      stdout: `digests.events ${digests!.events}\ndigests.state  ${digests!.state}\n`,
      stderr: '',
    });
    expect(readdirSync(join(home, 'runs/quadratic-7-2'))).not.toContain('events.jsonl');
    expect(manifestOf(home, 'runs/quadratic-7-2').digests).toEqual(digests);
  });

  it('with --seed 8 has another digest of the state', () => {
    const { digests } = manifestOf(home, 'runs/quadratic-7');
    expect(straggler(home, 'run', ...short, '--seed', '8', '--quiet').status).toBe(0);
    const other = manifestOf(home, 'runs/quadratic-8');
    expect(other.seed).toBe(8);
    expect(other.digests!.state).not.toBe(digests!.state);
    // Nothing is random here but the data and the start: the order of events is that of every seed.
    expect(other.digests!.events).toBe(digests!.events);
  });
});

describe('a run that diverges', () => {
  it('has status 3 and says who diverged where, and what was recorded is kept', () => {
    const args = [...short, '--set', 'algorithm.workerStep=1e30', '--events', '--out', 'wild'];
    const { status, stdout, stderr } = straggler(home, 'run', ...args);
    expect(status).toBe(3);
    expect(stderr).not.toContain(' at '); // No stack.
    // 1e30 times a gradient of order 1 is finite, times another 1e30 it is not.
    const reason = 'worker-0 diverged at step 2: its z is not finite';
    expect(stdout.split('\n')[0]).toBe(`quadratic, seed 7: diverged, ${reason}`);
    const manifest = manifestOf(home, 'wild');
    expect(manifest).toMatchObject({ status: 'diverged', reason, counts: { steps: 4, moves: 2 } });
    expect(manifest.digests).toEqual({
      events: sha256(home, 'wild/events.jsonl'),
      state: sha256(home, 'wild/final.safetensors'),
    });
    expect(linesOf(home, 'wild/events.jsonl')).toHaveLength(manifest.counts!.events);
    expect(linesOf(home, 'wild/metrics.jsonl').map(({ iteration }) => iteration)).toContain(0);
    const state = tensorsOf('wild/final.safetensors');
    for (const { values } of Object.values(state)) expect(values.every(Number.isFinite)).toBe(true);
  });

  it('quietly: digests on standard output, the reason on standard error', () => {
    const { status, stdout, stderr } = straggler(
      home,
      'run',
      ...short,
      '--set',
      'algorithm.workerStep=1e30',
      '--quiet',
    );
    expect(status).toBe(3);
    expect(stdout).toMatch(/^digests\.events [0-9a-f]{64}\ndigests\.state {2}[0-9a-f]{64}\n$/);
    expect(stderr).toBe('straggler: diverged, worker-0 diverged at step 2: its z is not finite\n');
  });
});

it('a reader that has gone away is no failure', async () => {
  const { process: child, ended } = start(home, 'run', ...short, '--quiet', '--out', 'unread');
  child.stdout!.destroy();
  let said = '';
  child.stderr!.on('data', (text) => (said += String(text)));
  expect(await ended).toBe(0);
  expect(said).toBe('');
  expect(manifestOf(home, 'unread').status).toBe('completed');
});

describe('a scenario file with data beside it', () => {
  it('runs from another folder, and its relative paths start at the file', () => {
    mkdirSync(join(home, 'study'));
    write('study/points.csv', 'a,b,y\n1,2,0\n2,1,1\n3,3,0\n4,0,1\n');
    write(
      'study/s.yaml',
      'data: { dataset: csv, path: points.csv, label: y, batchSize: 2 }\nworkers: 2\nstop: { iterations: 2 }\n',
    );
    const { status } = straggler(home, 'run', 'study/s.yaml', '--quiet', '--set', 'monitor.measures=[train_error]');
    expect(status).toBe(0);
    const manifest = manifestOf(home, 'runs/s-0');
    expect(manifest).toMatchObject({ scenarioDirectory: join(home, 'study'), sets: { train: { count: 4 } } });
    const names = Object.keys(tensorsOf('runs/s-0/final.safetensors'));
    expect(names.slice(0, 2)).toEqual(['u/dense/weight', 'u/dense/bias']);
    expect(tensorsOf('runs/s-0/final.safetensors')['u/dense/weight']!.shape).toEqual([2, 2]);
  });
});
