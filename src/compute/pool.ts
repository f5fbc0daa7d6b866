/** The thread pool: programs run on piscina threads, and on this one while it waits. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import { Piscina } from 'piscina';
import { Crossing } from './crossing.js';
import type { Feeds, Tables } from './feeds.js';
import type { Evaluation } from './ports.js';
import type { Executable } from './executable.js';
import type { Job } from './thread.js';
import type { Program } from './trace.js';

// Threads load built JavaScript, also where this file itself is run from its source (tests).
const built = new URL('./thread.js', import.meta.url);
const threadFile = existsSync(built) ? built : new URL('../../dist/src/compute/thread.js', import.meta.url);

/** How many jobs a thread has at most: while this thread is at work, nobody gives it the next one. */
const aheadMax = 4;

/** Work that no thread has taken yet. */
interface Task {
  readonly program: Program;
  readonly feeds: readonly Feeds[];
  readonly settle: (result: Promise<Evaluation[]>) => void;
}

export class Pool {
  private readonly piscina: Piscina;
  private readonly queue: Task[] = [];
  private readonly running = new Set<Promise<unknown>>();
  private readonly crossings: Crossing[] = [];
  private readonly known = new Map<Program, Pick<Job, 'key' | 'executable'>>();

  constructor(
    private readonly threads: number,
    tables: Tables,
  ) {
    this.piscina = new Piscina({
      filename: fileURLToPath(threadFile),
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: aheadMax,
      recordTiming: false,
      workerData: { tables },
    });
  }

  /** Evaluates a program for every replica. */
  run(program: Program, feeds: readonly Feeds[]): Promise<Evaluation[]> {
    return new Promise((resolve) => {
      this.queue.push({ program, feeds, settle: resolve });
      // What is there alone is for this thread, if it has nothing to do but to wait for it.
      if (this.queue.length > 1) this.dispatch();
      else setImmediate(() => this.dispatch());
    });
  }

  /** Runs what is queued by `evaluate`, on this thread, until `result` is there or nothing is queued. */
  async help(
    result: Promise<unknown>,
    evaluate: (program: Program, feeds: readonly Feeds[]) => Promise<Evaluation[]>,
  ): Promise<void> {
    const awaited = { settled: false };
    const settle = (): void => {
      awaited.settled = true;
    };
    result.then(settle, settle);
    await Promise.resolve(); // A result that is there already says so now.
    while (!awaited.settled) {
      const task = this.queue.shift();
      if (task === undefined) return;
      const own = evaluate(task.program, task.feeds);
      task.settle(own);
      await own.catch(() => undefined); // reported where it is awaited
    }
  }

  /** Drops what is queued, lets running jobs end, and stops the threads. */
  async close(): Promise<void> {
    this.queue.length = 0;
    // A thread that is stopped inside ONNX Runtime takes the process with it.
    await Promise.allSettled(this.running);
    await this.piscina.destroy();
  }

  /**
   * Gives every thread a job, and more, so that it need not wait for this thread to hear that it is free, as long as that
   * leaves twice as many to this thread and to those that are done first.
   */
  private dispatch(): void {
    const room = (): boolean => {
      const { size } = this.running;
      return size < this.threads || (size < aheadMax * this.threads && this.queue.length > 2 * size);
    };
    while (this.queue.length > 0 && room()) this.start(this.queue.shift()!);
  }

  private start({ program, feeds, settle }: Task): void {
    const result = this.runThere(program, feeds);
    this.running.add(result);
    const finish = (): void => {
      this.running.delete(result);
      this.dispatch();
    };
    result.then(finish, finish);
    settle(result);
  }

  private async runThere(program: Program, feeds: readonly Feeds[]): Promise<Evaluation[]> {
    const crossing = this.crossings.pop() ?? new Crossing();
    try {
      const job: Job = { ...this.executableOf(program), feeds: crossing.load(feeds) };
      return (await this.piscina.run(job)) as Evaluation[];
    } finally {
      this.crossings.push(crossing);
    }
  }

  /** What jobs say of a program: only a thread that does not know it reads more than the key. */
  private executableOf(program: Program): Pick<Job, 'key' | 'executable'> {
    let known = this.known.get(program);
    if (known === undefined) {
      const { name, bytes, loops, inputs, outputs, replicas, shared } = program;
      const written = serialize({ name, bytes, loops, inputs, outputs, replicas, shared } satisfies Executable);
      const executable = new Uint8Array(new SharedArrayBuffer(written.length));
      executable.set(written);
      this.known.set(program, (known = { key: this.known.size, executable }));
    }
    return known;
  }
}
