import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, symbolOf, valueOf, type TraceSymbol } from '../symbol.js';
import type { Rule } from './rule.js';

/** A matrix as Gemm takes it: as it lies, with a flag where it lies transposed. */
function matrix(graph: OnnxGraph, symbol: TraceSymbol, transposed: boolean): { value: Value; flag: number } {
  const swapped = symbol.order[0] === 1;
  return { value: valueOf(graph, symbol), flag: swapped === transposed ? 0 : 1 };
}

const matMul: Rule = ({ graph, inputs, attributes }) => {
  const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
  const transposeA = attributes['transposeA'] === true;
  const transposeB = attributes['transposeB'] === true;
  const rank = Math.max(a.shape.length, b.shape.length);
  const [rows, inner] = lastTwo(a.shape, transposeA);
  const [, columns] = lastTwo(b.shape, transposeB);
  graph.operations += 2 * sizeOfBatch(a, b) * rows * inner * columns;
  if (rank === 2) {
    const left = matrix(graph, a, transposeA);
    const right = matrix(graph, b, transposeB);
    const attributesOut = { transA: left.flag, transB: right.flag };
    const value = graph.node('Gemm', [left.value, right.value], [rows, columns], { attributes: attributesOut });
    return symbolOf(graph, value, [rows, columns]);
  }
  const batch = Array.from({ length: rank - 2 }, (_, axis) => Math.max(a.shape[axis] ?? 1, b.shape[axis] ?? 1));
  const shape = [...batch, rows, columns];
  const values = [arrange(graph, a, batchOrder(rank, transposeA)), arrange(graph, b, batchOrder(rank, transposeB))];
  return symbolOf(graph, graph.node('MatMul', values, shape), shape);
};

function lastTwo(shape: readonly number[], transposed: boolean): [number, number] {
  const [first, second] = shape.slice(-2) as [number, number];
  return transposed ? [second, first] : [first, second];
}

function batchOrder(rank: number, transposed: boolean): number[] {
  const last = transposed ? [rank - 1, rank - 2] : [rank - 2, rank - 1];
  return [...Array.from({ length: rank - 2 }, (_, axis) => axis), ...last];
}

function sizeOfBatch(a: TraceSymbol, b: TraceSymbol): number {
  const larger = a.shape.length >= b.shape.length ? a : b;
  return larger.shape.slice(0, -2).reduce((product, extent) => product * extent, 1);
}

/** Softmax over the last axis. */
const softmax: Rule = ({ graph, inputs }) => {
  const logits = inputs['logits']!;
  const value = graph.node('Softmax', [arrange(graph, logits)], logits.shape, { attributes: { axis: -1 } });
  return symbolOf(graph, value, logits.shape);
};

const logSoftmax: Rule = ({ graph, inputs }) => {
  const logits = inputs['logits']!;
  const value = graph.node('LogSoftmax', [arrange(graph, logits)], logits.shape, { attributes: { axis: -1 } });
  return symbolOf(graph, value, logits.shape);
};

export const matmulRules: Readonly<Record<string, Rule>> = {
  BatchMatMul: matMul,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
};
