import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { verifyCommand } from '../../src/cli/verify.js';
import { folder, refusal } from '../scenario/refused.js';
import { catchPrinted } from './printed.js';
import { manifestOf, short, straggler } from './straggler.js';

const { path: home } = folder();
const run = join(home, 'run');

const printed = catchPrinted();
beforeAll(() => {
  straggler(home, 'run', ...short, '--events', '--quiet', '--out', 'original');
});
beforeEach(() => {
  cpSync(join(home, 'original'), run, { recursive: true });
});
afterEach(() => {
  rmSync(run, { recursive: true });
});

/** Alters a text file of the run. */
function alter(name: string, change: (text: string) => string): void {
  const file = join(run, name);
  const text = readFileSync(file, 'utf8');
  const changed = change(text);
  expect(changed).not.toBe(text);
  writeFileSync(file, changed);
}

/** What verify returns and prints, with digests shortened to 8 digits and the folder to `run`. */
async function verify(): Promise<{ status: number; lines: string[] }> {
  const status = await verifyCommand(run);
  const text = printed
    .text()
    .replaceAll(run, 'run')
    .replaceAll(/\b([0-9a-f]{8})[0-9a-f]{56}\b/g, '$1');
  return { status, lines: text.trimEnd().split('\n') };
}

/** The first digits of the digests. */
function digests(): { events: string; state: string } {
  const { events, state } = manifestOf(home, 'original').digests!;
  return { events: events.slice(0, 8), state: state.slice(0, 8) };
}

describe('verify', () => {
  it('an unaltered run: status 0', async () => {
    const { events, state } = digests();
    expect(await verify()).toEqual({
      status: 0,
      lines: ['run: verified, both digests are the same', `digests.events ${events}`, `digests.state  ${state}`],
    });
  });

  it('a run without events.jsonl: status 0', async () => {
    rmSync(join(run, 'events.jsonl'));
    expect((await verify()).status).toBe(0);
  });

  it('digests.events altered in the manifest: status 4, and the two that agree are shown beside it', async () => {
    const { events } = digests();
    alter('manifest.json', (text) => text.replace(/("events": ")[0-9a-f]{8}/, '$1deadbeef'));
    expect(await verify()).toEqual({
      status: 4,
      lines: [
        'run: NOT the same',
        'digests.events differs',
        '  manifest.json     deadbeef',
        `  events.jsonl      ${events}`,
        `  the repetition    ${events}`,
      ],
    });
  });

  it('digests.state altered in the manifest: status 4', async () => {
    const { state } = digests();
    alter('manifest.json', (text) => text.replace(/("state": ")[0-9a-f]{8}/, '$1deadbeef'));
    expect(await verify()).toEqual({
      status: 4,
      lines: [
        'run: NOT the same',
        'digests.state differs',
        '  manifest.json     deadbeef',
        `  final.safetensors ${state}`,
        `  the repetition    ${state}`,
      ],
    });
  });

  it('one bit altered in final.safetensors: status 4', async () => {
    const { state } = digests();
    const file = join(run, 'final.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    const { status, lines } = await verify();
    expect(status).toBe(4);
    expect(lines).toEqual([
      'run: NOT the same',
      'digests.state differs',
      `  manifest.json     ${state}`,
      expect.stringMatching(/^ {2}final\.safetensors [0-9a-f]{8}$/),
      `  the repetition    ${state}`,
    ]);
    expect(lines[3]).not.toContain(state);
  });

  it('final.safetensors gone: status 4', async () => {
    rmSync(join(run, 'final.safetensors'));
    const { status, lines } = await verify();
    expect(status).toBe(4);
    expect(lines).toContain('  final.safetensors (there is no such file)');
  });

  it('a line of events.jsonl altered: status 4, with the number of the event and both versions of it', async () => {
    alter('events.jsonl', (text) => text.replace('"version":1,"from"', '"version":2,"from"'));
    const { status, lines } = await verify();
    expect(status).toBe(4);
    expect(lines.slice(-3)).toEqual([
      'the first event that differs is number 5',
      '  events.jsonl      {"timeNs":2000000,"actor":"consensus","kind":"move","version":2,"from":[[0,0],[1,0],[2,0],[3,0]]}',
      '  the repetition    {"timeNs":2000000,"actor":"consensus","kind":"move","version":1,"from":[[0,0],[1,0],[2,0],[3,0]]}',
    ]);
  });

  it('events.jsonl cut short, or going on: status 4, with the number of the event', async () => {
    alter('events.jsonl', (text) => text.split('\n').slice(0, 5).join('\n') + '\n');
    expect((await verify()).lines.slice(-3)).toEqual([
      'the first event that differs is number 6',
      '  events.jsonl      (the file ends here)',
      '  the repetition    {"timeNs":4000000,"actor":"worker-0","kind":"reply","worker":0,"version":1}',
    ]);
    cpSync(join(home, 'original'), run, { recursive: true });
    printed.forget();
    alter('events.jsonl', (text) => `${text}{"timeNs":1}\n`);
    expect((await verify()).lines.slice(-3)).toEqual([
      `the first event that differs is number ${manifestOf(run).counts!.events + 1}`,
      '  events.jsonl      {"timeNs":1}',
      '  the repetition    (the run ends here)',
    ]);
  });

  it('another scenario in the manifest: status 4, and the data are told to be others', async () => {
    alter('manifest.json', (text) => text.replace('"seed": 7,\n    "data"', '"seed": 8,\n    "data"'));
    const { status, lines } = await verify();
    expect(status).toBe(4);
    expect(lines).toContain('digests.state differs');
    expect(lines.at(-1)).toBe('note: the data are not those of the run: sets.train');
  });

  it('a run of another engine: where digests differ, the engine is told', async () => {
    alter('manifest.json', (text) =>
      text.replace(/("node": ")[^"]*/, '$1v18.0.0').replace(/("state": ")[0-9a-f]{8}/, '$1deadbeef'),
    );
    expect((await verify()).lines.at(-1)).toBe(
      `note: the engine is another one, so digests.state may differ: node was v18.0.0 and is ${process.version}`,
    );
  });

  it('a scenario in the manifest that is none: refused with the key', async () => {
    alter('manifest.json', (text) => text.replace('"lambda": 1,', '"lambda": 0,'));
    expect(await refusal(verify, home)).toBe('~/run/manifest.json: algorithm.lambda: expected a number above 0, not 0');
  });
});

it('a diverged run is verified: it diverges again, at the same event', async () => {
  vi.restoreAllMocks();
  straggler(home, 'run', ...short, '--set', 'algorithm.workerStep=1e30', '--quiet', '--out', 'wild');
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(await verifyCommand(join(home, 'wild'))).toBe(0);
});

it('the process ends with status 4 where something differs, and with 0 where nothing does', () => {
  vi.restoreAllMocks();
  expect(straggler(home, 'verify', 'original').status).toBe(0);
  alter('manifest.json', (text) => text.replace(/("events": ")[0-9a-f]{8}/, '$1deadbeef'));
  expect(straggler(home, 'verify', 'run').status).toBe(4);
});
