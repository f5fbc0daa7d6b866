/**
 * Symbols: what stands for a tensor while a function is traced. A symbol knows its value in the ONNX graph
 * and the physical order of its axes, so that a transpose costs nothing: elementwise rules work in the
 * physical order, and only a rule that needs a certain order writes a Transpose.
 */
import { elementTypes, type ElementType, type OnnxGraph, type Value } from './onnx.js';
import { sizeOf } from './table.js';

export type SymbolType = Exclude<ElementType, 'int64'>;

export interface TraceSymbol {
  /** Logical shape, as TensorFlow.js sees it. */
  readonly shape: readonly number[];
  readonly dtype: SymbolType;
  /** Physical axis k holds logical axis `order[k]`. */
  readonly order: readonly number[];
  /** The value in the graph; absent for constants until they are needed there. */
  readonly value?: Value;
  /** Known values in logical order. */
  readonly constant?: ArrayLike<number>;
  /** For numbers that are 1 where a condition holds and 0 elsewhere: the condition, in `order`, instead of `value`. */
  readonly mask?: Value;
}

/** 0, 1, ..., rank - 1: logical order. */
export function logicalOrder(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** The extents of the physical axes of a tensor of logical `shape`. */
export function physicalDims(shape: readonly number[], order: readonly number[]): number[] {
  return order.map((axis) => shape[axis]!);
}

/** A symbol for a value that lies in `order`; `dims` of the graph must agree. */
export function symbolOf(
  graph: OnnxGraph,
  value: Value,
  shape: readonly number[],
  order: readonly number[] = logicalOrder(shape.length),
): TraceSymbol {
  return { shape, order, value, dtype: graph.type(value) as SymbolType };
}

/** A symbol for the whole numbers that ONNX gives as int64, which TensorFlow.js has as int32. */
export function narrowed(
  graph: OnnxGraph,
  value: Value,
  shape: readonly number[],
  order: readonly number[] = logicalOrder(shape.length),
): TraceSymbol {
  return symbolOf(graph, cast(graph, value, 'int32'), shape, order);
}

/** The one number that a constant holds everywhere, if it does. */
export function splat(symbol: TraceSymbol): number | undefined {
  const { constant } = symbol;
  if (constant === undefined || constant.length === 0) return undefined;
  const first = constant[0]!;
  for (let index = 1; index < constant.length; index += 1) if (constant[index] !== first) return undefined;
  return first;
}

/** The value of a symbol in its own physical order. */
export function valueOf(graph: OnnxGraph, symbol: TraceSymbol): Value {
  if (symbol.value !== undefined) return symbol.value;
  if (symbol.mask !== undefined) return cast(graph, symbol.mask, symbol.dtype);
  return graph.constant(symbol.dtype, symbol.shape, symbol.constant!);
}

function cast(graph: OnnxGraph, value: Value, dtype: SymbolType): Value {
  return graph.node('Cast', [value], graph.dims(value), { type: dtype, attributes: { to: elementTypes[dtype] } });
}

const conversions: Readonly<Record<SymbolType, (value: number) => number>> = {
  float32: (value) => value,
  int32: Math.trunc,
  bool: (value) => (value === 0 ? 0 : 1),
};

/** The same tensor with elements of another type. Conditions become masks, and masks conditions, without a node. */
export function converted(graph: OnnxGraph, symbol: TraceSymbol, dtype: SymbolType): TraceSymbol {
  if (dtype === symbol.dtype) return symbol;
  const { shape, order, constant, mask } = symbol;
  if (constant !== undefined) return { shape, order, dtype, constant: Array.from(constant, conversions[dtype]) };
  if (mask !== undefined) return dtype === 'bool' ? symbolOf(graph, mask, shape, order) : { shape, order, dtype, mask };
  const value = valueOf(graph, symbol);
  if (symbol.dtype === 'bool') return { shape, order, dtype, mask: value };
  return symbolOf(graph, cast(graph, value, dtype), shape, order);
}

/**
 * The value of a symbol seen as a tensor of `order.length` axes (ones are put before) whose physical axes
 * follow `order`. Writes a Transpose only if axes longer than 1 change places.
 */
export function arrange(
  graph: OnnxGraph,
  symbol: TraceSymbol,
  order: readonly number[] = logicalOrder(symbol.shape.length),
): Value {
  const leading = order.length - symbol.shape.length;
  const extent = (axis: number): number => (axis < leading ? 1 : symbol.shape[axis - leading]!);
  const long = order.filter((axis) => extent(axis) !== 1);
  const present = symbol.order.map((axis) => axis + leading).filter((axis) => extent(axis) !== 1);
  const permutation = long.map((axis) => present.indexOf(axis));
  const value = valueOf(graph, symbol);
  if (permutation.every((axis, position) => axis === position)) return graph.reshape(value, order.map(extent));
  const squeezed = graph.reshape(value, present.map(extent));
  return graph.reshape(graph.transpose(squeezed, permutation), order.map(extent));
}

/**
 * Values of several symbols that broadcast together to `shape`, all in one physical order: that of the
 * largest symbol, so that the big tensors stay where they are.
 */
export function alignBroadcast(
  graph: OnnxGraph,
  symbols: readonly TraceSymbol[],
  shape: readonly number[],
): { values: Value[]; order: readonly number[] } {
  const order = commonOrder(symbols, shape);
  // A constant that is one number everywhere becomes a scalar, as long as the others span the whole shape.
  const varied = symbols.filter((symbol) => splat(symbol) === undefined);
  const spanned = shape.every((extent, axis) =>
    varied.some((symbol) => (symbol.shape[axis - (shape.length - symbol.shape.length)] ?? 1) === extent),
  );
  const values = symbols.map((symbol) => {
    const number = spanned ? splat(symbol) : undefined;
    return number === undefined ? arrange(graph, symbol, order) : graph.constant(symbol.dtype, [], [number]);
  });
  return { values, order };
}

/** The physical order in which an elementwise operation of these symbols works. */
export function commonOrder(symbols: readonly TraceSymbol[], shape: readonly number[]): readonly number[] {
  const full = symbols.filter((symbol) => symbol.shape.length === shape.length && symbol.constant === undefined);
  const largest = full.reduce<TraceSymbol | undefined>(
    (best, symbol) => (best === undefined || sizeOf(symbol.shape) > sizeOf(best.shape) ? symbol : best),
    undefined,
  );
  return largest?.order ?? logicalOrder(shape.length);
}
