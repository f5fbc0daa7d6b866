/** Rules for products of matrices. */
import { backend_util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, symbolOf, valueOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { fused } from './activations.js';
import type { Rule, SingleRule } from './rule.js';

/** A matrix as Gemm takes it: as it lies, with a flag where it lies transposed. */
function matrix(graph: OnnxGraph, symbol: TraceSymbol, transposed: boolean): { value: Value; flag: number } {
  const swapped = symbol.order[0] === 1;
  return { value: valueOf(graph, symbol), flag: swapped === transposed ? 0 : 1 };
}

const matMul: SingleRule = ({ graph, inputs, attributes }) => {
  const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
  const transposeA = attributes['transposeA'] === true;
  const transposeB = attributes['transposeB'] === true;
  const [rows, inner] = lastTwo(a.shape, transposeA);
  const [, columns] = lastTwo(b.shape, transposeB);
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, rows, columns];
  graph.operations += 2 * sizeOf(shape) * inner;
  // The Gemm of ONNX Runtime takes real numbers only.
  if (batch.length === 0 && a.dtype === 'float32') {
    const left = matrix(graph, a, transposeA);
    const right = matrix(graph, b, transposeB);
    const flags = { transA: left.flag, transB: right.flag };
    return symbolOf(graph, graph.node('Gemm', [left.value, right.value], shape, { attributes: flags }), shape);
  }
  const values = [
    arrange(graph, a, matrixOrder(a.shape.length, transposeA)),
    arrange(graph, b, matrixOrder(b.shape.length, transposeB)),
  ];
  return symbolOf(graph, graph.node('MatMul', values, shape), shape);
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
