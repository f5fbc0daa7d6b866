/** A session on a device: large vectors, and tables, stay in its memory between calls. */
import ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import { allFinite } from '../../finite.js';
import { here, isHere, valuesOf, type Vector } from '../../vector.js';
import { RowVector, type DeviceMemory } from './memory.js';
import { isStack, writeFeed, type Feeds, type InputValue, type Tables } from '../feeds.js';
import { packingOf } from '../packing.js';
import { isRefusedFallback, mayNotFallBack, operatorsOnCpu } from './placement.js';
import { allocate, mapped, parts, sessionOptionsOn, type Evaluation, type Executable } from '../session.js';
import type { TensorFunction } from '../tensorFunction.js';

// Smaller vectors come here at once. None that stays is packed with others.
const stayingMin = 4097;

const isLarge = (size: number): boolean => size >= stayingMin;

const notFinite = 'notFinite';

/** The function, and how many values are not finite in what it gives that stays on a device. */
export function counted(definition: TensorFunction): TensorFunction {
  return {
    ...definition,
    evaluate: (inputs) => {
      const outputs = definition.evaluate(inputs);
      const counts = Object.values(outputs).flatMap((tensor) => (isLarge(tensor.size) ? [unfinite(tensor)] : []));
      return counts.length === 0 ? outputs : { ...outputs, [notFinite]: tf.addN(counts).reshape([1]) };
    },
  };
}

const unfinite = (tensor: tf.Tensor): tf.Scalar =>
  tensor.abs().lessEqual(3.4028234663852886e38).logicalNot().toFloat().sum();

/** An open ONNX Runtime session on a device. */
export class DeviceSession {
  private readonly inputs: ReturnType<typeof allocate>;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly executable: Executable,
    private readonly memory: DeviceMemory,
    /** Operators that the device has not, and the processor evaluates. */
    readonly onCpu: readonly string[],
  ) {
    this.inputs = allocate('in', executable.inputs);
  }

  /** `stays` says whether large results stay on the device. */
  static async open(executable: Executable, memory: DeviceMemory, stays: boolean): Promise<DeviceSession> {
    const { bytes, outputs, replicas } = executable;
    const preferredOutputLocation = mapped(allocate('out', outputs).tensors, ({ size }) =>
      stays && isLarge(size / replicas) ? 'gpu-buffer' : 'cpu',
    );
    const open = (options: ort.InferenceSession.SessionOptions): Promise<ort.InferenceSession> =>
      ort.InferenceSession.create(bytes, { ...options, preferredOutputLocation });
    const options = sessionOptionsOn(memory.device);
    try {
      const session = await open({ ...options, extra: mayNotFallBack, logSeverityLevel: 4 });
      return new DeviceSession(session, executable, memory, []);
    } catch (error) {
      if (!isRefusedFallback(error)) throw error;
      return new DeviceSession(await open(options), executable, memory, await operatorsOnCpu(bytes, options));
    }
  }

  /** Evaluates the feeds of every replica. Large results stay on the device. */
  evaluate(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation<Vector>[]> {
    // Calls take turns, because they share the arrays.
    const turn = this.last.then(() => this.evaluateNow(feeds, tables));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluateNow(feeds: readonly Feeds[], tables: Tables): Promise<Evaluation<Vector>[]> {
    const given: Record<string, ort.Tensor> = { ...this.inputs.tensors };
    const { inputs, shared } = this.executable;
    for (const name of Object.keys(inputs)) {
      const values = (shared.has(name) ? feeds.slice(0, 1) : feeds).map((feed) => feed[name]!);
      const isPacked = !(`in_${name}` in given);
      const tensor = isPacked ? undefined : await this.there(values, inputs[name]!.shape);
      if (tensor === undefined) await this.write(name, values, tables);
      else given[`in_${name}`] = tensor;
    }
    return this.evaluations(await this.session.run(given));
  }

  /** The input as it lies on the device already. */
  private there(values: readonly InputValue[], shape: readonly number[]): Promise<ort.Tensor | undefined> {
    const [first] = values as [InputValue];
    if (values.length === 1 && first instanceof Float32Array) return this.memory.again(first, shape);
    return this.memory.stacked(
      values.flatMap((value): unknown[] => (isStack(value) ? [...value] : [value])),
      shape,
    );
  }

  /** Brings an input there. */
  private async write(name: string, values: readonly InputValue[], tables: Tables): Promise<void> {
    const places = parts(this.inputs.arrays[name]!, values.length);
    for (const [index, value] of values.entries()) {
      if (isStack(value)) writeFeed(places[index]!, await Promise.all(value.map(valuesOf)), tables);
      else if (value instanceof RowVector) writeFeed(places[index]!, await valuesOf(value), tables);
      else writeFeed(places[index]!, value, tables);
    }
  }

  private evaluations(results: ort.InferenceSession.ReturnType): Evaluation<Vector>[] {
    const { replicas, outputs: feeds } = this.executable;
    const { places } = packingOf(feeds);
    const rows = mapped(feeds, (_, name): readonly Vector[] => {
      const place = places.get(name);
      const tensor = results[place === undefined ? `out_${name}` : 'out']!;
      if (tensor.location !== 'cpu') {
        const stacked = this.memory.rowsOf(tensor, replicas);
        return Array.from({ length: replicas }, (_, replica) => stacked.row(replica));
      }
      const data = tensor.data as Float32Array;
      return parts(place === undefined ? data : data.subarray(place.offset, place.offset + place.size), replicas);
    });
    return Array.from({ length: replicas }, (_, replica) => {
      const { [notFinite]: count, ...outputs } = mapped(rows, (vectors) => vectors[replica]!);
      const finite = Object.values(outputs).every((vector) => !isHere(vector) || allFinite(vector));
      return { outputs, finite: finite && (count === undefined || here(count)[0] === 0) };
    });
  }
}
