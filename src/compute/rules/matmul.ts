/** Rules for products of matrices. */
import { backend_util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, symbolOf, valueOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { fused } from './activations.js';
import type { Rule, SingleRule } from './rule.js';

/** A matrix as it lies, and whether that is transposed. */
interface Matrix {
  readonly value: Value;
  readonly transposed?: boolean;
}

function matrix(graph: OnnxGraph, symbol: TraceSymbol, transposed: boolean): Matrix {
  const swapped = symbol.order[0] === 1;
  return { value: valueOf(graph, symbol), transposed: swapped !== transposed };
}

/** The product of two matrices of real numbers. */
export function productOf(graph: OnnxGraph, left: Matrix, right: Matrix): Value {
  const [rows, inner] = lastTwo(graph.dims(left.value), left.transposed === true);
  const [, columns] = lastTwo(graph.dims(right.value), right.transposed === true);
  graph.operations += 2 * rows * inner * columns;
  return graph.node('Gemm', [left.value, right.value], [rows, columns], {
    attributes: { transA: left.transposed === true ? 1 : 0, transB: right.transposed === true ? 1 : 0 },
  });
}

const matMul: SingleRule = ({ graph, inputs, attributes }) => {
  const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
  const transposeA = attributes['transposeA'] === true;
  const transposeB = attributes['transposeB'] === true;
  const [rows] = lastTwo(a.shape, transposeA);
  const [, columns] = lastTwo(b.shape, transposeB);
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, rows, columns];
  // The Gemm of ONNX Runtime takes real numbers only.
  if (batch.length === 0 && a.dtype === 'float32') {
    return symbolOf(graph, productOf(graph, matrix(graph, a, transposeA), matrix(graph, b, transposeB)), shape);
  }
  const left = arrange(graph, a, matrixOrder(a.shape.length, transposeA));
  const right = arrange(graph, b, matrixOrder(b.shape.length, transposeB));
  return symbolOf(graph, product(graph, left, right), shape);
};

function lastTwo(shape: readonly number[], transposed: boolean): [number, number] {
  const [first, second] = shape.slice(-2) as [number, number];
  return transposed ? [second, first] : [first, second];
}

/** Logical order, with the last two axes exchanged if `transposed`. */
function matrixOrder(rank: number, transposed: boolean): number[] {
  const last = transposed ? [rank - 1, rank - 2] : [rank - 2, rank - 1];
  return [...Array.from({ length: rank - 2 }, (_, axis) => axis), ...last];
}

/** The product of matrices; other axes broadcast. */
export function product(graph: OnnxGraph, left: Value, right: Value): Value {
  const [a, b] = [graph.dims(left), graph.dims(right)];
  const batch = backend_util.assertAndGetBroadcastShape(a.slice(0, -2), b.slice(0, -2));
  const dims = [...batch, a.at(-2)!, b.at(-1)!];
  graph.operations += 2 * sizeOf(dims) * a.at(-1)!;
  return graph.node('MatMul', [left, right], dims);
}

/** ONNX writes the equation as TensorFlow.js does. */
const einsum: Rule = ({ graph, list, attributes }) => {
  const equation = (attributes['equation'] as string).replaceAll(/\s/g, '');
  const [terms, result] = equation.split('->') as [string, string];
  const extents = new Map<string, number>();
  for (const [index, term] of terms.split(',').entries()) {
    for (const [axis, letter] of Array.from(term).entries()) extents.set(letter, list[index]!.shape[axis]!);
  }
  const shape = Array.from(result, (letter) => extents.get(letter)!);
  graph.operations += 2 * sizeOf([...extents.values()]);
  const values = list.map((symbol) => arrange(graph, symbol));
  return symbolOf(graph, graph.node('Einsum', values, shape, { attributes: { equation } }), shape);
};

export const matmulRules: Readonly<Record<string, Rule>> = {
  BatchMatMul: matMul,
  _FusedMatMul: fused('_FusedMatMul', matMul),
  Einsum: einsum,
};
