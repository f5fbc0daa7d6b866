/** The loops of a program, as they cross to threads. */
import assemble from 'watr/compile';
import { encode, type Listing, type Value, type ValueType } from '../onnx.js';
import { largeMin } from '../checked.js';
import { mapped } from '../mapped.js';
import { sizeOf } from '../table.js';
import type { Place, Split } from './parts.js';
import { split } from './split.js';
import { loopFunction, moduleText } from './text.js';

/** A tensor of the core: a part of an array. */
export interface Piece extends Place, ValueType {}

/** A graph of ONNX over parts of the arrays. */
export interface Graph {
  readonly bytes: Uint8Array;
  readonly inputs: Readonly<Record<string, Piece>>;
  readonly outputs: Readonly<Record<string, Piece>>;
}

export interface Loops {
  /** A module of WebAssembly. */
  readonly code: Uint8Array;
  /** The places whose addresses its functions take; undefined where it does not have them. */
  readonly before: readonly Place[] | undefined;
  readonly each: readonly Place[] | undefined;
  readonly after: readonly Place[] | undefined;
  /** The input whose rows `each` is for, and where it adds them up. */
  readonly rows: string | undefined;
  readonly sums: readonly Place[];
  /** Arrays that are neither inputs nor outputs, and how many elements they have. */
  readonly between: Readonly<Record<string, number>>;
  /** Outputs that lie where inputs do. */
  readonly over: Readonly<Record<string, string>>;
  /** Of the core. */
  readonly inputs: Readonly<Record<string, Piece>>;
  readonly outputs: Readonly<Record<string, Piece>>;
  /** What ONNX Runtime does after the last loop. */
  readonly tail: Graph | undefined;
}

/** WebAssembly has addresses for four times as many bytes, and arrays begin at whole vectors. */
const elementsMax = 2 ** 30 - 2 ** 16;

/** A graph as loops and the rest; without loops where no output has `longFrom` elements, or all are too many. */
export function loopsOf(
  listing: Listing,
  longFrom = largeMin,
): { readonly core: Listing; readonly loops: Loops | undefined } {
  const parts = split(listing, longFrom);
  if (parts === undefined || elementsOf(parts) > elementsMax) return { core: listing, loops: undefined };
  const { core, between, over } = parts;
  const before = loopFunction('before', parts.before, parts);
  const each = parts.each && loopFunction('each', parts.each.loop, parts);
  const after = loopFunction('after', parts.after, parts);
  const loops: Loops = {
    code: assemble(moduleText([before, each, after].filter((part) => part !== undefined))) as Uint8Array,
    before: before?.takes,
    each: each?.takes,
    after: after?.takes,
    rows: parts.each?.rows,
    sums: [...(parts.each?.loop.sums?.keys() ?? [])].map((sum) => parts.places.get(sum)!),
    between,
    over,
    ...tensorsOf(core, parts),
    tail: parts.tail && { bytes: encode('tail', parts.tail), ...tensorsOf(parts.tail, parts) },
  };
  return { core, loops };
}

/** How many elements the arrays have at least; of a matrix whose rows come one after the other, only one row is there. */
function elementsOf({ listing, each, between, length }: Split): number {
  const values = [...listing.inputs, ...listing.outputs.values()].filter((value) => value !== each?.rows);
  const sizes = values.map((value) => sizeOf(listing.types.get(value)!.dims));
  return [...sizes, ...Object.values(between), each === undefined ? 0 : length].reduce((total, size) => total + size);
}

/** The core as a file of ONNX, which is empty where loops do everything. */
export const bytesOf = (name: string, core: Listing): Uint8Array =>
  core.outputs.size === 0 ? new Uint8Array() : encode(name, core);

/** Where the tensors lie that go into a graph and come out of it. */
const tensorsOf = ({ inputs, outputs }: Listing, parts: Split): Pick<Graph, 'inputs' | 'outputs'> => ({
  inputs: piecesOf(Object.fromEntries(inputs.map((value) => [value, value])), parts),
  outputs: piecesOf(Object.fromEntries(outputs), parts),
});

/** By the name under which the core has them, where its tensors lie. */
const piecesOf = (values: Readonly<Record<string, Value>>, { listing, places }: Split): Record<string, Piece> =>
  mapped(values, (value, name) => ({ ...listing.types.get(value)!, ...places.get(name)! }));
