/** What rules know of the values of a graph, for rules that can do better with it. */
import type { OnnxGraph, Value } from '../onnx.js';
import type { TraceSymbol } from '../symbol.js';
import type { Windows } from './windows.js';

/** Pixels by their places in windows: for each place those of all windows, in the physical order `order`. */
export interface Phases {
  readonly values: readonly Value[];
  readonly order: readonly number[];
}

/** What a function makes of numbers without changing their order, the same function for all numbers of a channel. */
interface Monotone {
  readonly of: TraceSymbol;
  readonly apply: (symbol: TraceSymbol) => TraceSymbol;
}

/** A gradient of max pooling, and the same where the input of the pooling is positive, zero elsewhere. */
interface PooledGradient {
  readonly input: TraceSymbol;
  readonly whereInputIsPositive: () => TraceSymbol;
}

/** How a gradient of max pooling is made up where windows lie apart: each window has one pixel that gets what comes back. */
interface Scattered {
  readonly windows: Windows;
  /** The gradients of the windows. */
  readonly gradient: Value;
  /** What comes back to the pixel at each place of every window. */
  readonly shares: () => readonly Value[];
  /** The physical order of all of these. */
  readonly order: readonly number[];
}

/** Facts of tensors: a value, seen with the same axes in the same order. */
class Known<Fact> {
  private readonly facts = new Map<string, Fact>();

  get(symbol: TraceSymbol): Fact | undefined {
    return this.facts.get(keyOf(symbol));
  }

  set(symbol: TraceSymbol, fact: Fact): void {
    this.facts.set(keyOf(symbol), fact);
  }
}

/** Whether both are one value, seen with the same axes in the same order. */
export const isSame = (a: TraceSymbol, b: TraceSymbol): boolean => keyOf(a) === keyOf(b);

const keyOf = ({ value, shape, order }: TraceSymbol): string => `${value} ${shape.join()} ${order.join()}`;

class Facts {
  /** x -> max(x, 0), where the graph has both. */
  readonly rectified = new Map<Value, Value>();
  /** The condition x > 0 -> x. */
  readonly positive = new Known<TraceSymbol>();
  /** A convolution -> the same with a bias for each channel, which costs nothing there. */
  readonly biased = new Known<(bias: TraceSymbol) => TraceSymbol>();
  readonly monotone = new Known<Monotone>();
  /** Images of which the pixels in windows can be had without writing the images, for some windows. */
  readonly phased = new Known<(windows: Windows) => Phases | undefined>();
  readonly pooledGradients = new Known<PooledGradient>();
  readonly scattered = new Known<Scattered>();
}

const known = new WeakMap<OnnxGraph, Facts>();

export function factsOf(graph: OnnxGraph): Facts {
  let facts = known.get(graph);
  if (facts === undefined) known.set(graph, (facts = new Facts()));
  return facts;
}

/** What the monotone function `apply` makes of `of`; remembers that. */
export function monotone(graph: OnnxGraph, of: TraceSymbol, apply: Monotone['apply']): TraceSymbol {
  const result = apply(of);
  if (result !== of) factsOf(graph).monotone.set(result, { of, apply });
  return result;
}

/** The numbers of which monotone functions have made `x`, and these functions. */
export function beforeMonotone(graph: OnnxGraph, x: TraceSymbol): Monotone {
  const fact = factsOf(graph).monotone.get(x);
  if (fact === undefined) return { of: x, apply: (symbol) => symbol };
  const { of, apply } = beforeMonotone(graph, fact.of);
  return { of, apply: (symbol) => fact.apply(apply(symbol)) };
}
