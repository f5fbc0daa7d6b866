import ort from 'onnxruntime-node';
import { allFinite } from '../finite.js';
import { writeFeed, type Feeds, type Tables } from './feeds.js';
import { sizeOf } from './table.js';
import type { Feed } from './tensorFunction.js';
import type { Program } from './trace.js';

type Values = Float32Array | Int32Array;

/** What a session needs of a program; crosses to threads. */
export type Executable = Pick<Program, 'name' | 'bytes' | 'inputs' | 'outputs'>;

/** What a call gives. */
export interface Evaluation {
  readonly outputs: Record<string, Float32Array>;
  /** Whether all of it is finite: found out here, where the outputs are in the processor's cache. */
  readonly finite: boolean;
}

const options = {
  // One thread inside a session: bits must not depend on the number of cores.
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
} as const;

/** An open ONNX Runtime session with its own input and output arrays, used again at each call. */
export class Session {
  readonly inputs: Readonly<Record<string, Values>>;
  readonly outputs: Readonly<Record<string, Float32Array>>;
  private readonly feeds: Record<string, ort.Tensor> = {};
  private readonly fetches: Record<string, ort.Tensor> = {};
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly session: ort.InferenceSession,
    executable: Executable,
  ) {
    const inputs: Record<string, Values> = {};
    const outputs: Record<string, Float32Array> = {};
    for (const [name, feed] of Object.entries(executable.inputs)) {
      inputs[name] = arrayOf(feed);
      this.feeds[`in_${name}`] = new ort.Tensor(feed.dtype, inputs[name], [...feed.shape]);
    }
    for (const [name, feed] of Object.entries(executable.outputs)) {
      outputs[name] = arrayOf(feed) as Float32Array;
      this.fetches[`out_${name}`] = new ort.Tensor(feed.dtype, outputs[name], [...feed.shape]);
    }
    this.inputs = inputs;
    this.outputs = outputs;
  }

  static async open(executable: Executable, device: string): Promise<Session> {
    const session = await ort.InferenceSession.create(executable.bytes, { ...options, executionProviders: [device] });
    return new Session(session, executable);
  }

  /** Evaluates `inputs` into `outputs`. */
  async run(): Promise<void> {
    await this.session.run(this.feeds, this.fetches);
  }

  /** Evaluates `feeds`. Results that are worth it lie in shared memory. */
  evaluate(feeds: Feeds, tables: Tables): Promise<Evaluation> {
    // Calls take turns, because they share the arrays.
    const turn = this.last.then(() => this.evaluateNow(feeds, tables));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluateNow(feeds: Feeds, tables: Tables): Promise<Evaluation> {
    for (const [name, target] of Object.entries(this.inputs)) writeFeed(target, feeds[name]!, tables);
    await this.run();
    const entries = Object.entries(this.outputs);
    return {
      outputs: Object.fromEntries(entries.map(([name, values]) => [name, copyOf(values)])),
      finite: entries.every(([, values]) => allFinite(values)),
    };
  }
}

// Threads take shared vectors as inputs without a copy; below this length a copy is cheaper.
const ownLengthMax = 4096;

function copyOf(values: Float32Array): Float32Array {
  if (values.length <= ownLengthMax) return values.slice();
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}

function arrayOf({ dtype, shape }: Feed): Values {
  return dtype === 'int32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
}
