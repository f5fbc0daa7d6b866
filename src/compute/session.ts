import ort from 'onnxruntime-node';
import { allFinite } from '../finite.js';
import type { Vector } from '../vector.js';
import { check, isLarge } from './checked.js';
import { writeFeed, type Feeds, type Tables } from './feeds.js';
import { packingOf } from './packing.js';
import { sizeOf } from './table.js';
import type { Feed } from './tensorFunction.js';
import type { Program } from './trace.js';

type Values = Float32Array | Int32Array;
type Tensors = Readonly<Record<string, ort.Tensor>>;

/** What a session needs of a program; crosses to threads. */
export type Executable = Pick<Program, 'name' | 'bytes' | 'inputs' | 'outputs' | 'replicas' | 'shared'>;

/** What a call gives to one replica. */
export interface Evaluation<Kind extends Vector = Float32Array> {
  readonly outputs: Record<string, Kind>;
  /** Whether all of it is finite: found out here, where the outputs are in the processor's cache. */
  readonly finite: boolean;
}

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

/** An open ONNX Runtime session on the processor with its own input and output arrays, used again at each call. */
export class Session {
  readonly inputs: Readonly<Record<string, Values>>;
  readonly outputs: Readonly<Record<string, Float32Array>>;
  private readonly feeds: Tensors;
  private readonly fetches: Tensors;
  /** Where the values of each replica lie; in one place where they share them. */
  private readonly takes: Readonly<Record<string, readonly Values[]>>;
  private readonly gives: Readonly<Record<string, readonly Float32Array[]>>;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly session: ort.InferenceSession,
    executable: Executable,
    private readonly sharing: boolean,
  ) {
    const inputs = allocate('in', executable.inputs);
    const outputs = allocate('out', executable.outputs);
    this.inputs = inputs.arrays;
    this.outputs = outputs.arrays as Readonly<Record<string, Float32Array>>;
    this.feeds = inputs.tensors;
    this.fetches = outputs.tensors;
    const { replicas, shared } = executable;
    this.takes = mapped(inputs.arrays, (array, name) => parts(array, shared.has(name) ? 1 : replicas));
    this.gives = mapped(this.outputs, (array) => parts(array, replicas));
  }

  /** `sharing` says whether results that are worth it lie in memory that threads share. */
  static async open(executable: Executable, sharing = false): Promise<Session> {
    const session = await ort.InferenceSession.create(executable.bytes, sessionOptionsOn('cpu'));
    return new Session(session, executable, sharing);
  }

  /** Evaluates `inputs` into `outputs`. */
  async run(): Promise<void> {
    await this.session.run(this.feeds, this.fetches);
  }

  /** Evaluates the feeds of every replica. */
  evaluate(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    // Calls take turns, because they share the arrays.
    const turn = this.last.then(() => this.evaluateNow(feeds, tables));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluateNow(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation[]> {
    for (const name in this.takes) {
      const places = this.takes[name]!;
      for (let replica = 0; replica < places.length; replica += 1) {
        writeFeed(places[replica]!, feeds[replica]![name]!, tables);
      }
    }
    await this.run();
    return feeds.map((_, replica) => this.given(replica));
  }

  private given(replica: number): Evaluation {
    const outputs: Record<string, Float32Array> = {};
    const told = this.gives[check]?.[replica];
    let finite = told === undefined || told[0] === 0;
    for (const name in this.gives) {
      if (name === check) continue;
      const values = this.gives[name]![replica]!;
      outputs[name] = this.sharing && values.length > ownLengthMax ? sharedCopyOf(values) : values.slice();
      if (told === undefined || !isLarge(values.length)) finite &&= allFinite(values);
    }
    return { outputs, finite };
  }
}

/** `array` in `count` parts of equal length. */
export function parts<Kind extends Values>(array: Kind, count: number): Kind[] {
  const length = array.length / count;
  return Array.from({ length: count }, (_, part) => array.subarray(part * length, (part + 1) * length) as Kind);
}

export const mapped = <Value, Result>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value, name: string) => Result,
): Record<string, Result> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));

// Threads take shared vectors as inputs without a copy; below this length a copy is cheaper.
const ownLengthMax = 4096;

// V8 does not count shared memory when it decides whether to collect: without threads it is not used.
function sharedCopyOf(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}

/** Arrays for `feeds`, and the tensors over them by which the graph knows them: those that are packed share one. */
export function allocate(
  prefix: 'in' | 'out',
  feeds: Readonly<Record<string, Feed>>,
): { arrays: Record<string, Values>; tensors: Tensors } {
  const { places, length } = packingOf(feeds);
  const packed = new Float32Array(length);
  const arrays: Record<string, Values> = {};
  const tensors: Record<string, ort.Tensor> =
    places.size === 0 ? {} : { [prefix]: new ort.Tensor('float32', packed, [length]) };
  for (const [name, feed] of Object.entries(feeds)) {
    const place = places.get(name);
    const array = place === undefined ? arrayOf(feed) : packed.subarray(place.offset, place.offset + place.size);
    if (place === undefined) tensors[`${prefix}_${name}`] = new ort.Tensor(feed.dtype, array, [...feed.shape]);
    arrays[name] = array;
  }
  return { arrays, tensors };
}

function arrayOf({ dtype, shape }: Feed): Values {
  return dtype === 'int32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
}
