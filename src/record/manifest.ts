/** manifest.json: what a run was, and how it ended. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BadInput } from '../conditions.js';
import { digestOf } from '../kernel/digest.js';

export interface Digests {
  /** SHA-256 of the bytes of events.jsonl, whether or not it was written. */
  readonly events: string;
  /** SHA-256 of final.safetensors. */
  readonly state: string;
}

export interface Manifest {
  readonly straggler: string;
  readonly status: 'running' | 'completed' | 'diverged' | 'interrupted' | 'failed';
  /** The limit that ended the run, or what went wrong. */
  readonly reason?: string;
  /** The scenario with every default filled in. */
  readonly scenario: unknown;
  /** What relative paths of the scenario refer to. */
  readonly scenarioDirectory: string;
  readonly seed: number;
  readonly engine: Readonly<Record<string, unknown>>;
  readonly parameters: unknown;
  /** Sizes of the sets, and the SHA-256 of their inputs and targets. */
  readonly sets: Readonly<Record<string, { readonly count: number; readonly sha256: string }>>;
  readonly partition: unknown;
  readonly digests?: Digests;
  /** By function, operators that the device has not, and the processor evaluated. */
  readonly onCpu?: Readonly<Record<string, readonly string[]>>;
  readonly virtualSeconds?: number;
  readonly wallSeconds?: number;
  readonly counts?: {
    readonly events: number;
    readonly messages: number;
    readonly bytes: number;
    /** Messages of those that never arrived. */
    readonly lost: number;
    readonly steps: number;
    readonly moves: number;
  };
}

/** The manifest in `run`. Throws BadInput where there is none that can be read. */
export function readManifest(run: string): Manifest {
  const file = join(run, 'manifest.json');
  const remedy = 'give a directory that `straggler run` wrote';
  if (!existsSync(file)) throw new BadInput(`${run} is not a run directory: it has no manifest.json`, { remedy });
  try {
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Partial<Manifest>;
    const { status, scenario, engine, sets } = manifest;
    const objects = [scenario, engine, sets].every((part) => typeof part === 'object' && part !== null);
    if (objects && typeof status === 'string') return manifest as Manifest;
  } catch {
    // Told below.
  }
  throw new BadInput(`${file} is damaged: it is not the JSON of a manifest`, { remedy });
}

/** SHA-256 of a file of `run`, in hexadecimal; undefined where it was not written. */
export function digestOfFile(run: string, name: string): string | undefined {
  const file = join(run, name);
  return existsSync(file) ? digestOf(readFileSync(file)) : undefined;
}
