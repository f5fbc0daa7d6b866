/** The thread pool: programs run on piscina threads over shared buffers, first come first served. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { isStack, writeFeed, type Feeds, type Tables } from './feeds.js';
import { sizeOf } from './table.js';
import type { Job } from './thread.js';
import type { Program } from './trace.js';

// Threads load built JavaScript, also where this file itself is run from its source (tests).
const built = new URL('./thread.js', import.meta.url);
const threadFile = existsSync(built) ? built : new URL('../../dist/src/compute/thread.js', import.meta.url);

/** A buffer that one job uses at a time. */
interface Slot {
  buffer: SharedArrayBuffer;
}

export class Pool {
  private readonly piscina: Piscina;
  private readonly free: Slot[];
  private readonly waiting: ((slot: Slot) => void)[] = [];
  private readonly running = new Set<Promise<unknown>>();
  private closed = false;
  private readonly keys = new Map<Program, number>();

  constructor(
    threads: number,
    private readonly device: string,
    private readonly tables: Tables,
  ) {
    this.piscina = new Piscina({
      filename: fileURLToPath(threadFile),
      minThreads: threads,
      maxThreads: threads,
      workerData: { tables },
    });
    // One job more than threads may be prepared, so that a thread finds its next job at once.
    this.free = Array.from({ length: threads + 1 }, () => ({ buffer: new SharedArrayBuffer(0) }));
  }

  async run(program: Program, feeds: Feeds): Promise<Record<string, Float32Array>> {
    const slot = this.free.pop() ?? (await new Promise<Slot>((resolve) => this.waiting.push(resolve)));
    try {
      const job = this.prepare(program, feeds, slot);
      await this.finish(this.piscina.run(job));
      const floats = new Float32Array(slot.buffer);
      return Object.fromEntries(
        job.outputs.map(({ name, offset }) => [
          name,
          floats.slice(offset, offset + sizeOf(program.outputs[name]!.shape)),
        ]),
      );
    } finally {
      const next = this.closed ? undefined : this.waiting.shift();
      if (next === undefined) this.free.push(slot);
      else next(slot);
    }
  }

  /** Lets running jobs end, drops waiting ones, and stops the threads. */
  async close(): Promise<void> {
    this.closed = true;
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

  /** Lays the inputs out in the slot's buffer, which grows to what the largest job needs. */
  private prepare(program: Program, feeds: Feeds, slot: Slot): Job {
    let offset = 0;
    const take = (length: number): number => (offset += length) - length;
    const inputs = Object.entries(program.inputs).map(([name, { shape }]) => {
      const feed = feeds[name]!;
      if (!('table' in feed)) return { name, offset: take(sizeOf(shape)), length: sizeOf(shape) };
      const { length } = feed.indices;
      return { name, offset: take(length), length, table: feed.table };
    });
    const outputs = Object.entries(program.outputs).map(([name, { shape }]) => ({ name, offset: take(sizeOf(shape)) }));
    if (slot.buffer.byteLength < 4 * offset) slot.buffer = new SharedArrayBuffer(4 * offset);
    const { buffer } = slot;
    for (const { name, offset: start, length } of inputs) {
      const feed = feeds[name]!;
      const integral = 'table' in feed || (!isStack(feed) && feed instanceof Int32Array);
      const target = integral ? new Int32Array(buffer, 4 * start, length) : new Float32Array(buffer, 4 * start, length);
      writeFeed(target, 'table' in feed ? feed.indices : feed, this.tables);
    }
    const { name, bytes } = program;
    const executable = { name, bytes, inputs: program.inputs, outputs: program.outputs };
    return { key: this.keyOf(program), device: this.device, executable, buffer, inputs, outputs };
  }

  private keyOf(program: Program): number {
    let key = this.keys.get(program);
    if (key === undefined) this.keys.set(program, (key = this.keys.size));
    return key;
  }
}
