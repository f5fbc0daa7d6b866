/**
 * The memory of a device: vectors that stay there between calls, as rows of what a call gave, and tables that were brought
 * there once. What a call wants of them is gathered on the device.
 */
import * as tf from '@tensorflow/tfjs';
import ort from 'onnxruntime-node';
import type { DeviceVector } from '../../vector.js';
import { readRows, type Tables } from '../feeds.js';
import { encode, OnnxGraph } from '../onnx.js';
import { sessionOptionsOn } from '../session.js';
import { sizeOf, type Table } from '../table.js';
import type { DType, TensorFunction } from '../tensorFunction.js';
import { trace } from '../trace.js';

// The collector sees this share of what is held on the device, so that it neither forgets that nor runs all the time.
const seenShare = 1 / 16;

/** Rows of equal length, one after the other in the memory of a device, which is free again when nothing refers to them. */
export class Rows {
  readonly seen: ArrayBuffer;
  private coming: Promise<Float32Array> | undefined;

  constructor(
    readonly tensor: ort.Tensor,
    readonly count: number,
    private readonly read: (tensor: ort.Tensor) => Promise<Float32Array>,
  ) {
    this.seen = new ArrayBuffer(Math.ceil(Float32Array.BYTES_PER_ELEMENT * tensor.size * seenShare));
  }

  get length(): number {
    return this.tensor.size / this.count;
  }

  row(index: number): RowVector {
    return new RowVector(this, index);
  }

  async values(index: number): Promise<Float32Array> {
    this.coming ??= this.read(this.tensor);
    const values = await this.coming;
    return values.subarray(index * this.length, (index + 1) * this.length);
  }
}

/** One of several rows. */
export class RowVector implements DeviceVector {
  constructor(
    readonly rows: Rows,
    readonly index: number,
  ) {}

  get length(): number {
    return this.rows.length;
  }

  get byteLength(): number {
    return Float32Array.BYTES_PER_ELEMENT * this.length;
  }

  values(): Promise<Float32Array> {
    return this.rows.values(this.index);
  }
}

// More sources are rather read and brought back.
const sourcesMax = 8;
// Gathers differ in how many rows their sources have, and each is a session: where steps come in ever other company, these
// would be without end.
const gathersMax = 64;
// Larger tables stay here, and the rows of each call are brought there.
const tableBytesMax = 1 << 30;
// Numbers that come again, such as step sizes, stay too.
const numbersMax = 16;
const keptNumbersMax = 64;

export class DeviceMemory {
  private readonly copies = new Map<string, Promise<ort.InferenceSession>>();
  private readonly gathers = new Map<string, Promise<ort.InferenceSession>>();
  private readonly numbers = new Map<string, ort.Tensor | undefined>();
  /** Tables, each as one vector. */
  private readonly resident = new Map<Table, DeviceVector>();

  private constructor(readonly device: string) {}

  /** Brings `tables` to the memory of `device`. */
  static async open(device: string, tables: Tables): Promise<DeviceMemory> {
    const memory = new DeviceMemory(device);
    for (const table of Object.values(tables)) {
      if (Float32Array.BYTES_PER_ELEMENT * table.values.length > tableBytesMax) continue;
      memory.resident.set(table, await memory.bring(table));
    }
    return memory;
  }

  /** What lies in `tensor`, as `count` rows. */
  rowsOf(tensor: ort.Tensor, count: number): Rows {
    return new Rows(tensor, count, (whole) => this.read(whole));
  }

  /** A tensor of shape `dims` that holds these vectors, or undefined where they must be brought there. */
  async stacked(vectors: readonly unknown[], dims: readonly number[]): Promise<ort.Tensor | undefined> {
    if (!vectors.every((vector) => vector instanceof RowVector)) return undefined;
    const sources = [...new Set(vectors.map(({ rows }) => rows))];
    if (sources.length > sourcesMax) return undefined;
    const [first] = sources as [Rows];
    const inOrder = vectors.length === first.count && vectors.every(({ index }, place) => index === place);
    if (sources.length === 1 && inOrder && first.tensor.dims.join() === dims.join()) return first.tensor;
    const starts = new Map<Rows, number>();
    let count = 0;
    for (const rows of sources) {
      starts.set(rows, count);
      count += rows.count;
    }
    const order = Int32Array.from(vectors, ({ rows, index }) => starts.get(rows)! + index);
    return this.gathered(sources, order, dims);
  }

  /** A table as one vector; undefined for one that is too large to lie here. */
  table(table: Table): DeviceVector | undefined {
    return this.resident.get(table);
  }

  /** A few numbers of shape `dims` as they lie on the device already, because they have come before. */
  async again(values: Float32Array, dims: readonly number[]): Promise<ort.Tensor | undefined> {
    if (values.length > numbersMax) return undefined;
    const key = `${dims.join()} ${Buffer.from(values.slice().buffer).toString('latin1')}`;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    if (!this.numbers.has(key)) {
      if (this.numbers.size >= keptNumbersMax) this.numbers.clear();
      this.numbers.set(key, undefined);
      return undefined;
    }
    const tensor = await this.upload('float32', values.slice(), dims);
    this.numbers.set(key, tensor);
    return tensor;
  }

  private async bring(table: Table): Promise<DeviceVector> {
    const { dtype, rowShape } = table;
    const shape = tableShape(table);
    const values = dtype === 'int32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
    const rows = Int32Array.from({ length: sizeOf(shape) / sizeOf(rowShape) }, (_, row) => row);
    readRows(table, rows, values);
    return this.rowsOf(await this.upload(dtype, values, shape), 1).row(0);
  }

  private async upload(dtype: DType, values: Float32Array | Int32Array, dims: readonly number[]): Promise<ort.Tensor> {
    const session = await this.copying(dtype, dims, 'gpu-buffer');
    return (await session.run({ in_x: new ort.Tensor(dtype, values, dims) }))['out_y'] as ort.Tensor;
  }

  private async read(tensor: ort.Tensor): Promise<Float32Array> {
    const session = await this.copying('float32', tensor.dims, 'cpu');
    return (await session.run({ in_x: tensor }))['out_y']!.data as Float32Array;
  }

  /** The rows `order` of all sources, one after the other, in the shape `dims`. */
  private async gathered(
    sources: readonly Rows[],
    order: Int32Array,
    dims: readonly number[],
  ): Promise<ort.Tensor | undefined> {
    const key = `${sources.map(({ tensor }) => tensor.dims.join()).join(';')} ${dims.join()}`;
    if (!this.gathers.has(key) && this.gathers.size >= gathersMax) return undefined;
    const session = await this.session(this.gathers, key, 'gpu-buffer', () => {
      const definition = gathering(sources, order.length, dims);
      const inputs = Object.entries(definition.inputs);
      const shapes = Object.fromEntries(inputs.map(([name, { shape }]) => [name, shape as readonly number[]]));
      return trace(definition, shapes, { onDevice: true }).bytes;
    });
    const feeds = Object.fromEntries(sources.map(({ tensor }, index) => [`in_source${index}`, tensor]));
    const results = await session.run({ ...feeds, in_order: new ort.Tensor('int32', order, [order.length]) });
    return results['out_y'];
  }

  /** A session that copies a tensor from here to the device, or back. */
  private copying(dtype: DType, dims: readonly number[], to: Location): Promise<ort.InferenceSession> {
    return this.session(this.copies, `${dtype} ${dims.join()} ${to}`, to, () => {
      const graph = new OnnxGraph();
      graph.output('out_y', graph.input('in_x', dtype, dims));
      return encode('copy', graph.listing());
    });
  }

  private session(
    sessions: Map<string, Promise<ort.InferenceSession>>,
    key: string,
    to: Location,
    write: () => Uint8Array,
  ): Promise<ort.InferenceSession> {
    let session = sessions.get(key);
    if (session === undefined) {
      const options = { ...sessionOptionsOn(this.device), preferredOutputLocation: to };
      sessions.set(key, (session = ort.InferenceSession.create(write(), options)));
    }
    return session;
  }
}

type Location = 'cpu' | 'gpu-buffer';

/** The shape of a whole table. */
export const tableShape = ({ values, rowShape }: Table): readonly number[] => [
  values.length / sizeOf(rowShape),
  ...rowShape,
];

/** `length` rows of `sources`, which lie one after the other, in the shape `dims`. */
const gathering = (sources: readonly Rows[], length: number, dims: readonly number[]): TensorFunction => ({
  name: 'rows',
  inputs: {
    order: { shape: [length], dtype: 'int32' },
    ...Object.fromEntries(
      sources.map(({ tensor: { dims: shape } }, index) => [`source${index}`, { shape, dtype: 'float32' }] as const),
    ),
  },
  evaluate: ({ order, ...tensors }) => {
    const parts = sources.map(({ count, length: size }, index) =>
      tensors[`source${index}`]!.reshape<tf.Tensor2D>([count, size]),
    );
    return {
      y: tf
        .concat(parts)
        .gather(order as tf.Tensor1D)
        .reshape([...dims]),
    };
  },
});
