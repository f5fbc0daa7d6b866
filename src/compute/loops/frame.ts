import ort from 'onnxruntime-node';
import { allFinite } from '../../finite.js';
import { isLarge } from '../checked.js';
import { writeRow, type Feeds, type Tables } from '../feeds.js';
import { mapped } from '../mapped.js';
import { Ports, type Make, type Values } from '../ports.js';
import type { Executable } from '../executable.js';
import { sizeOf } from '../table.js';
import type { Feed } from '../tensorFunction.js';
import { functionsOf, type LoopCall } from './module.js';
import type { Graph, Loops, Piece } from './loops.js';
import type { Place } from './parts.js';

/** What goes into a call of ONNX Runtime, and where it puts what comes out. */
export interface Exchange {
  readonly feeds: Readonly<Record<string, ort.Tensor>>;
  readonly fetches: Readonly<Record<string, ort.Tensor>>;
}

/** What happens at a call beside ONNX Runtime's parts in it, and the tensors of these. */
export interface Frame {
  readonly ports: Ports;
  readonly before?: (feeds: readonly Feeds[], tables: Tables) => void;
  readonly core: Exchange;
  readonly after?: () => void;
  readonly tail?: Exchange | undefined;
}

const pageBytes = 65_536;
// V8 reserves 10 GB of addresses for every memory, however small: programs share one as long as they fit. One of 64 MB would
// have it mark the whole heap at the start of every run.
const pagesMin = 256;
/** Loops go through arrays by so many bytes, the last time perhaps beyond the end. */
const stepBytes = 16;

/** The memory of this thread that has room left. */
let open: { readonly memory: WebAssembly.Memory; readonly pages: number; used: number } | undefined;

/** Room for a program. It begins at a page, because bits can depend on where in memory a sum begins. */
function reserved(pages: number): { readonly memory: WebAssembly.Memory; readonly from: number } {
  if (open === undefined || open.used + pages > open.pages) {
    const all = Math.max(pages, pagesMin);
    open = { memory: new WebAssembly.Memory({ initial: all, maximum: all }), pages: all, used: 0 };
  }
  const from = pageBytes * open.used;
  open.used += pages;
  return { memory: open.memory, from };
}

/** Memory for loops, and what makes arrays in it, one behind the other. */
function memoryFor(
  elements: readonly number[],
  over: Readonly<Record<string, string>>,
): { memory: WebAssembly.Memory; make: Make } {
  const roomFor = (count: number): number => Math.ceil((4 * count) / stepBytes) * stepBytes;
  const pages = Math.ceil(elements.reduce((total, count) => total + roomFor(count), 0) / pageBytes);
  const { memory, from } = reserved(pages);
  let at = from;
  const made = new Map<string, Values>();
  const make: Make = ({ dtype, shape }, port) => {
    const there = made.get(over[port] ?? '');
    if (there !== undefined) return there;
    const count = sizeOf(shape);
    const array = new (dtype === 'int32' ? Int32Array : Float32Array)(memory.buffer, at, count);
    at += roomFor(count);
    made.set(port, array);
    return array;
  };
  return { memory, make };
}

/** The frame of a program with loops: all its arrays lie in their memory, and ONNX Runtime works there too. */
export function loopFrame(executable: Executable, loops: Loops): Frame {
  const { inputs, outputs } = executable;
  const streamed = Object.keys(inputs).find((name) => `in_${name}` === loops.rows);
  // Of an input that comes row by row there is never more than one row.
  const there = { ...inputs, ...(streamed === undefined ? {} : { [streamed]: rowOf(inputs[streamed]!) }) };
  const sizes = [there, outputs].flatMap(Object.values<Feed>).map(({ shape }) => sizeOf(shape));
  const { memory, make } = memoryFor([...sizes, ...Object.values(loops.between)], loops.over);
  const functions = functionsOf(loops.code, memory);
  const ports = new Ports(executable, {
    make: (feed, port) => make(port === loops.rows ? rowOf(feed) : feed, port),
    isFinite: (values) =>
      isLarge(values.length) ? functions.notFinite(values.byteOffset, values.byteLength) === 0 : allFinite(values),
    streamed,
  });
  const arrays: Readonly<Record<string, Values>> = {
    ...mapped({ ...ports.in, ...ports.out }, ({ values }) => values),
    ...mapped(loops.between, (count, name) => make({ dtype: 'float32', shape: [count] }, name)),
  };
  const tensor = ({ array, from, type, dims }: Piece): ort.Tensor =>
    new ort.Tensor(type, arrays[array]!.subarray(from, from + sizeOf(dims)), [...dims]);
  const caller = (run: LoopCall | undefined, places: readonly Place[] = []): (() => void) => {
    const addresses = places.map(({ array, from }) => arrays[array]!.byteOffset + 4 * from);
    return () => run?.(...addresses);
  };
  const before = caller(functions.before, loops.before);
  const each = caller(functions.each, loops.each);
  const addUp = (name: string, feeds: Feeds, tables: Tables): void => {
    // -0, because that changes nothing that is added to it.
    for (const sum of loops.sums) arrays[sum.array]!.fill(-0);
    for (let at = 0; at < inputs[name]!.shape[0]!; at += 1) {
      writeRow(arrays[loops.rows!] as Float32Array, feeds[name]!, at, tables);
      each();
    }
  };
  const exchange = ({ inputs: into, outputs: from }: Pick<Graph, 'inputs' | 'outputs'>): Exchange => ({
    feeds: mapped(into, tensor),
    fetches: mapped(from, tensor),
  });
  return {
    ports,
    before: ([feeds], tables) => {
      before();
      if (streamed !== undefined) addUp(streamed, feeds!, tables);
    },
    core: exchange(loops),
    after: caller(functions.after, loops.after),
    tail: loops.tail && exchange(loops.tail),
  };
}

const rowOf = ({ dtype, shape }: Feed): Feed => ({ dtype, shape: shape.slice(1) });
