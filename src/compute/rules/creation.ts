/** Rules that make tensors from nothing: constants, known at trace time. */
import { logicalOrder, type SymbolType, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import type { Rule } from './rule.js';

/** A constant whose element at place `index`, counted row by row, is `element(index)`. */
export function constantOf(
  shape: readonly number[],
  dtype: SymbolType,
  element: (index: number) => number,
): TraceSymbol {
  const constant = Array.from({ length: sizeOf(shape) }, (_, index) => element(index));
  return { shape, dtype, order: logicalOrder(shape.length), constant };
}

const filled =
  (value: number): Rule =>
  ({ inputs }) =>
    constantOf(inputs['x']!.shape, inputs['x']!.dtype, () => value);

const fill: Rule = ({ attributes }) => {
  const { shape, value, dtype } = attributes as { shape: number[]; value: number | boolean; dtype?: SymbolType | null };
  return constantOf(shape, dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32'), () => Number(value));
};

const range: Rule = ({ attributes }) => {
  const { start, stop, step, dtype } = attributes as { start: number; stop: number; step: number; dtype: SymbolType };
  const count = Math.max(0, Math.ceil((stop - start) / step));
  return constantOf([count], dtype, (index) => start + index * step);
};

const linSpace: Rule = ({ attributes }) => {
  const { start, stop, num } = attributes as { start: number; stop: number; num: number };
  const step = num === 1 ? 0 : (stop - start) / (num - 1);
  return constantOf([num], 'float32', (index) => start + index * step);
};

export const creationRules: Readonly<Record<string, Rule>> = {
  Fill: fill,
  ZerosLike: filled(0),
  OnesLike: filled(1),
  Range: range,
  LinSpace: linSpace,
};
