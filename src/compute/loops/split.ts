/**
 * Takes out of a graph what it does to long vectors element by element, before everything else and after it. ONNX Runtime
 * passes over memory once for every operator; a loop passes over it once. What is left is the core, whose tensors lie in the
 * arrays of the program: slices of a vector, and the pieces of one, need no copy.
 */
import { isLarge } from '../checked.js';
import type { Constant, Listing, Node, Value, ValueType } from '../onnx.js';
import { sizeOf } from '../table.js';
import { instructions } from './text.js';

/** The same calculation for every element: nodes, in order, and which of their values are kept. */
export interface Loop {
  readonly nodes: readonly Node[];
  readonly keeps: readonly Value[];
}

/** Where a tensor lies: in which array, from which element on. */
export interface Place {
  readonly array: string;
  readonly from: number;
}

export interface Split {
  readonly types: Listing['types'];
  /** How many elements the vectors have. */
  readonly length: number;
  readonly before: Loop;
  readonly after: Loop;
  /** Constants, by their first values: loops take those that have no other. */
  readonly numbers: ReadonlyMap<Value, number>;
  /** The rest, as a graph whose inputs and outputs lie in `places`. */
  readonly core: Listing;
  readonly places: ReadonlyMap<string, Place>;
  /** Arrays that are neither inputs nor outputs of the program, and how many elements they have. */
  readonly between: Readonly<Record<string, number>>;
}

/** The graph in parts; undefined where none of its outputs is large. */
export function split(listing: Listing): Split | undefined {
  const length = Math.max(0, ...[...listing.outputs.values()].map((value) => sizeOf(listing.types.get(value)!.dims)));
  return isLarge(length) ? new Splitter(listing, length).split() : undefined;
}

class Splitter {
  private readonly constants: ReadonlyMap<Value, Constant>;
  private readonly producers = new Map<Value, Node>();
  /** The nodes that take a value, in whatever shape. */
  private readonly takers = new Map<Value, Node[]>();
  /** The outputs that a value is, in whatever shape. */
  private readonly names = new Map<Value, string[]>();
  /** Where what the core can take lies. */
  private readonly given = new Map<string, Place>();
  /** Where the rest lies. */
  private readonly made = new Map<string, Place>();
  private readonly between: Record<string, number> = {};

  constructor(
    private readonly listing: Listing,
    private readonly length: number,
  ) {
    const { constants, inputs, nodes, outputs } = listing;
    this.constants = new Map(constants.map((constant) => [constant.name, constant]));
    for (const node of nodes) for (const value of node.outputs) this.producers.set(value, node);
    for (const node of nodes.filter(({ operator }) => operator !== 'Reshape')) {
      for (const value of node.inputs) listUnder(this.takers, this.unshaped(value)).push(node);
    }
    for (const [name, value] of outputs) listUnder(this.names, this.unshaped(value)).push(name);
    for (const value of inputs) this.given.set(value, { array: value, from: 0 });
  }

  split(): Split {
    const early = this.early();
    const late = this.late();
    const leading = [...early].filter((node) => !late.has(node));
    // What only loops take is calculated again, in each of them.
    const stays = (node: Node): boolean => !early.has(node) && !late.has(node);
    const kept = leading.filter((node) => this.namesOf(node).length > 0 || this.takersOf(node).some(stays));
    const last = [...late].filter((node) => this.namesOf(node).length > 0);
    for (const node of kept) this.give(node);
    for (const node of last) this.made.set(node.outputs[0]!, { array: this.namesOf(node)[0]!, from: 0 });
    const again = leading.filter((node) => !kept.includes(node));
    const before = this.loop([...again, ...kept], kept);
    const after = this.loop([...again, ...late], last);
    for (const value of [before, after].flatMap(operandsOf)) this.recall(value);
    const outputs = this.outputsOfCore(after, late);
    const core = this.coreOf(outputs);
    return {
      types: this.listing.types,
      length: this.length,
      before,
      after,
      numbers: new Map(this.listing.constants.map(({ name, values }) => [name, values[0]!])),
      core,
      places: new Map([...this.given, ...this.made]),
      between: this.between,
    };
  }

  /** Nodes of a loop that need nothing but what is given. */
  private early(): Set<Node> {
    const early = new Set<Node>();
    const isGiven = (value: Value): boolean => {
      const own = this.unshaped(value);
      return this.constants.has(own) || this.placeOf(own) !== undefined || early.has(this.producers.get(own)!);
    };
    for (const node of this.listing.nodes) if (this.isElementwise(node) && node.inputs.every(isGiven)) early.add(node);
    return early;
  }

  /** Nodes of a loop that no other node needs, in order. */
  private late(): Set<Node> {
    const late = new Set<Node>();
    for (const node of this.listing.nodes.toReversed()) {
      if (this.isElementwise(node) && this.takersOf(node).every((taker) => late.has(taker))) late.add(node);
    }
    return new Set([...late].reverse());
  }

  private isElementwise(node: Node): boolean {
    const { operator, inputs, outputs } = node;
    const isOperand = (value: Value): boolean =>
      this.isReal(value) && (this.size(value) === 1 || (this.isVector(value) && !this.constants.has(value)));
    return (
      operator in instructions && this.isVector(outputs[0]!) && inputs.every(isOperand) && this.namesOf(node).length < 2
    );
  }

  /** The nodes that `results` need, and what is kept of them. */
  private loop(nodes: readonly Node[], results: readonly Node[]): Loop {
    const needed = new Set(results.map((node) => node.outputs[0]!));
    const own = nodes.toReversed().filter(({ inputs, outputs }) => {
      if (!needed.has(outputs[0]!)) return false;
      for (const value of inputs) needed.add(this.unshaped(value));
      return true;
    });
    const inOrder = new Set(own);
    return {
      nodes: this.listing.nodes
        .filter((node) => inOrder.has(node))
        .map((node) => ({ ...node, inputs: node.inputs.map((value) => this.unshaped(value)) })),
      keeps: results.map((node) => node.outputs[0]!),
    };
  }

  /** By name, what the core gives: outputs of the program, and what the loop after it takes. */
  private outputsOfCore(after: Loop, late: ReadonlySet<Node>): Map<string, Value> {
    const outputs = new Map<string, Value>();
    for (const [name, value] of this.listing.outputs) {
      const own = this.unshaped(value);
      if ((this.made.get(own) ?? this.given.get(own))?.array === name) continue;
      for (const known of [name, own]) this.made.set(known, { array: name, from: 0 });
      outputs.set(name, value);
    }
    const isKnown = (value: Value): boolean =>
      this.constants.has(value) || this.made.has(value) || this.given.has(value);
    for (const value of operandsOf(after).filter((operand) => !isKnown(operand))) {
      this.between[value] = this.size(value);
      this.made.set(value, { array: value, from: 0 });
      for (const [piece, from] of this.piecesOf(value, late, outputs) ?? [[value, 0] as const]) {
        this.made.set(piece, { array: value, from });
        outputs.set(piece, piece);
      }
    }
    return outputs;
  }

  /** The pieces of a vector that is nothing but these, one behind the other, and where each begins. */
  private piecesOf(
    value: Value,
    late: ReadonlySet<Node>,
    outputs: ReadonlyMap<string, Value>,
  ): Map<Value, number> | undefined {
    const node = this.producers.get(value);
    if (node?.operator !== 'Concat') return undefined;
    const axis = node.attributes['axis'] as number;
    const isFlat = this.dims(value).every((extent, at) => at >= axis || extent === 1);
    if (!isFlat || !this.takersOf(node).every((taker) => late.has(taker)) || this.namesOf(node).length > 0) return;
    const pieces = new Map<Value, number>();
    let from = 0;
    for (const piece of node.inputs.map((input) => this.unshaped(input))) {
      const isOwn = this.producers.has(piece) && this.placeOf(piece) === undefined && !this.names.has(piece);
      if (!isOwn || pieces.has(piece) || outputs.has(piece)) return undefined;
      pieces.set(piece, from);
      from += this.size(piece);
    }
    return pieces;
  }

  /** What `outputs` need, from what has a place. */
  private coreOf(outputs: ReadonlyMap<string, Value>): Listing {
    const { types, constants, nodes } = this.listing;
    const inputs = new Set<Value>();
    const needed = new Set<Value>();
    const need = (value: Value): void => {
      if (this.recall(value)) inputs.add(value);
      else needed.add(value);
    };
    for (const value of outputs.values()) need(value);
    const own = nodes.toReversed().filter((node) => {
      if (!node.outputs.some((value) => needed.has(value))) return false;
      for (const value of node.inputs) need(value);
      return true;
    });
    return {
      types,
      constants: constants.filter(({ name }) => needed.has(name)),
      inputs: [...inputs],
      nodes: own.reverse(),
      outputs,
    };
  }

  /** Has what a node of the first loop gives lie in an array of its own, or in that of an output. */
  private give(node: Node): void {
    const [value] = node.outputs as [Value];
    const [name] = this.namesOf(node);
    if (name === undefined) this.between[value] = this.size(value);
    this.given.set(value, { array: name ?? value, from: 0 });
  }

  /** Writes down where a value lies that is given; says whether it is. */
  private recall(value: Value): boolean {
    const place = this.placeOf(value);
    if (place !== undefined) this.given.set(value, place);
    return place !== undefined;
  }

  /** Where a value that is given to the core lies: parts of what is given are. */
  private placeOf(value: Value): Place | undefined {
    const place = this.given.get(value);
    const node = this.producers.get(value);
    if (place !== undefined || node === undefined) return place;
    const from = this.beginsAt(value, node);
    const whole = from === undefined ? undefined : this.placeOf(node.inputs[0]!);
    return whole === undefined ? undefined : { array: whole.array, from: whole.from + from! };
  }

  /** From which element of the first input of `node` on `value` lies, if it is a part of it. */
  private beginsAt(value: Value, { operator, inputs, outputs }: Node): number | undefined {
    if (operator === 'Reshape') return 0;
    if (this.dims(inputs[0]!).length !== 1) return undefined;
    if (operator === 'Split') {
      const before = outputs.slice(0, outputs.indexOf(value));
      return before.reduce((total, part) => total + this.size(part), 0);
    }
    if (operator !== 'Slice') return undefined;
    const [start, step] = [this.constants.get(inputs[1]!)?.values[0], this.constants.get(inputs[4]!)?.values[0] ?? 1];
    return start !== undefined && start >= 0 && step === 1 ? start : undefined;
  }

  /** The value as it was before it was given another shape. */
  private unshaped(value: Value): Value {
    const node = this.producers.get(value);
    return node?.operator === 'Reshape' ? this.unshaped(node.inputs[0]!) : value;
  }

  private takersOf(node: Node): readonly Node[] {
    return this.takers.get(node.outputs[0]!) ?? [];
  }

  private namesOf(node: Node): readonly string[] {
    return this.names.get(node.outputs[0]!) ?? [];
  }

  private typeOf(value: Value): ValueType {
    return this.listing.types.get(value)!;
  }

  private dims(value: Value): readonly number[] {
    return this.typeOf(value).dims;
  }

  private size(value: Value): number {
    return sizeOf(this.dims(value));
  }

  private isReal(value: Value): boolean {
    return this.typeOf(value).type === 'float32';
  }

  private isVector(value: Value): boolean {
    return this.isReal(value) && this.size(value) === this.length;
  }
}

/** What the nodes of a loop take that none of them gives. */
export function operandsOf({ nodes }: Loop): Value[] {
  const own = new Set(nodes.flatMap(({ outputs }) => outputs));
  return [...new Set(nodes.flatMap(({ inputs }) => inputs))].filter((value) => !own.has(value));
}

function listUnder<Key, Item>(lists: Map<Key, Item[]>, key: Key): Item[] {
  let list = lists.get(key);
  if (list === undefined) lists.set(key, (list = []));
  return list;
}
