/** The thread pool: programs run on piscina threads, which share memory with this one. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { Feeds, Tables } from './feeds.js';
import { sharedFloats } from './session.js';
import type { Job } from './thread.js';
import type { Program } from './trace.js';

// Threads load built JavaScript, also where this file itself is run from its source (tests).
const built = new URL('./thread.js', import.meta.url);
const threadFile = existsSync(built) ? built : new URL('../../dist/src/compute/thread.js', import.meta.url);

export class Pool {
  private readonly piscina: Piscina;
  private readonly running = new Set<Promise<unknown>>();
  private readonly known = new Map<Program, Pick<Job, 'key' | 'executable'>>();

  constructor(
    threads: number,
    private readonly device: string,
    tables: Tables,
  ) {
    this.piscina = new Piscina({
      filename: fileURLToPath(threadFile),
      minThreads: threads,
      maxThreads: threads,
      // A thread that has its next job already need not wait for this one to hear that it is free.
      concurrentTasksPerWorker: 2,
      recordTiming: false,
      workerData: { tables },
    });
  }

  /** Evaluates a program. Feeds over shared memory are not copied, and results lie in shared memory. */
  async run(program: Program, feeds: Feeds): Promise<Record<string, Float32Array>> {
    const outputs: Record<string, Float32Array> = {};
    for (const [name, { shape }] of Object.entries(program.outputs)) outputs[name] = sharedFloats(shape);
    const job: Job = { ...this.executableOf(program), device: this.device, feeds, outputs };
    await this.finish(this.piscina.run(job));
    return outputs;
  }

  /** Lets running jobs end, and stops the threads. */
  async close(): Promise<void> {
    // A thread that is stopped inside ONNX Runtime takes the process with it.
    await Promise.allSettled(this.running);
    await this.piscina.destroy();
  }

  private async finish(job: Promise<unknown>): Promise<void> {
    this.running.add(job);
    try {
      await job;
    } finally {
      this.running.delete(job);
    }
  }

  /** What jobs say of a program, with its model in shared memory. */
  private executableOf(program: Program): Pick<Job, 'key' | 'executable'> {
    let known = this.known.get(program);
    if (known === undefined) {
      const bytes = new Uint8Array(new SharedArrayBuffer(program.bytes.length));
      bytes.set(program.bytes);
      const { name, inputs, outputs } = program;
      known = { key: this.known.size, executable: { name, bytes, inputs, outputs } };
      this.known.set(program, known);
    }
    return known;
  }
}
