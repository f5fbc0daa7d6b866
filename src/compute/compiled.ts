import type { Feeds } from './feeds.js';
import type { TensorFunction } from './tensorFunction.js';
import { trace, type Program, type Target } from './trace.js';

/** A tensor function compiled for one shape of each input: for one call, and as needed for several at once. */
export class Compiled {
  readonly alone: Program;
  private readonly several = new Map<string, Program>();

  constructor(
    private readonly definition: TensorFunction,
    private readonly shapes: Readonly<Record<string, readonly number[]>>,
    private readonly target: Pick<Target, 'onDevice'>,
  ) {
    this.alone = trace(definition, shapes, target);
  }

  /** The program for these calls. An input for which all of them have the same array is taken once. */
  programFor(calls: readonly Feeds[]): Program {
    if (calls.length === 1) return this.alone;
    const names = Object.keys(this.definition.inputs);
    const shared = names.filter((name) => calls.every((feeds) => feeds[name] === calls[0]![name]));
    const key = `${calls.length} ${shared.join()}`;
    let program = this.several.get(key);
    if (program === undefined) {
      const target = { ...this.target, replicas: calls.length, shared: new Set(shared) };
      program = trace(this.definition, this.shapes, target);
      this.several.set(key, program);
    }
    return program;
  }
}
