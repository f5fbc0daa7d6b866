import ort from 'onnxruntime-node';
import type { Feeds, Tables } from './feeds.js';
import type { Executable } from './executable.js';
import { loopFrame, type Frame } from './loops/frame.js';
import { mapped } from './mapped.js';
import { Ports, type Evaluation, type Port } from './ports.js';

type Tensors = Readonly<Record<string, ort.Tensor>>;

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

function plainFrame(executable: Executable): Frame {
  const ports = new Ports(executable);
  return { ports, feeds: tensorsOver(ports.in), fetches: tensorsOver(ports.out) };
}

/** A program that is open on the processor. */
export class Session {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    /** Undefined where loops do everything. */
    private readonly session: ort.InferenceSession | undefined,
    private readonly frame: Frame,
  ) {}

  static async open(executable: Executable): Promise<Session> {
    const { bytes, loops } = executable;
    const frame = loops === undefined ? plainFrame(executable) : loopFrame(executable, loops);
    const session = bytes.length === 0 ? undefined : await ort.InferenceSession.create(bytes, sessionOptionsOn('cpu'));
    return new Session(session, frame);
  }

  /** Evaluates the feeds of every replica. */
  evaluate(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    // Calls take turns, because they share the arrays.
    const turn = this.last.then(() => this.evaluateNow(feeds, tables));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluateNow(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    const { ports, before, after, feeds: given, fetches } = this.frame;
    ports.take(feeds, tables);
    before?.(feeds, tables);
    await this.session?.run(given, fetches);
    after?.();
    return feeds.map((_, replica) => ports.give(replica));
  }
}
