/** How elementwise rules are written: in the physical order of their inputs, as expressions of ONNX operators. */
import { backend_util } from '@tensorflow/tfjs';
import type { Attribute, OnnxGraph, Value } from '../onnx.js';
import { alignBroadcast, converted, symbolOf, valueOf, type SymbolType, type TraceSymbol } from '../symbol.js';
import type { SingleRule } from './rule.js';

/**
 * Writes one elementwise node, `write('Add', x, 1)`, perhaps with attributes at the end. Values broadcast; a
 * number stands for a constant of the type of the first value that is not a condition.
 */
export type Write = (operator: string, ...operands: (Value | number | Readonly<Record<string, Attribute>>)[]) => Value;

const conditionOperators = new Set([
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'],
  ...['And', 'Or', 'Not', 'IsNaN', 'IsInf'],
]);

/** A writer of nodes into `graph`. */
export function writerOf(graph: OnnxGraph): Write {
  return (operator, ...operands) => {
    const given = operands.filter((operand) => typeof operand === 'string');
    const types = given.map((value) => graph.type(value));
    const type = types.find((candidate) => candidate !== 'bool') ?? 'float32';
    const values = operands
      .filter((operand) => typeof operand !== 'object')
      .map((operand) => (typeof operand === 'number' ? graph.constant(type, [], [operand]) : operand));
    const dims = given
      .map((value) => graph.dims(value))
      .reduce((left, right) => backend_util.assertAndGetBroadcastShape([...left], [...right]));
    const attributes = operands.find((operand) => typeof operand === 'object') ?? {};
    return graph.node(operator, values, dims, { type: conditionOperators.has(operator) ? 'bool' : type, attributes });
  };
}

/** What a rule does with one value and the kernel's attributes. */
export type Unary = (write: Write, x: Value, attributes: Readonly<Record<string, number>>) => Value;

/** What a rule does with two values that broadcast. */
export type Binary = (write: Write, a: Value, b: Value) => Value;

/** The ONNX operator of that name and no more. */
export const operator =
  (name: string) =>
  (write: Write, ...operands: readonly unknown[]): Value =>
    write(name, ...operands.filter((operand) => typeof operand === 'string'));

/** A rule for the one input of a kernel, whatever its name is (`x` or `logits`). */
export function unary(compute: Unary): SingleRule {
  return ({ graph, inputs, attributes }) => {
    const x = Object.values(inputs)[0]!;
    return symbolOf(graph, compute(writerOf(graph), valueOf(graph, x), attributes), x.shape, x.order);
  };
}

/** The same for functions of real numbers, which make float32 of other types. */
export function real(compute: Unary): SingleRule {
  return ({ graph, inputs, ...call }) =>
    unary(compute)({ ...call, graph, inputs: { x: converted(graph, Object.values(inputs)[0]!, 'float32') } });
}

/** A rule for two inputs that broadcast. */
export function binary(compute: Binary, [left, right]: readonly [string, string] = ['a', 'b']): SingleRule {
  return ({ graph, inputs }) => writeBinary(graph, compute, inputs[left]!, inputs[right]!);
}

/** Broadcasts two symbols together and applies `compute` to their values. */
export function writeBinary(graph: OnnxGraph, compute: Binary, a: TraceSymbol, b: TraceSymbol): TraceSymbol {
  return writeBroadcast(graph, [a, b], (write, first, second) => compute(write, first, second));
}

/** The same for any number of symbols. */
export function writeBroadcast(
  graph: OnnxGraph,
  symbols: readonly TraceSymbol[],
  compute: (write: Write, ...values: Value[]) => Value,
): TraceSymbol {
  const shape = broadcastShape(symbols);
  const { values, order } = alignBroadcast(graph, symbols, shape);
  return symbolOf(graph, compute(writerOf(graph), ...values), shape, order);
}

/** The shape to which all broadcast. */
export function broadcastShape(symbols: readonly TraceSymbol[]): number[] {
  return symbols
    .map(({ shape }) => [...shape])
    .reduce((left, right) => backend_util.assertAndGetBroadcastShape(left, right));
}

/** The type that holds the values of all: bool, then int32, then float32. */
export function commonType(symbols: readonly TraceSymbol[]): SymbolType {
  const ranked = ['float32', 'int32', 'bool'] as const;
  return ranked.find((type) => symbols.some(({ dtype }) => dtype === type))!;
}
