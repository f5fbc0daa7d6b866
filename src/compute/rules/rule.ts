import { BadInput } from '../../conditions.js';
import type { OnnxGraph } from '../onnx.js';
import type { TraceSymbol } from '../symbol.js';

/** One call of a TensorFlow.js kernel on symbols. */
export interface RuleCall {
  readonly graph: OnnxGraph;
  /** Inputs by TensorFlow.js's names. */
  readonly inputs: Readonly<Record<string, TraceSymbol>>;
  /** Inputs of kernels of variable arity. */
  readonly list: readonly TraceSymbol[];
  /** The kernel's attributes, in TensorFlow.js's names and conventions (NHWC). */
  // TensorFlow.js types attributes as unknown structures; each rule reads those of its own kernel.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly attributes: Readonly<Record<string, any>>;
}

/** Writes the nodes that do what the kernel does, and returns the symbols of its outputs. */
export type Rule = (call: RuleCall) => TraceSymbol | TraceSymbol[];

/** A rule with one output. */
export type SingleRule = (call: RuleCall) => TraceSymbol;

/** What a rule throws for a call that it cannot compile: `what` says which, `remedy` what to write instead. */
export function cannotCompile(kernel: string, what: string, remedy: string): BadInput {
  return new BadInput(`the TensorFlow.js kernel ${kernel} cannot be compiled to ONNX ${what}`, {
    remedy: `${remedy}, or choose engine.runner: eager`,
  });
}
