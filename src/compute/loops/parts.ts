/** The parts of a graph: loops, and the rest. */
import type { Listing, Node, Value } from '../onnx.js';

/** The same calculation for every element: nodes, in order, and which of their values are kept. */
export interface Loop {
  readonly nodes: readonly Node[];
  readonly keeps: readonly Value[];
  /** Sums over its runs, and what they are of. */
  readonly sums?: ReadonlyMap<Value, Value>;
}

/** Where a tensor lies: in which array, from which element on. */
export interface Place {
  readonly array: string;
  readonly from: number;
}

export interface Split {
  /** The whole graph. */
  readonly listing: Listing;
  /** How many elements the vectors have. */
  readonly length: number;
  readonly before: Loop;
  /** Runs for every row of a matrix; undefined where there is none that is only summed up so. */
  readonly each: { readonly rows: Value; readonly loop: Loop } | undefined;
  readonly after: Loop;
  /** Constants, by their first values: loops take those that have no other. */
  readonly numbers: ReadonlyMap<Value, number>;
  /** The rest, as a graph whose inputs and outputs lie in `places`. */
  readonly core: Listing;
  /** What comes after the last loop, in the same way. */
  readonly tail: Listing | undefined;
  readonly places: ReadonlyMap<string, Place>;
  /** Arrays that are neither inputs nor outputs of the program, and how many elements they have. */
  readonly between: Readonly<Record<string, number>>;
  /** Outputs that can lie where inputs do: when the last loop writes them, it has read these. */
  readonly over: Readonly<Record<string, string>>;
}

/** What the nodes of a loop take that none of them gives. */
export function operandsOf({ nodes, sums = new Map<Value, Value>() }: Loop): Value[] {
  const own = new Set(nodes.flatMap(({ outputs }) => outputs));
  const taken = new Set([...nodes.flatMap(({ inputs }) => inputs), ...sums.values()]);
  return [...taken].filter((value) => !own.has(value));
}
