/** How a graph ends: with a loop, and perhaps with a tail that takes what this gives, such as sums over it. */
import type { Node, Value } from '../onnx.js';
import type { GraphView } from './graph.js';

export interface Ending {
  /** Nodes of the last loop, in order. */
  readonly late: ReadonlySet<Node>;
  /** What takes their results, and leads to short outputs only. */
  readonly tail: ReadonlySet<Node>;
}

// What one more call of ONNX Runtime takes, in elements that its nodes pass over.
const worthFrom = 100_000;

/** The end of a graph whose vectors have `length` elements; it has a tail where that makes the loop longer by enough. */
export function endingOf(graph: GraphView, length: number, isElementwise: (node: Node) => boolean): Ending {
  const isShort = ({ operator, outputs }: Node): boolean =>
    operator !== 'Reshape' && outputs.every((value) => graph.size(value) < length);
  const alone = fromTheEnd(graph, isElementwise, () => false).late;
  const { late, end } = fromTheEnd(graph, isElementwise, isShort);
  const tail = new Set<Node>();
  for (const node of graph.listing.nodes) {
    const isFed = node.inputs.some((value) => {
      const producer = graph.producerOf(graph.unshaped(value))!;
      return late.has(producer) || tail.has(producer);
    });
    if (isFed && end.has(node)) tail.add(node);
  }
  const isWorthIt = (late.size - alone.size) * length >= worthFrom;
  // Arrays between the parts hold real numbers.
  const isPossible = operandsOfTail(graph, { late, tail }).every((value) => graph.isReal(value));
  return isWorthIt && isPossible ? { late, tail } : { late: alone, tail: new Set() };
}

/** What a tail takes of the rest, before it has been given another shape. */
export function operandsOfTail(graph: GraphView, { late, tail }: Ending): Value[] {
  const taken = [...tail].flatMap(({ inputs }) => inputs.map((value) => graph.unshaped(value)));
  return taken.filter((value) => {
    const producer = graph.producerOf(value);
    return producer !== undefined && !late.has(producer) && !tail.has(producer);
  });
}

/** Elementwise nodes that no other nodes need than such ones and those at the end, which are short. */
function fromTheEnd(
  graph: GraphView,
  isElementwise: (node: Node) => boolean,
  isShort: (node: Node) => boolean,
): { late: ReadonlySet<Node>; end: ReadonlySet<Node> } {
  const late = new Set<Node>();
  const end = new Set<Node>();
  for (const node of graph.listing.nodes.toReversed()) {
    const takers = node.outputs.flatMap((value) => graph.takersOf(value));
    if (isElementwise(node) && takers.every((taker) => late.has(taker) || end.has(taker))) late.add(node);
    else if (isShort(node) && takers.every((taker) => end.has(taker))) end.add(node);
  }
  return { late: new Set([...late].reverse()), end };
}
