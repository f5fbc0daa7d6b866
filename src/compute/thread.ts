/** What a thread of the pool runs: sessions of its own. Tables and large feeds are in memory that all threads share. */
import { deserialize } from 'node:v8';
import { workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import type { Feeds, Tables } from './feeds.js';
import type { Evaluation } from './ports.js';
import type { Executable } from './executable.js';
import { Session } from './session.js';

/** One call. */
export interface Job {
  /** The same program has the same key in every job. */
  readonly key: number;
  /** The program, serialized, in shared memory. */
  readonly executable: Uint8Array;
  readonly feeds: readonly Feeds[];
}

const { tables } = workerData as { tables: Tables };
const sessions = new Map<number, Promise<Session>>();

export default async function run({ key, executable, feeds }: Job): Promise<unknown> {
  let session = sessions.get(key);
  if (session === undefined) {
    session = Session.open(deserialize(executable.slice()) as Executable);
    sessions.set(key, session);
  }
  return handedOver(await (await session).evaluate(feeds, tables));
}

/** The results, whose memory is from now on that of the thread which asked. */
function handedOver(evaluations: readonly Evaluation[]): unknown {
  const buffers = evaluations.flatMap(({ outputs }) => Object.values(outputs).map(({ buffer }) => buffer));
  return move({ [valueSymbol]: evaluations, [transferableSymbol]: buffers });
}
