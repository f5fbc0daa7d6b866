/**
 * Takes out of a graph what it does to long vectors element by element, before everything else and after it. ONNX Runtime
 * passes over memory once for every operator; a loop passes over it once. What is left is the core, whose tensors lie in the
 * arrays of the program: slices of a vector, and the pieces of one, need no copy.
 */
import type { Listing, Node, Value } from '../onnx.js';
import { sizeOf } from '../table.js';
import { endingOf, operandsOfTail, type Ending } from './ending.js';
import { foldOf, withSums } from './fold.js';
import { GraphView } from './graph.js';
import { instructions } from './instructions.js';
import { operandsOf, type Loop, type Place, type Split } from './parts.js';

/** The graph in parts; undefined where none of its outputs has `longFrom` elements. */
export function split(listing: Listing, longFrom: number): Split | undefined {
  const length = Math.max(0, ...[...listing.outputs.values()].map((value) => sizeOf(listing.types.get(value)!.dims)));
  return length >= longFrom ? new Splitter(new GraphView(withSums(listing, length)), length).split() : undefined;
}

class Splitter {
  private readonly listing: Listing;
  /** Where what the core can take lies. */
  private readonly given = new Map<string, Place>();
  /** Where the rest lies. */
  private readonly made = new Map<string, Place>();
  private readonly between: Record<string, number> = {};

  constructor(
    private readonly graph: GraphView,
    private readonly length: number,
  ) {
    this.listing = graph.listing;
    for (const value of this.listing.inputs) this.given.set(value, { array: value, from: 0 });
  }

  split(): Split {
    const early = this.early();
    const fold = foldOf(this.graph, this.length, (value) => this.isGiven(value, early));
    const ending = endingOf(this.graph, this.length, (node) => this.isElementwise(node));
    const { late, tail } = ending;
    const leading = [...early].filter((node) => !late.has(node));
    const stays = (node: Node): boolean => !early.has(node) && !late.has(node) && !fold?.has(node);
    const kept = leading.filter((node) => this.namesOf(node).length > 0 || this.takersOf(node).some(stays));
    const isTaken = (node: Node): boolean => this.takersOf(node).some((taker) => tail.has(taker));
    const last = [...late].filter((node) => this.namesOf(node).length > 0 || isTaken(node));
    for (const value of [...valuesOf(kept), ...(fold?.sums.keys() ?? [])]) this.given.set(value, this.arrayOf(value));
    for (const value of valuesOf(last)) this.made.set(value, this.arrayOf(value));
    // What several loops take each of them calculates: that is quicker than to read it.
    const before = this.loop(leading, { keeps: valuesOf(kept) });
    const each = fold && {
      rows: fold.rows,
      loop: this.loop([...leading, ...fold.nodes], { keeps: [], sums: fold.sums }),
    };
    const after = this.loop([...leading, ...late], { keeps: valuesOf(last) });
    for (const value of [before, ...(each ? [each.loop] : []), after].flatMap(operandsOf)) this.recall(value);
    const core = this.graphOf(this.outputsOfCore(after, ending));
    const end = tail.size === 0 ? undefined : this.graphOf(this.outputsOfTail(tail));
    return {
      listing: this.listing,
      length: this.length,
      before,
      each,
      after,
      numbers: new Map(this.listing.constants.map(({ name, values }) => [name, values[0]!])),
      core,
      tail: end,
      places: new Map([...this.given, ...this.made]),
      between: this.between,
      over: this.over(last, end),
    };
  }

  /** Nodes of a loop that need nothing but what is given. */
  private early(): Set<Node> {
    const early = new Set<Node>();
    for (const node of this.listing.nodes) {
      if (this.isElementwise(node) && node.inputs.every((value) => this.isGiven(value, early))) early.add(node);
    }
    return early;
  }

  private isGiven(value: Value, early: ReadonlySet<Node>): boolean {
    const own = this.graph.unshaped(value);
    const isPlaced = this.graph.constants.has(own) || this.placeOf(own) !== undefined;
    return isPlaced || early.has(this.graph.producerOf(own)!);
  }

  private isElementwise(node: Node): boolean {
    const { graph } = this;
    const { operator, inputs, outputs } = node;
    const isVector = graph.size(outputs[0]!) === this.length && graph.isReal(outputs[0]!);
    const isOne = operator in instructions && isVector && inputs.every((value) => graph.isOperand(value, this.length));
    return isOne && this.namesOf(node).length < 2;
  }

  /** A loop of those of `nodes` that its results need. */
  private loop(nodes: readonly Node[], results: Pick<Loop, 'keeps' | 'sums'>): Loop {
    const needed = new Set([...results.keeps, ...(results.sums?.values() ?? [])]);
    const possible = new Set(nodes);
    const own = this.listing.nodes.toReversed().flatMap((node) => {
      if (!possible.has(node) || !needed.has(node.outputs[0]!)) return [];
      const inputs = node.inputs.map((value) => this.graph.unshaped(value));
      for (const value of inputs) needed.add(value);
      return [{ ...node, inputs }];
    });
    return { nodes: own.reverse(), ...results };
  }

  /** By name, what the core gives: outputs of the program, and what the loop after it and the tail take. */
  private outputsOfCore(after: Loop, ending: Ending): Map<string, Value> {
    const { late, tail } = ending;
    const outputs = new Map<string, Value>();
    for (const [name, value] of this.listing.outputs) {
      const own = this.graph.unshaped(value);
      const isOfTail = tail.has(this.graph.producerOf(own)!);
      if (isOfTail || (this.made.get(own) ?? this.given.get(own))?.array === name) continue;
      outputs.set(name, value);
      this.made.set(name, { array: name, from: 0 });
      if (!this.recall(own)) this.made.set(own, { array: name, from: 0 });
    }
    const isKnown = (value: Value): boolean =>
      this.graph.constants.has(value) || this.made.has(value) || this.given.has(value);
    const taken = operandsOfTail(this.graph, ending).filter((value) => !this.recall(value));
    for (const value of [...operandsOf(after), ...taken]) {
      // One may have come to lie somewhere as a piece of another.
      if (isKnown(value)) continue;
      this.between[value] = this.graph.size(value);
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
    const { graph } = this;
    const node = graph.producerOf(value);
    if (node?.operator !== 'Concat') return undefined;
    const axis = node.attributes['axis'] as number;
    const isFlat = graph.dims(value).every((extent, at) => at >= axis || extent === 1);
    if (!isFlat || !graph.takersOf(value).every((taker) => late.has(taker)) || graph.namesOf(value).length > 0) return;
    const pieces = new Map<Value, number>();
    let from = 0;
    for (const piece of node.inputs.map((input) => graph.unshaped(input))) {
      const isOwn = graph.producerOf(piece) !== undefined && this.placeOf(piece) === undefined;
      if (!isOwn || graph.namesOf(piece).length > 0 || pieces.has(piece) || outputs.has(piece)) return undefined;
      pieces.set(piece, from);
      from += graph.size(piece);
    }
    return pieces;
  }

  /** By name, the outputs of the program that the tail gives; what the parts before it gave is there by then. */
  private outputsOfTail(tail: ReadonlySet<Node>): Map<string, Value> {
    for (const [value, place] of this.made) this.given.set(value, place);
    const { graph } = this;
    const own = [...this.listing.outputs].filter(([, value]) => tail.has(graph.producerOf(graph.unshaped(value))!));
    for (const [name] of own) this.made.set(name, { array: name, from: 0 });
    return new Map(own);
  }

  /** What `outputs` need, from what has a place. */
  private graphOf(outputs: ReadonlyMap<string, Value>): Listing {
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

  /** For outputs of the last loop, inputs as long that nobody reads after it. */
  private over(last: readonly Node[], tail: Listing | undefined): Record<string, string> {
    const read = tail?.inputs.map((value) => this.given.get(value)!.array) ?? [];
    const long = this.listing.inputs.filter(
      (value) => this.graph.size(value) === this.length && this.graph.isReal(value) && !read.includes(value),
    );
    const names = last.flatMap((node) => this.namesOf(node));
    return Object.fromEntries(names.slice(0, long.length).map((name, index) => [name, long[index]!] as const));
  }

  /** An array for a value that a loop gives: that of an output, or one of its own. */
  private arrayOf(value: Value): Place {
    const [name] = this.graph.namesOf(value);
    if (name === undefined) this.between[value] = this.graph.size(value);
    return { array: name ?? value, from: 0 };
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
    const node = this.graph.producerOf(value);
    if (place !== undefined || node === undefined) return place;
    const from = this.beginsAt(value, node);
    const whole = from === undefined ? undefined : this.placeOf(node.inputs[0]!);
    return whole === undefined ? undefined : { array: whole.array, from: whole.from + from! };
  }

  /** From which element of the first input of `node` on `value` lies, if it is a part of it without gaps. */
  private beginsAt(value: Value, { operator, inputs, outputs }: Node): number | undefined {
    const { graph } = this;
    if (operator === 'Reshape') return 0;
    // All are along the first axis.
    if (operator === 'Split') {
      const before = outputs.slice(0, outputs.indexOf(value));
      return before.reduce((total, part) => total + graph.size(part), 0);
    }
    if (operator !== 'Slice') return undefined;
    const [starts, axes, steps] = [1, 3, 4].map((input) => graph.constants.get(inputs[input]!)?.values);
    const [start, axis, step] = [starts?.[0] ?? -1, axes?.[0] ?? -1, steps?.[0] ?? 1];
    const dims = graph.dims(inputs[0]!);
    const isWhole = axes?.length === 1 && dims.every((extent, at) => at >= axis || extent === 1);
    return isWhole && axis >= 0 && start >= 0 && step === 1 ? start * sizeOf(dims.slice(axis + 1)) : undefined;
  }

  private takersOf(node: Node): readonly Node[] {
    return this.graph.takersOf(node.outputs[0]!);
  }

  private namesOf(node: Node): readonly string[] {
    return this.graph.namesOf(node.outputs[0]!);
  }
}

const valuesOf = (nodes: readonly Node[]): Value[] => nodes.map(({ outputs }) => outputs[0]!);
