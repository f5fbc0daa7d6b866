/**
 * Calls that wait to be evaluated together. What is evaluated with what follows from the order in which calls come and
 * are waited for, which is the same in every repetition and on any number of threads.
 */
import type { Compiled } from './compiled.js';
import type { Feeds } from './feeds.js';
import type { Vector } from '../vector.js';
import type { Evaluation } from './ports.js';

type Result = Record<string, Vector>;

interface Call {
  readonly feeds: Feeds;
  readonly result: Promise<Result>;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** The largest power of two up to `count`, which is 1 or more. */
export const powerOfTwoWithin = (count: number): number => 1 << (31 - Math.clz32(count));

export class Together {
  private readonly waiting = new Map<Compiled, Call[]>();
  private readonly functions = new Map<Promise<unknown>, Compiled>();

  constructor(
    private readonly evaluate: (compiled: Compiled, calls: readonly Feeds[]) => Promise<Evaluation<Vector>[]>,
    private readonly resultOf: (compiled: Compiled, evaluation: Evaluation<Vector>) => Result,
  ) {}

  /** A call that is evaluated when it is needed, or `most` of them have come. */
  add(compiled: Compiled, most: number, feeds: Feeds): Promise<Result> {
    let calls = this.waiting.get(compiled);
    if (calls === undefined) this.waiting.set(compiled, (calls = []));
    const { promise: result, resolve, reject } = withResolvers<Result>();
    calls.push({ feeds, result, resolve, reject });
    this.functions.set(result, compiled);
    if (calls.length >= most) this.start(compiled);
    return result;
  }

  /** Sees to it that `result` is on its way: all calls of its function that wait are evaluated now. */
  need(result: Promise<unknown>): void {
    const compiled = this.functions.get(result);
    if (compiled !== undefined) this.start(compiled);
  }

  /** Evaluates what waits, in parts whose sizes are powers of two, so that few graphs are compiled. */
  private start(compiled: Compiled): void {
    const calls = this.waiting.get(compiled)!;
    this.waiting.delete(compiled);
    for (const { result } of calls) this.functions.delete(result);
    let size: number;
    for (let from = 0; from < calls.length; from += size) {
      size = powerOfTwoWithin(calls.length - from);
      void this.finish(compiled, calls.slice(from, from + size));
    }
  }

  private async finish(compiled: Compiled, calls: readonly Call[]): Promise<void> {
    try {
      const evaluations = await this.evaluate(
        compiled,
        calls.map(({ feeds }) => feeds),
      );
      for (const [index, { resolve }] of calls.entries()) resolve(this.resultOf(compiled, evaluations[index]!));
    } catch (error) {
      for (const { reject } of calls) reject(error);
    }
  }
}

function withResolvers<Value>() {
  let resolve!: (value: Value) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Value>((...settlers) => ([resolve, reject] = settlers));
  return { promise, resolve, reject };
}
