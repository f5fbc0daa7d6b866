/** A session on a device: large vectors, and tables, stay in its memory between calls. */
import ort from 'onnxruntime-node';
import { allFinite } from '../../finite.js';
import { here, isHere, valuesOf, type Vector } from '../../vector.js';
import { RowVector, type DeviceMemory } from './memory.js';
import { isStack, writeFeed, type Feeds, type InputValue, type Tables } from '../feeds.js';
import { packingOf, type Packing } from '../packing.js';
import { isRefusedFallback, mayNotFallBack, operatorsOnCpu } from './placement.js';
import { mapped } from '../mapped.js';
import { allocate, parts, type Evaluation } from '../ports.js';
import type { Executable } from '../executable.js';
import { sessionOptionsOn, tensorsOver } from '../session.js';
import { check, isLarge } from '../checked.js';

/** Arrays on this side, and the tensors over them. */
interface Brought extends Pick<ReturnType<typeof allocate>, 'arrays'> {
  readonly tensors: ReturnType<typeof tensorsOver>;
}

function broughtFor(feeds: Executable['inputs']): Brought {
  const { arrays, ports } = allocate('in', feeds);
  return { arrays, tensors: tensorsOver(ports) };
}

/** Writes the values of all replicas one after the other into `array`. */
async function write(array: Float32Array | Int32Array, values: readonly InputValue[], tables: Tables): Promise<void> {
  const places = parts(array, values.length);
  for (const [index, value] of values.entries()) {
    if (isStack(value)) writeFeed(places[index]!, await Promise.all(value.map(valuesOf)), tables);
    else if (value instanceof RowVector) writeFeed(places[index]!, await valuesOf(value), tables);
    else writeFeed(places[index]!, value, tables);
  }
}

/** An open ONNX Runtime session on a device. */
export class DeviceSession {
  /** What is brought there in one array. */
  private readonly packed: Brought;
  /** What is brought there by itself, when it first is: most inputs never are. */
  private readonly single = new Map<string, Brought>();
  /** Where results lie that come back in one array. */
  private readonly places: Packing['places'];
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly executable: Executable,
    private readonly memory: DeviceMemory,
    /** Operators that the device has not, and the processor evaluates. */
    readonly onCpu: readonly string[],
  ) {
    this.places = packingOf(executable.outputs).places;
    const { places } = packingOf(executable.inputs);
    this.packed = broughtFor(
      Object.fromEntries(Object.entries(executable.inputs).filter(([name]) => places.has(name))),
    );
  }

  /** `stays` says whether large results stay on the device. */
  static async open(executable: Executable, memory: DeviceMemory, stays: boolean): Promise<DeviceSession> {
    const { bytes, outputs, replicas } = executable;
    const preferredOutputLocation = mapped(allocate('out', outputs).ports, ({ values }) =>
      stays && isLarge(values.length / replicas) ? 'gpu-buffer' : 'cpu',
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
    const given: Record<string, ort.Tensor> = { ...this.packed.tensors };
    const { inputs, shared } = this.executable;
    for (const [name, feed] of Object.entries(inputs)) {
      const values = (shared.has(name) ? feeds.slice(0, 1) : feeds).map((own) => own[name]!);
      const place = this.packed.arrays[name];
      if (place !== undefined) await write(place, values, tables);
      else given[`in_${name}`] = (await this.there(values, feed.shape)) ?? (await this.brought(name, values, tables));
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

  /** The input as it will be brought there. */
  private async brought(name: string, values: readonly InputValue[], tables: Tables): Promise<ort.Tensor> {
    let single = this.single.get(name);
    if (single === undefined) {
      this.single.set(name, (single = broughtFor({ [name]: this.executable.inputs[name]! })));
    }
    await write(single.arrays[name]!, values, tables);
    return single.tensors[`in_${name}`]!;
  }

  private evaluations(results: ort.InferenceSession.ReturnType): Evaluation<Vector>[] {
    const { replicas, outputs: feeds } = this.executable;
    const rows = mapped(feeds, (_, name): readonly Vector[] => {
      const place = this.places.get(name);
      const tensor = results[place === undefined ? `out_${name}` : 'out']!;
      if (tensor.location !== 'cpu') {
        const stacked = this.memory.rowsOf(tensor, replicas);
        return Array.from({ length: replicas }, (_, replica) => stacked.row(replica));
      }
      const data = tensor.data as Float32Array;
      return parts(place === undefined ? data : data.subarray(place.offset, place.offset + place.size), replicas);
    });
    return Array.from({ length: replicas }, (_, replica) => {
      const { [check]: told, ...outputs } = mapped(rows, (vectors) => vectors[replica]!);
      const finite = Object.values(outputs).every((vector) => !isHere(vector) || allFinite(vector));
      return { outputs, finite: finite && (told === undefined || here(told)[0] === 0) };
    });
  }
}
