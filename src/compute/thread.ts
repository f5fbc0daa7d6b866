/** What a thread of the pool runs: sessions over memory that it shares with the main thread. */
import { workerData } from 'node:worker_threads';
import type { Feeds, Tables } from './feeds.js';
import { Session, type Executable } from './session.js';

/** One call. */
export interface Job {
  /** The same program has the same key in every job. */
  readonly key: number;
  readonly device: string;
  readonly executable: Executable;
  readonly feeds: Feeds;
}

const { tables } = workerData as { tables: Tables };
const sessions = new Map<number, Session>();

// Jobs take turns: they share the arrays of a session.
let last: Promise<unknown> = Promise.resolve();

export default function run(job: Job): Promise<Record<string, Float32Array>> {
  const turn = last.then(() => evaluate(job));
  last = turn.catch(() => undefined);
  return turn;
}

async function evaluate({ key, device, executable, feeds }: Job): Promise<Record<string, Float32Array>> {
  let session = sessions.get(key);
  if (session === undefined) {
    // ONNX Runtime does not read shared memory.
    session = await Session.open({ ...executable, bytes: executable.bytes.slice() }, device);
    sessions.set(key, session);
  }
  return session.evaluate(feeds, tables);
}
