/** Feeds: what a caller gives for the inputs of a tensor function, and how it gets into a flat array. */
import { sizeOf, type Table } from './table.js';
import { here, type Vector } from '../vector.js';
import type { InputSpec, TensorFunction } from './tensorFunction.js';

/** A vector, a stack of equally long vectors `[K, P]`, or rows of a resident table. */
export type InputValue =
  Vector | Int32Array | readonly Vector[] | { readonly table: string; readonly indices: Int32Array };

/** What goes into one call. Vectors do not change once they have been given: who knows one takes it as known. */
export type Feeds = Readonly<Record<string, InputValue>>;
export type Tables = Readonly<Record<string, Table>>;

/** The shape of every input of one call: `null` extents follow from the number of values given. */
export function resolveShapes(definition: TensorFunction, feeds: Feeds): Record<string, readonly number[]> {
  const shapes: Record<string, readonly number[]> = {};
  for (const [name, { shape }] of Object.entries(definition.inputs)) {
    const rows = rowsOf(definition, name, feeds);
    shapes[name] = shape.length === 0 ? [] : [rows, ...shape.slice(1).map((extent) => extent ?? 1)];
  }
  return shapes;
}

/** The first extent of every input of one call, which is all that differs between the shapes of two calls. */
export function signatureOf(definition: TensorFunction, feeds: Feeds): string {
  let signature = '';
  for (const name in definition.inputs) signature += `${rowsOf(definition, name, feeds)};`;
  return signature;
}

function rowsOf({ name: what, inputs }: TensorFunction, name: string, feeds: Feeds): number {
  const { shape } = inputs[name]!;
  const value = feeds[name];
  if (value === undefined) throw new Error(`${what} needs the input ${name}`);
  const rows =
    'table' in value ? value.indices.length : isStack(value) ? value.length : value.length / rowSizeOf(shape);
  if (shape.length > 0 && rows !== (shape[0] ?? rows)) {
    throw new Error(`${what}.${name} has ${rows} rows, not ${shape[0]!}`);
  }
  return rows;
}

function rowSizeOf(shape: InputSpec['shape']): number {
  let size = 1;
  for (let axis = 1; axis < shape.length; axis += 1) size *= shape[axis] ?? 1;
  return size;
}

/** True for a list of vectors. */
export function isStack(value: InputValue): value is readonly Vector[] {
  return Array.isArray(value);
}

/** Copies one input, whose vectors are here, into `target`, reading the rows of tables. */
export function writeFeed(target: Float32Array | Int32Array, value: InputValue, tables: Tables): void {
  if ('table' in value) {
    readRows(tables[value.table]!, value.indices, target);
  } else if (isStack(value)) {
    let offset = 0;
    for (const row of value) {
      target.set(here(row), offset);
      offset += row.length;
    }
  } else {
    target.set(value instanceof Int32Array ? value : here(value));
  }
}

/** Copies one row of an input `[K, ...]` into `target`, which it fills. */
export function writeRow(target: Float32Array, value: InputValue, row: number, tables: Tables): void {
  if ('table' in value) readRows(tables[value.table]!, value.indices.subarray(row, row + 1), target);
  else if (isStack(value)) target.set(here(value[row]!));
  else target.set((value as Float32Array).subarray(row * target.length, (row + 1) * target.length));
}

/** Writes rows `indices` of `table` one after the other into `target`; float32 rows are scaled. */
export function readRows(table: Table, indices: Int32Array, target: Float32Array | Int32Array): void {
  const rowSize = sizeOf(table.rowShape);
  const { values, scale } = table;
  const copy = table.dtype === 'float32' && scale !== 1 ? copyScaled : copyPlain;
  for (let row = 0; row < indices.length; row += 1) {
    const part = { from: indices[row]! * rowSize, to: row * rowSize, count: rowSize };
    copy(values, target, part, scale);
  }
}

interface Part {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

// Two functions, because each is compiled for the types of arrays that it meets.
function copyScaled(
  values: Table['values'],
  target: Float32Array | Int32Array,
  { from, to, count }: Part,
  scale: number,
) {
  for (let index = 0; index < count; index += 1) target[to + index] = values[from + index]! * scale;
}

function copyPlain(values: Table['values'], target: Float32Array | Int32Array, { from, to, count }: Part): void {
  for (let index = 0; index < count; index += 1) target[to + index] = values[from + index]!;
}
