import ort from 'onnxruntime-node';
import type { Feeds, Tables } from './feeds.js';
import type { Executable } from './executable.js';
import { loopFrame, type Exchange, type Frame } from './loops/frame.js';
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

type Call = () => Promise<unknown>;

/** What has ONNX Runtime evaluate a graph; undefined where there is none. */
async function callOf(bytes: Uint8Array, { feeds, fetches }: Exchange): Promise<Call | undefined> {
  if (bytes.length === 0) return undefined;
  const session = await ort.InferenceSession.create(bytes, sessionOptionsOn('cpu'));
  return () => session.run(feeds, fetches);
}

/** A program that is open on the processor. */
export class Session {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly frame: Frame,
    /** Undefined where loops do everything. */
    private readonly core: Call | undefined,
    private readonly tail: Call | undefined,
  ) {}

  static async open(executable: Executable): Promise<Session> {
    const { bytes, loops } = executable;
    const frame = loops === undefined ? plainFrame(executable) : loopFrame(executable, loops);
    const core = await callOf(bytes, frame.core);
    const tail = loops?.tail && (await callOf(loops.tail.bytes, frame.tail!));
    return new Session(frame, core, tail);
  }

  /** Evaluates the feeds of every replica. */
  evaluate(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    // Calls take turns, because they share the arrays.
    const turn = this.last.then(() => this.evaluateNow(feeds, tables));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluateNow(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    const { ports, before, after } = this.frame;
    ports.take(feeds, tables);
    before?.(feeds, tables);
    await this.core?.();
    after?.();
    await this.tail?.();
    return feeds.map((_, replica) => ports.give(replica));
  }
}
