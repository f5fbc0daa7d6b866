/** Rules for reductions over axes, and running sums along one. */
import { util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import { converted, narrowed, physicalDims, symbolOf, valueOf, type SymbolType, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { factsOf } from './facts.js';
import type { RuleCall, SingleRule } from './rule.js';

/** What remains of `symbol` when `axes` are reduced: its shape and the physical order of its axes. */
function reduced(symbol: TraceSymbol, axes: readonly number[], keepDims: boolean) {
  if (keepDims) {
    const shape = symbol.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    return { shape, order: symbol.order };
  }
  const kept = symbol.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const order = symbol.order.filter((axis) => kept.includes(axis)).map((axis) => kept.indexOf(axis));
  return { shape: kept.map((axis) => symbol.shape[axis]!), order };
}

/** The axes that a call names (Max has its own word for them); all, if it names none. */
function axesOf({ attributes }: Pick<RuleCall, 'attributes'>, { shape }: TraceSymbol): number[] {
  const named = (attributes['axis'] ?? attributes['reductionIndices']) as number | number[] | undefined;
  return util.parseAxisParam(named ?? shape.map((_, axis) => axis), [...shape]);
}

interface Types {
  /** Elements of the types on the left are made those on the right before the reduction. */
  readonly before?: Partial<Record<SymbolType, SymbolType>>;
  /** The type of the result, if it is not the one that was reduced. */
  readonly after?: SymbolType;
}

// Conditions are counted, multiplied and compared as 0 and 1.
const numbers = { bool: 'int32' } as const;

/** A reduction whose ONNX operator takes its axes as an input (opset 18). */
function reduction(operator: string, { before = numbers, after }: Types = {}): SingleRule {
  return ({ graph, inputs, attributes }) => {
    const given = inputs['x']!;
    const x = converted(graph, given, before[given.dtype] ?? given.dtype);
    const axes = axesOf({ attributes }, x);
    if (axes.length === 0) return converted(graph, x, after ?? x.dtype);
    const keepDims = attributes['keepDims'] === true;
    const { shape, order } = reduced(x, axes, keepDims);
    const physicalAxes = axes.map((axis) => x.order.indexOf(axis)).sort((a, b) => a - b);
    // The sum over all pixels of a scattered gradient is the sum over its windows.
    const scattered = operator === 'ReduceSum' ? factsOf(graph).scattered.get(x) : undefined;
    const isOverPixels = scattered !== undefined && [1, 2].every((axis) => axes.includes(axis));
    const summed = isOverPixels ? scattered.gradient : valueOf(graph, x);
    const dims = physicalDims(shape, order);
    const operands = [summed, graph.constant('int64', [axes.length], physicalAxes)];
    const keepdims = keepDims ? 1 : 0;
    const otherwise = operator === 'ReduceSum' ? sumOtherwise(graph, summed, physicalAxes) : undefined;
    const value =
      otherwise === undefined
        ? graph.node(operator, operands, dims, { attributes: { keepdims } })
        : graph.reshape(otherwise, dims);
    graph.operations += sizeOf(x.shape);
    return converted(graph, symbolOf(graph, value, shape, order), after ?? x.dtype);
  };
}

/** A sum by other operators than ReduceSum over all axes at once, where that is faster. */
function sumOtherwise(graph: OnnxGraph, value: Value, axes: readonly number[]): Value | undefined {
  if (graph.type(value) !== 'float32') return undefined;
  if (graph.onDevice) return sumOfBlocks(graph, value, axes);
  return axes.join() === '0' && isFewRows(graph, value) ? sumOfRows(graph, value) : undefined;
}

// The webgpu device of ONNX Runtime 1.30 moves what it sums to the last axis, and adds it up one number after the other.
const blockMin = 64;
const rowMax = 1024;

/** A sum in two steps: over blocks, and over what these give. */
function sumOfBlocks(graph: OnnxGraph, value: Value, axes: readonly number[]): Value | undefined {
  const dims = graph.dims(value);
  const [first] = axes as [number];
  if (axes.some((axis, index) => axis !== first + index)) return undefined;
  const before = dims.slice(0, first);
  const extents = axes.map((axis) => dims[axis]!);
  const columns = dims.slice(axes.at(-1)! + 1);
  if (columns.length === 0) return sumOfRow(graph, graph.reshape(value, [...before, sizeOf(extents)]));
  const count = extents.length > 1 ? extents[0]! : 1;
  const block = sizeOf(extents) / count;
  if (columns.length > 1 || block < blockMin) return undefined;
  const ones = graph.constant('float32', [1, block], new Array<number>(block).fill(1));
  const blocks = graph.reshape(value, [...before, count, block, ...columns]);
  const sums = graph.node('MatMul', [ones, blocks], [...before, count, 1, ...columns]);
  return count === 1 ? sums : summed(graph, graph.reshape(sums, [...before, count, ...columns]), first);
}

/** The sum over a long last axis, zeros being put behind it to have blocks of equal length. */
function sumOfRow(graph: OnnxGraph, rows: Value): Value | undefined {
  const dims = graph.dims(rows);
  const before = dims.slice(0, -1);
  const extent = dims.at(-1)!;
  if (extent <= rowMax) return undefined;
  const block = Math.ceil(Math.sqrt(extent));
  const missing = block * block - extent;
  const padded = missing === 0 ? rows : graph.padded(rows, [...dims.map(() => 0), ...before.map(() => 0), missing]);
  const sums = summed(graph, graph.reshape(padded, [...before, block, block]), dims.length);
  return summed(graph, sums, before.length);
}

/** The sum over one axis. */
export function summed(graph: OnnxGraph, value: Value, axis: number): Value {
  const dims = graph.dims(value).filter((_, at) => at !== axis);
  const operands = [value, graph.constant('int64', [1], [axis])];
  return graph.node('ReduceSum', operands, dims, { attributes: { keepdims: 0 } });
}

// The sum of more rows is no faster as a product, and adding them one after the other would lose digits.
const rowsMax = 64;

const isFewRows = (graph: OnnxGraph, value: Value): boolean =>
  graph.dims(value).length === 2 && graph.dims(value)[0]! <= rowsMax;

/** The sum of a matrix's rows, as a product with ones: ONNX Runtime's ReduceSum takes five times as long for long rows. */
function sumOfRows(graph: OnnxGraph, matrix: Value): Value {
  const [rows, columns] = graph.dims(matrix) as [number, number];
  if (rows === 1) return matrix;
  const ones = graph.constant('float32', [1, rows], new Array<number>(rows).fill(1));
  return graph.node('MatMul', [ones, matrix], [1, columns]);
}

/** The index of the largest (or smallest) element along one axis; the first of equals. */
function argument(operator: 'ArgMax' | 'ArgMin'): SingleRule {
  return ({ graph, inputs, attributes }) => {
    const x = converted(graph, inputs['x']!, inputs['x']!.dtype === 'int32' ? 'int32' : 'float32');
    const [axis] = axesOf({ attributes }, x);
    const { shape, order } = reduced(x, [axis!], false);
    const index = graph.node(operator, [valueOf(graph, x)], physicalDims(shape, order), {
      type: 'int64',
      attributes: { axis: x.order.indexOf(axis!), keepdims: 0 },
    });
    return narrowed(graph, index, shape, order);
  };
}

interface Running {
  readonly x: TraceSymbol;
  /** The physical axis along which it runs. */
  readonly axis: number;
  /** Without the element of the place itself. */
  readonly exclusive: boolean;
  /** From the end. */
  readonly reverse: boolean;
}

/** A rule for what runs along an axis. */
function running(write: (graph: OnnxGraph, running: Running) => Value): SingleRule {
  return ({ graph, inputs, attributes }) => {
    const given = inputs['x']!;
    const x = converted(graph, given, given.dtype === 'bool' ? 'int32' : given.dtype);
    const axis = x.order.indexOf(axesOf({ attributes }, x)[0]!);
    const [exclusive, reverse] = [attributes['exclusive'] === true, attributes['reverse'] === true];
    return symbolOf(graph, write(graph, { x, axis, exclusive, reverse }), x.shape, x.order);
  };
}

function runningSums(graph: OnnxGraph, { x, axis, exclusive, reverse }: Running): Value {
  const operands = [valueOf(graph, x), graph.constant('int64', [], [axis])];
  const attributes = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 };
  return graph.node('CumSum', operands, physicalDims(x.shape, x.order), { attributes });
}

/** ONNX has no running products: multiply by what lies 1, 2, 4, ... places before, until all are in. */
function runningProducts(graph: OnnxGraph, { x, axis, exclusive, reverse }: Running): Value {
  const dims = physicalDims(x.shape, x.order);
  const extent = dims[axis]!;
  // Moved by `places` along the axis, ones coming in: a Pad that cuts off the same number at the other end.
  const moved = (value: Value, places: number): Value => {
    const [before, after] = reverse ? [-places, places] : [places, -places];
    const pads = [before, after].flatMap((amount) => dims.map((_, at) => (at === axis ? amount : 0)));
    return graph.padded(value, pads, 1);
  };
  let product = exclusive ? moved(valueOf(graph, x), 1) : valueOf(graph, x);
  for (let places = 1; places < extent; places *= 2) {
    product = graph.node('Mul', [product, moved(product, places)], dims);
  }
  return product;
}

export const reductionRules: Readonly<Record<string, SingleRule>> = {
  Sum: reduction('ReduceSum'),
  Mean: reduction('ReduceMean', { before: { bool: 'float32', int32: 'float32' } }),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  All: reduction('ReduceMin', { after: 'bool' }),
  Any: reduction('ReduceMax', { after: 'bool' }),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Cumsum: running(runningSums),
  Cumprod: running(runningProducts),
};
