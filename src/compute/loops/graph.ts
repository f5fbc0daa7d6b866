/** A graph to find one's way in: what gives a value, and what takes it, in whatever shape. */
import type { Constant, Listing, Node, Value } from '../onnx.js';
import { sizeOf } from '../table.js';

export class GraphView {
  readonly constants: ReadonlyMap<Value, Constant>;
  private readonly producers = new Map<Value, Node>();
  private readonly takers = new Map<Value, Node[]>();
  private readonly names = new Map<Value, string[]>();

  constructor(readonly listing: Listing) {
    const { constants, nodes, outputs } = listing;
    this.constants = new Map(constants.map((constant) => [constant.name, constant]));
    for (const node of nodes) for (const value of node.outputs) this.producers.set(value, node);
    for (const node of nodes.filter(({ operator }) => operator !== 'Reshape')) {
      for (const value of node.inputs) listUnder(this.takers, this.unshaped(value)).push(node);
    }
    for (const [name, value] of outputs) listUnder(this.names, this.unshaped(value)).push(name);
  }

  producerOf(value: Value): Node | undefined {
    return this.producers.get(value);
  }

  /** The nodes that take a value which has not been given another shape. */
  takersOf(value: Value): readonly Node[] {
    return this.takers.get(value) ?? [];
  }

  /** The outputs of the graph that it is. */
  namesOf(value: Value): readonly string[] {
    return this.names.get(value) ?? [];
  }

  /** The value as it was before it was given another shape. */
  unshaped(value: Value): Value {
    const node = this.producers.get(value);
    return node?.operator === 'Reshape' ? this.unshaped(node.inputs[0]!) : value;
  }

  dims(value: Value): readonly number[] {
    return this.listing.types.get(value)!.dims;
  }

  size(value: Value): number {
    return sizeOf(this.dims(value));
  }

  /** Whether a loop over vectors of `length` elements can take a value: as one of them, or as a number. */
  isOperand(value: Value, length: number): boolean {
    const isVector = this.size(value) === length && !this.constants.has(this.unshaped(value));
    return this.isReal(value) && (this.size(value) === 1 || isVector);
  }

  isReal(value: Value): boolean {
    return this.listing.types.get(value)!.type === 'float32';
  }
}

function listUnder<Key, Item>(lists: Map<Key, Item[]>, key: Key): Item[] {
  let list = lists.get(key);
  if (list === undefined) lists.set(key, (list = []));
  return list;
}
