/** What a thread of the pool runs: sessions over a buffer that it shares with the main thread. */
import { workerData } from 'node:worker_threads';
import { readRows, type Tables } from './feeds.js';
import { Session, type Executable } from './session.js';

/** One call: where its inputs and outputs lie in `buffer`. */
export interface Job {
  /** The same program has the same key in every job. */
  readonly key: number;
  readonly device: string;
  readonly executable: Executable;
  readonly buffer: SharedArrayBuffer;
  /** Inputs as they lie, or the indices of rows of a table. Offsets and lengths in 4-byte elements. */
  readonly inputs: readonly { name: string; offset: number; length: number; table?: string }[];
  readonly outputs: readonly { name: string; offset: number }[];
}

const { tables } = workerData as { tables: Tables };
const sessions = new Map<number, Session>();

export default async function run(job: Job): Promise<void> {
  let session = sessions.get(job.key);
  if (session === undefined) {
    session = await Session.open(job.executable, job.device);
    sessions.set(job.key, session);
  }
  const floats = new Float32Array(job.buffer);
  const integers = new Int32Array(job.buffer);
  for (const { name, offset, length, table } of job.inputs) {
    const target = session.inputs[name]!;
    if (table !== undefined) readRows(tables[table]!, integers.slice(offset, offset + length), target);
    else target.set((target instanceof Int32Array ? integers : floats).subarray(offset, offset + length));
  }
  await session.run();
  for (const { name, offset } of job.outputs) floats.set(session.outputs[name]!, offset);
}
