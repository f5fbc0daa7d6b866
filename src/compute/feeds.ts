/** Feeds: what a caller gives for the inputs of a tensor function, and how it gets into a flat array. */
import { sizeOf, type Table } from './table.js';
import type { InputSpec, TensorFunction } from './tensorFunction.js';

/** A vector, a stack of equally long vectors `[K, P]`, or rows of a resident table. */
export type InputValue =
  Float32Array | Int32Array | readonly Float32Array[] | { readonly table: string; readonly indices: Int32Array };

export type Feeds = Readonly<Record<string, InputValue>>;
export type Tables = Readonly<Record<string, Table>>;

/** The shape of every input of one call: `null` extents follow from the number of values given. */
export function resolveShapes(definition: TensorFunction, feeds: Feeds): Record<string, readonly number[]> {
  const shapes: Record<string, readonly number[]> = {};
  for (const [name, spec] of Object.entries(definition.inputs)) {
    const value = feeds[name];
    if (value === undefined) throw new Error(`${definition.name} needs the input ${name}`);
    shapes[name] = resolveShape(`${definition.name}.${name}`, spec, value);
  }
  return shapes;
}

function resolveShape(what: string, { shape }: InputSpec, value: InputValue): readonly number[] {
  const rowSize = sizeOf(shape.slice(1).map((extent) => extent ?? 1));
  const first = 'table' in value ? value.indices.length : isStack(value) ? value.length : value.length / rowSize;
  if (shape.length === 0) return [];
  const resolved = [shape[0] ?? first, ...shape.slice(1).map((extent) => extent ?? 1)];
  if (resolved[0] !== first) throw new Error(`${what} has ${first} rows, not ${resolved[0]!}`);
  return resolved;
}

/** True for a list of vectors. */
export function isStack(value: InputValue): value is readonly Float32Array[] {
  return Array.isArray(value);
}

/** Copies one input into `target`, reading the rows of tables. */
export function writeFeed(target: Float32Array | Int32Array, value: InputValue, tables: Tables): void {
  if ('table' in value) {
    readRows(tables[value.table]!, value.indices, target);
  } else if (isStack(value)) {
    let offset = 0;
    for (const row of value) {
      target.set(row, offset);
      offset += row.length;
    }
  } else {
    target.set(value);
  }
}

/** Writes rows `indices` of `table` one after the other into `target`; float32 rows are scaled. */
export function readRows(table: Table, indices: Int32Array, target: Float32Array | Int32Array): void {
  const rowSize = sizeOf(table.rowShape);
  const { values, scale } = table;
  const scaled = table.dtype === 'float32' && scale !== 1;
  let position = 0;
  for (let row = 0; row < indices.length; row += 1) {
    const start = indices[row]! * rowSize;
    for (let index = start; index < start + rowSize; index += 1) {
      target[position] = scaled ? values[index]! * scale : values[index]!;
      position += 1;
    }
  }
}
