/** Folds: matrices of which a program needs no more than sums over their rows, so that one row is there at a time. */
import type { Constant, Listing, Node, Value, ValueType } from '../onnx.js';
import type { GraphView } from './graph.js';
import { instructions } from './instructions.js';

export interface Fold {
  /** The input of the program that comes row by row. */
  readonly rows: Value;
  /** What happens to each row, in order. */
  readonly nodes: readonly Node[];
  /** Sums over the rows, and of what they are. */
  readonly sums: ReadonlyMap<Value, Value>;
  readonly has: (node: Node) => boolean;
}

/** The graph with means over the rows of matrices `[K, length]` as what they are: sums, divided. */
export function withSums(listing: Listing, length: number): Listing {
  const types = new Map(listing.types);
  const constants = [...listing.constants];
  const fresh = (value: Value, type: ValueType): Value => {
    types.set(value, type);
    return value;
  };
  const nodes = listing.nodes.flatMap((node) => {
    const [x, axes] = node.inputs as [Value, Value];
    const [value] = node.outputs as [Value];
    const dims = types.get(x)?.dims ?? [];
    const isMean = node.operator === 'ReduceMean' && dims.length === 2 && dims[1] === length;
    if (!isMean || !isOverRows(listing.constants.find(({ name }) => name === axes))) return [node];
    const sum = fresh(`${value}_sum`, types.get(value)!);
    const count = fresh(`${value}_count`, { type: 'float32', dims: [] });
    constants.push({ name: count, type: 'float32', dims: [], values: [dims[0]!] });
    return [
      { ...node, operator: 'ReduceSum', outputs: [sum] },
      { operator: 'Div', inputs: [sum, count], outputs: [value], attributes: {} },
    ];
  });
  return { ...listing, types, constants, nodes };
}

/** The fold of a graph whose vectors have `length` elements; undefined where it needs whole matrices. */
export function foldOf(graph: GraphView, length: number, isGiven: (value: Value) => boolean): Fold | undefined {
  const { inputs, nodes } = graph.listing;
  const isMatrix = (value: Value): boolean => {
    const { [0]: count, [1]: width, length: rank } = graph.dims(value);
    return rank === 2 && count! > 1 && width === length && graph.isReal(value);
  };
  const [rows, ...others] = inputs.filter(isMatrix);
  if (rows === undefined || others.length > 0) return undefined;
  const known = new Set([rows]);
  const own = new Set<Node>();
  const sums = new Map<Value, Value>();
  for (const node of nodes) {
    if (!node.inputs.some((operand) => known.has(operand))) continue;
    const [value] = node.outputs as [Value];
    const summed = summedBy(node, graph);
    if (summed !== undefined) sums.set(value, summed);
    else if (node.operator in instructions && isMatrix(value)) known.add(value);
    else return undefined;
    const operands = summed === undefined ? node.inputs.filter((operand) => !known.has(operand)) : [];
    const isOperand = (operand: Value): boolean =>
      isGiven(operand) &&
      graph.isOperand(operand, length) &&
      (graph.size(operand) === 1 || graph.dims(operand).at(-1) === length);
    if (!operands.every(isOperand) || graph.namesOf(value).length > 1) return undefined;
    own.add(node);
  }
  const isWhole = [...known].every(
    (value) => graph.namesOf(value).length === 0 && graph.takersOf(value).every((taker) => own.has(taker)),
  );
  const has = (node: Node): boolean => own.has(node);
  return isWhole && sums.size > 0
    ? { rows, nodes: [...own].filter((node) => !sums.has(node.outputs[0]!)), sums, has }
    : undefined;
}

/** Of what a node is the sum over the rows: as it is written, or as a product with ones. */
function summedBy({ operator, inputs }: Node, { constants }: GraphView): Value | undefined {
  const [first, second] = inputs as [Value, Value];
  if (operator === 'ReduceSum') return isOverRows(constants.get(second)) ? first : undefined;
  const ones = constants.get(first);
  const isOnes = ones?.dims.length === 2 && ones.dims[0] === 1 && Array.from(ones.values).every((value) => value === 1);
  return operator === 'MatMul' && isOnes ? second : undefined;
}

const isOverRows = (axes: Constant | undefined): boolean => axes?.values.length === 1 && axes.values[0] === 0;
