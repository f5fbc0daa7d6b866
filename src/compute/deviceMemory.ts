/**
 * The memory of a device: vectors that stay there between calls, as rows of what a call gave, and tables that were brought
 * there once. What a call wants of them is gathered on the device.
 */
import * as tf from '@tensorflow/tfjs';
import ort from 'onnxruntime-node';
import type { DeviceVector } from '../vector.js';
import { readRows, type Tables } from './feeds.js';
import { sessionOptions } from './session.js';
import { sizeOf } from './table.js';
import type { TensorFunction } from './tensorFunction.js';
import { trace } from './trace.js';

/** Rows of equal length, one after the other in the memory of a device. */
export class Rows {
  // Values come here when they are wanted. The array is there from the start (without taking memory, until it is
  // written), so that the garbage collector sees how much is held.
  private readonly here: Float32Array;
  private coming: Promise<Float32Array> | undefined;

  constructor(
    readonly tensor: ort.Tensor,
    readonly count: number,
    private readonly read: (rows: Rows, into: Float32Array) => Promise<void>,
  ) {
    this.here = new Float32Array(tensor.size);
  }

  get length(): number {
    return this.tensor.size / this.count;
  }

  row(index: number): RowVector {
    return new RowVector(this, index);
  }

  async values(index: number): Promise<Float32Array> {
    this.coming ??= this.read(this, this.here).then(() => this.here);
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
// Larger tables stay here, and the rows of each call are brought there.
const tableBytesMax = 1 << 30;

export class DeviceMemory {
  private readonly sessions = new Map<string, Promise<ort.InferenceSession>>();
  private readonly resident = new Map<string, Promise<Rows>>();

  constructor(
    private readonly device: string,
    private readonly tables: Tables,
  ) {}

  /** What lies in `tensor`, as `count` rows. */
  rowsOf(tensor: ort.Tensor, count: number): Rows {
    return new Rows(tensor, count, (rows, into) => this.read(rows, into));
  }

  /** A tensor of shape `dims` that holds these vectors, or undefined where some are elsewhere. */
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

  /** Rows of a table, as a tensor of shape `dims`; undefined for one that does not lie on the device. */
  async rowsOfTable(name: string, indices: Int32Array, dims: readonly number[]): Promise<ort.Tensor | undefined> {
    const { dtype, values, rowShape } = this.tables[name]!;
    const bytes = Float32Array.BYTES_PER_ELEMENT * values.length;
    // Labels are few, and quickly brought there.
    if (dtype !== 'float32' || sizeOf(rowShape) === 1 || bytes > tableBytesMax) return undefined;
    let rows = this.resident.get(name);
    if (rows === undefined) this.resident.set(name, (rows = this.upload(name)));
    return this.gathered([await rows], indices, dims);
  }

  private async upload(name: string): Promise<Rows> {
    const table = this.tables[name]!;
    const count = table.values.length / sizeOf(table.rowShape);
    const values = new Float32Array(table.values.length);
    readRows(
      table,
      Int32Array.from({ length: count }, (_, row) => row),
      values,
    );
    const shape = [count, sizeOf(table.rowShape)];
    const session = await this.session(copy(shape), 'gpu-buffer');
    const { out_y: tensor } = await session.run({ in_x: new ort.Tensor('float32', values, shape) });
    return this.rowsOf(tensor as ort.Tensor, count);
  }

  private async read({ tensor }: Rows, into: Float32Array): Promise<void> {
    const session = await this.session(copy(tensor.dims), 'cpu');
    await session.run({ in_x: tensor }, { out_y: new ort.Tensor('float32', into, tensor.dims) });
  }

  /** The rows `order` of all sources, one after the other, in the shape `dims`. */
  private async gathered(sources: readonly Rows[], order: Int32Array, dims: readonly number[]): Promise<ort.Tensor> {
    const session = await this.session(gathering(sources, order.length, dims), 'gpu-buffer');
    const feeds = Object.fromEntries(sources.map(({ tensor }, index) => [`in_source${index}`, tensor]));
    const results = await session.run({ ...feeds, in_order: new ort.Tensor('int32', order, [order.length]) });
    return results['out_y'] as ort.Tensor;
  }

  private session(definition: TensorFunction, location: 'cpu' | 'gpu-buffer'): Promise<ort.InferenceSession> {
    const shapes = Object.fromEntries(Object.entries(definition.inputs).map(([name, { shape }]) => [name, shape]));
    const key = `${definition.name} ${JSON.stringify(shapes)} ${location}`;
    let session = this.sessions.get(key);
    if (session === undefined) {
      const { bytes } = trace(definition, shapes as Record<string, number[]>, { onDevice: true });
      const options = { ...sessionOptions, executionProviders: [this.device], preferredOutputLocation: location };
      this.sessions.set(key, (session = ort.InferenceSession.create(bytes, options)));
    }
    return session;
  }
}

/** The same values; a way to have them elsewhere. */
const copy = (shape: readonly number[]): TensorFunction => ({
  name: 'copy',
  inputs: { x: { shape, dtype: 'float32' } },
  evaluate: ({ x }) => ({ y: x! }),
});

/** `length` rows of `sources`, which lie one after the other, in the shape `dims`. */
const gathering = (sources: readonly Rows[], length: number, dims: readonly number[]): TensorFunction => ({
  name: `rows ${dims.join()}`,
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
