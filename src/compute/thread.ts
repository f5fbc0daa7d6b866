/** What a thread of the pool runs: sessions of its own. Tables and large vectors are in memory that all threads share. */
import { workerData } from 'node:worker_threads';
import type { Feeds, Tables } from './feeds.js';
import { leave, type Results } from './crossing.js';
import type { Evaluation } from './ports.js';
import { Session, type Executable } from './session.js';

/** One call. */
export interface Job {
  /** The same program has the same key in every job. */
  readonly key: number;
  readonly executable: Executable;
  readonly feeds: readonly Feeds[];
  readonly results: Results;
}

const { tables } = workerData as { tables: Tables };
const sessions = new Map<number, Promise<Session>>();

export default async function run({ key, executable, feeds, results }: Job): Promise<Evaluation[]> {
  let session = sessions.get(key);
  if (session === undefined) {
    // ONNX Runtime does not read shared memory.
    session = Session.open({ ...executable, bytes: executable.bytes.slice() });
    sessions.set(key, session);
  }
  return leave(await (await session).evaluate(feeds, tables), results);
}
