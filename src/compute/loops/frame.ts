import ort from 'onnxruntime-node';
import { allFinite } from '../../finite.js';
import { isLarge } from '../checked.js';
import { mapped, Ports, type Make, type Values } from '../ports.js';
import type { Executable, Frame } from '../session.js';
import { sizeOf } from '../table.js';
import { functionsOf } from './module.js';
import type { Loops, Piece } from './loops.js';
import type { Place } from './split.js';

const pageBytes = 65_536;
/** Loops go through arrays by so many bytes, the last time perhaps beyond the end. */
const stepBytes = 16;

/** Memory for loops, and what makes arrays in it, one behind the other. */
function memoryFor(elements: readonly number[]): { memory: WebAssembly.Memory; make: Make } {
  const roomFor = (count: number): number => Math.ceil((4 * count) / stepBytes) * stepBytes;
  const pages = Math.ceil(elements.reduce((total, count) => total + roomFor(count), 0) / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  let at = 0;
  const make: Make = ({ dtype, shape }) => {
    const count = sizeOf(shape);
    const array = new (dtype === 'int32' ? Int32Array : Float32Array)(memory.buffer, at, count);
    at += roomFor(count);
    return array;
  };
  return { memory, make };
}

/** The frame of a program with loops: all its arrays lie in their memory, and ONNX Runtime works there too. */
export async function loopFrame(executable: Executable, loops: Loops): Promise<Frame> {
  const { inputs, outputs } = executable;
  const sizes = [...Object.values(inputs), ...Object.values(outputs)].map(({ shape }) => sizeOf(shape));
  const { memory, make } = memoryFor([...sizes, ...Object.values(loops.between)]);
  const { before, after, notFinite } = await functionsOf(loops.text, memory);
  const isFinite = (values: Float32Array): boolean =>
    isLarge(values.length) ? notFinite(values.byteOffset, values.byteLength) === 0 : allFinite(values);
  const ports = new Ports(executable, make, isFinite);
  const arrays: Readonly<Record<string, Values>> = {
    ...mapped({ ...ports.in, ...ports.out }, ({ values }) => values),
    ...mapped(loops.between, (count) => make({ dtype: 'float32', shape: [count] })),
  };
  const addresses = (places: readonly Place[] = []): number[] =>
    places.map(({ array, from }) => arrays[array]!.byteOffset + 4 * from);
  const tensor = ({ array, from, type, dims }: Piece): ort.Tensor =>
    new ort.Tensor(type, arrays[array]!.subarray(from, from + sizeOf(dims)), [...dims]);
  const [toBefore, toAfter] = [addresses(loops.before), addresses(loops.after)];
  return {
    ports,
    feeds: mapped(loops.inputs, tensor),
    fetches: mapped(loops.outputs, tensor),
    before: () => before?.(...toBefore),
    after: () => after?.(...toAfter),
  };
}
