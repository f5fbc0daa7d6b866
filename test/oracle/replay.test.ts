import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

// The replay is a program of its own, in another language, that shares no code with the project.
const root = fileURLToPath(new URL('../../', import.meta.url));
const python = ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', 'import numpy']).status === 0);
const directory = mkdtempSync(join(tmpdir(), 'straggler-replay-'));

afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe.skipIf(python === undefined)('an independent replay of the event log', () => {
  // Softmax regression is smooth, so rounding stays rounding. LeNet-5 has kinks (docs/DETERMINISM.md): on another
  // processor a rounding may fall on the other side of one, the sooner the more steps are replayed.
  it.each([
    { scenario: 'mnist-sync', model: 'softmax', moves: 100 },
    { scenario: 'mnist-async', model: 'softmax', moves: 100 },
    { scenario: 'mnist-sync', model: 'lenet5', moves: 10 },
    { scenario: 'mnist-async', model: 'lenet5', moves: 40 },
  ])(
    'reproduces the final state of $scenario with $model after $moves moves within 1e-3',
    ({ scenario, model, moves }) => {
      const run = join(directory, `${scenario}-${model}`);
      const set = [`model=${model}`, `stop.iterations=${moves}`, 'monitor.measures=[]'].flatMap((text) => [
        '--set',
        text,
      ]);
      const options = ['run', scenario, '--out', run, '--events', '--quiet', ...set];
      execFileSync(process.execPath, ['bin/straggler.mjs', ...options], { cwd: root });
      const replay = spawnSync(python!, ['bench/peers/replay.py', run, '--rtol', '1e-3'], {
        cwd: root,
        encoding: 'utf8',
      });
      expect(replay.status, replay.stdout + replay.stderr).toBe(0);
      // u, and z and v of four workers, each of so many parameters.
      const parameters = model === 'softmax' ? 2 : 6;
      expect(replay.stdout.match(/^\S+ +\S+ +ok/gm)).toHaveLength(9 * parameters);
    },
  );

  it('checks its own mathematics against finite differences', () => {
    const check = spawnSync(python!, ['bench/peers/replay.py', '--self-test'], { cwd: root, encoding: 'utf8' });
    expect(check.status, check.stdout + check.stderr).toBe(0);
  });
});
