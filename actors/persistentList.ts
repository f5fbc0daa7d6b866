/**
 * A list of fixed length that never changes. Giving it another value makes another list, which shares all but a path of
 * its tree with the first: states of many workers follow each other without being copied. It is plain data.
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

function checkIndex(index: number, length: number): void {
  if (!(index >= 0 && index < length)) throw new Error(`index ${index} is outside a list of ${length}`);
}
