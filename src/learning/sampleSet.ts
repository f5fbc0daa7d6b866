/** Tables of samples in shared memory, which the threads of a pool read without a copy. */
import { sizeOf, type Table } from '../compute/table.js';
import { BadInput, type ScenarioPath } from '../conditions.js';
import type { SampleSet } from './dataset.js';

/** The most bytes that one table may take: 2 GiB. */
const tableBytesMax = 2_147_483_648;

/** Zeroed shared memory for one table of data; `cause` says which key asks for it. Throws BadInput above 2 GiB. */
export function sharedBytes(bytes: number, cause: { path: ScenarioPath; remedy: string }): SharedArrayBuffer {
  if (bytes > tableBytesMax) {
    throw new BadInput(
      `the data would take ${grouped(bytes)} bytes of memory as dense rows, the limit is ${grouped(tableBytesMax)}`,
      cause,
    );
  }
  return new SharedArrayBuffer(bytes);
}

/** A table over `values`, which are copied unless they are shared already. */
export function tableOf(values: Table['values'], rowShape: readonly number[], scale = 1): Table {
  const dtype = values instanceof Int32Array ? 'int32' : 'float32';
  return { values: shared(values), rowShape, dtype, scale };
}

function shared<Values extends Table['values']>(values: Values): Values {
  if (values.buffer instanceof SharedArrayBuffer) return values;
  const bytes = new Uint8Array(new SharedArrayBuffer(values.byteLength));
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  if (values instanceof Uint8Array) return bytes as Values; // a Buffer's own constructor would copy
  const Type = values.constructor as new (buffer: SharedArrayBuffer) => Values;
  return new Type(bytes.buffer);
}

/** Pairs inputs with targets. */
export function sampleSet(inputs: Table, targets: Table): SampleSet {
  const count = inputs.values.length / sizeOf(inputs.rowShape);
  if (targets.values.length !== count * sizeOf(targets.rowShape)) {
    throw new Error(`${count} inputs have ${targets.values.length} target values`);
  }
  return { count, inputs, targets };
}

/** 47040016 -> "47,040,016". */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}
