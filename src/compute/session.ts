import ort from 'onnxruntime-node';
import type { Feeds, Tables } from './feeds.js';
import { mapped, Ports, type Evaluation, type Port } from './ports.js';
import type { Program } from './trace.js';

type Tensors = Readonly<Record<string, ort.Tensor>>;

/** What a session needs of a program; crosses to threads. */
export type Executable = Pick<Program, 'name' | 'bytes' | 'inputs' | 'outputs' | 'replicas' | 'shared'>;

const sessionOptions = {
  // One thread inside a session: bits must not depend on the number of cores.
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
} as const;

/** Options for a session on `device`. */
export function sessionOptionsOn(device: string): ort.InferenceSession.SessionOptions {
  // Shapes never change, so that a buffer of the right size is always there from the call before.
  const provider = device === 'webgpu' ? ({ name: 'webgpu', storageBufferCacheMode: 'simple' } as const) : device;
  return { ...sessionOptions, executionProviders: [provider] };
}

/** Tensors over the arrays of ports. */
export const tensorsOver = (ports: Readonly<Record<string, Port>>): Tensors =>
  mapped(ports, ({ dtype, shape, values }) => new ort.Tensor(dtype, values, [...shape]));

/** An open ONNX Runtime session on the processor. */
export class Session {
  private readonly ports: Ports;
  private readonly feeds: Tensors;
  private readonly fetches: Tensors;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly session: ort.InferenceSession,
    executable: Executable,
  ) {
    this.ports = new Ports(executable);
    this.feeds = tensorsOver(this.ports.in);
    this.fetches = tensorsOver(this.ports.out);
  }

  static async open(executable: Executable): Promise<Session> {
    return new Session(await ort.InferenceSession.create(executable.bytes, sessionOptionsOn('cpu')), executable);
  }

  /** Evaluates the feeds of every replica. */
  evaluate(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    // Calls take turns, because they share the arrays.
    const turn = this.last.then(() => this.evaluateNow(feeds, tables));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluateNow(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    this.ports.take(feeds, tables);
    await this.session.run(this.feeds, this.fetches);
    return feeds.map((_, replica) => this.ports.give(replica));
  }
}
