import { describe, expect, it } from 'vitest';
import { folder } from '../scenario/refused.js';
import { linesOf, manifestOf, sha256, start, straggler } from './straggler.js';

const { path: home } = folder();

/** Starts a run without an end, and sends `signal` once its progress is shown. */
async function interrupted(signal: NodeJS.Signals, out: string) {
  const run = start(home, 'run', 'quadratic', '--set', 'stop.iterations=1000000000', '--events', '--out', out);
  await new Promise((resolve) => run.process.stderr!.once('data', resolve));
  const before = manifestOf(home, out);
  run.process.kill(signal);
  return { before, status: await run.ended };
}

describe('a run that is interrupted', () => {
  it('by SIGINT has status 130, says so in its manifest, and is verified', async () => {
    const { before, status } = await interrupted('SIGINT', 'a');
    expect(before.status).toBe('running');
    expect(before).not.toHaveProperty('digests');
    expect(before).toMatchObject({ seed: 7, scenario: { name: 'quadratic' }, parameters: { count: 10 } });
    expect(status).toBe(130);
    const manifest = manifestOf(home, 'a');
    expect(manifest).toMatchObject({ ...before, status: 'interrupted', reason: 'interrupted' });
    expect(manifest.digests).toEqual({
      events: sha256(home, 'a/events.jsonl'),
      state: sha256(home, 'a/final.safetensors'),
    });
    expect(linesOf(home, 'a/events.jsonl')).toHaveLength(manifest.counts!.events);
    const verified = straggler(home, 'verify', 'a');
    expect(verified.stdout.split('\n')[0]).toBe('a: verified, both digests are the same');
    expect(verified.status).toBe(0);
  });

  it('by SIGTERM has status 143', async () => {
    expect((await interrupted('SIGTERM', 'b')).status).toBe(143);
    expect(manifestOf(home, 'b').status).toBe('interrupted');
  });

  it('by SIGKILL leaves a manifest that says running, which verify does not take for a result', async () => {
    await interrupted('SIGKILL', 'c');
    expect(manifestOf(home, 'c').status).toBe('running');
    expect(straggler(home, 'verify', 'c')).toEqual({
      status: 2,
      stdout: '',
      stderr:
        'straggler: c has the status running: it has no digests to compare\n  run the scenario to its end first\n',
    });
  });
});
