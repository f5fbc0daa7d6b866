/**
 * A list that never changes. Giving it another value, or one more, makes another list, which shares all but a path of its
 * tree with the first: states of many workers follow each other without being copied. It is plain data.
 */

/** Values of a node, or nodes below it. */
const width = 32;

type Node<Value> = readonly Value[] | readonly Node<Value>[];

export interface PersistentList<Value> {
  readonly length: number;
  /** How many values lie below each place of the root: 1, 32, 1024, ... */
  readonly span: number;
  readonly root: Node<Value>;
}

export function listOf<Value>(values: readonly Value[]): PersistentList<Value> {
  let root: Node<Value> = values;
  let span = 1;
  while (root.length > width) {
    const below: Node<Value> = root;
    const count = Math.ceil(below.length / width);
    root = Array.from({ length: count }, (_, index) => below.slice(index * width, (index + 1) * width) as Node<Value>);
    span *= width;
  }
  return { length: values.length, span, root };
}

/** The value at `index`, from 0. */
export function valueAt<Value>({ root, span, length }: PersistentList<Value>, index: number): Value {
  checkIndex(index, length);
  let node = root;
  let rest = index;
  for (let below = span; below > 1; below /= width) {
    node = (node as readonly Node<Value>[])[Math.floor(rest / below)]!;
    rest %= below;
  }
  return (node as readonly Value[])[rest]!;
}

/** The list with `value` at `index`. */
export function withValue<Value>(list: PersistentList<Value>, index: number, value: Value): PersistentList<Value> {
  const { length, span, root } = list;
  checkIndex(index, length);
  return { length, span, root: replaced(root, { index, span, value }) };
}

/** The list with `value` at its end. */
export function appended<Value>({ length, span, root }: PersistentList<Value>, value: Value): PersistentList<Value> {
  if (length < span * width) return { length: length + 1, span, root: extended(root, { index: length, span, value }) };
  const grown = span * width;
  return {
    length: length + 1,
    span: grown,
    root: extended([root] as Node<Value>, { index: length, span: grown, value }),
  };
}

/** All values in order. */
export function valuesOf<Value>({ root, span }: PersistentList<Value>): Value[] {
  let level: Node<Value> = root;
  for (let below = span; below > 1; below /= width) level = (level as readonly Node<Value>[]).flat() as Node<Value>;
  return [...(level as readonly Value[])];
}

interface Replacement<Value> {
  readonly index: number;
  readonly span: number;
  readonly value: Value;
}

function replaced<Value>(node: Node<Value>, { index, span, value }: Replacement<Value>): Node<Value> {
  if (span === 1) return (node as readonly Value[]).with(index, value);
  const place = Math.floor(index / span);
  const nodes = node as readonly Node<Value>[];
  return nodes.with(place, replaced(nodes[place]!, { index: index % span, span: span / width, value }));
}

/** The node with a value at `index`, the first place that is free below it. */
function extended<Value>(node: Node<Value>, { index, span, value }: Replacement<Value>): Node<Value> {
  if (span === 1) return [...(node as readonly Value[]), value];
  const place = Math.floor(index / span);
  const nodes = node as readonly Node<Value>[];
  const below = extended(nodes[place] ?? [], { index: index % span, span: span / width, value });
  return place < nodes.length ? nodes.with(place, below) : [...nodes, below];
}

function checkIndex(index: number, length: number): void {
  if (!(index >= 0 && index < length)) throw new Error(`index ${index} is outside a list of ${length}`);
}
