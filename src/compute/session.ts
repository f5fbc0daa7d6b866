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
  return { ports, core: { feeds: tensorsOver(ports.in), fetches: tensorsOver(ports.out) } };
}

/** A session of a graph, where there is one. */
async function opened(bytes: Uint8Array | undefined): Promise<ort.InferenceSession | undefined> {
  if (bytes === undefined || bytes.length === 0) return undefined;
  return ort.InferenceSession.create(bytes, sessionOptionsOn('cpu'));
}

/** A program that is open on the processor. */
export class Session {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly frame: Frame,
    /** Undefined where loops do everything. */
    private readonly core: ort.InferenceSession | undefined,
    private readonly tail: ort.InferenceSession | undefined,
  ) {}

  static async open(executable: Executable): Promise<Session> {
    const { bytes, loops } = executable;
    const frame = loops === undefined ? plainFrame(executable) : loopFrame(executable, loops);
    return new Session(frame, await opened(bytes), await opened(loops?.tail?.bytes));
  }

  /** Evaluates the feeds of every replica. */
  evaluate(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    // Calls take turns, because they share the arrays.
    const turn = this.last.then(() => this.evaluateNow(feeds, tables));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluateNow(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    const { ports, before, core, after, tail } = this.frame;
    ports.take(feeds, tables);
    before?.(feeds, tables);
    await this.core?.run(core.feeds, core.fetches);
    after?.();
    if (tail !== undefined) await this.tail?.run(tail.feeds, tail.fetches);
    return feeds.map((_, replica) => ports.give(replica));
  }
}
