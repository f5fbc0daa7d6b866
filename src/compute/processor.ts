/**
 * The processor. The smallest programs are evaluated in JavaScript, others by loops and ONNX Runtime: small ones, and loops
 * alone, on this thread, the rest by a pool of threads, of which this one is one.
 */
import type { Feeds, Tables } from './feeds.js';
import type { Call, Place } from './place.js';
import { Pool } from './pool.js';
import type { Evaluation } from './ports.js';
import { Session } from './session.js';
import { withinMemory } from './shortage.js';
import { Evaluator } from './small/evaluator.js';
import type { TensorFunction } from './tensorFunction.js';
import type { Program } from './trace.js';

// A trip to another thread costs about 60 us: work of fewer scalar operations is done here at once.
export const inlineOperationsMax = 1_000_000;

// How many calls are evaluated together at most, and how many elements their largest tensors have then. That is worth it
// where a call costs more than its arithmetic: a step of LeNet-5, or of an MLP with 100 hidden units, takes as long in
// company as alone.
const togetherHereMax = { calls: 64, elements: 512 * 1024 };

export class Processor implements Place {
  readonly isProcessor = true;
  private readonly sessions = new Map<Program, Promise<Session>>();
  private readonly evaluators = new Map<Program, Evaluator | undefined>();
  private pool: Pool | undefined;

  constructor(
    private readonly threads: number,
    private readonly tables: Tables,
  ) {}

  resolve(call: Call): Call {
    return call;
  }

  completed(definition: TensorFunction): TensorFunction {
    return definition;
  }

  mostTogether(program: Program): number {
    const { operations, largest } = program;
    if (operations >= inlineOperationsMax || this.evaluatorOf(program) !== undefined) return 1;
    return Math.min(togetherHereMax.calls, togetherHereMax.elements / largest);
  }

  async evaluate(program: Program, calls: readonly Feeds[]): Promise<Evaluation[]> {
    const evaluator = this.evaluatorOf(program);
    if (evaluator !== undefined) return evaluator.evaluate(calls, this.tables);
    return withinMemory('cpu', `evaluate ${program.name}`, this.evaluateLarger(program, calls));
  }

  help(result: Promise<unknown>): Promise<void> | undefined {
    return this.pool?.help(result, (program, calls) => this.evaluateHere(program, calls));
  }

  onCpu(): Promise<Record<string, never>> {
    return Promise.resolve({});
  }

  async close(): Promise<void> {
    await this.pool?.close();
  }

  /** What evaluates a program that is small enough. */
  private evaluatorOf(program: Program): Evaluator | undefined {
    if (!this.evaluators.has(program)) this.evaluators.set(program, Evaluator.for(program));
    return this.evaluators.get(program);
  }

  private evaluateLarger(program: Program, calls: readonly Feeds[]): Promise<Evaluation[]> {
    // Loops alone take less time than their vectors take to cross.
    const isLight = program.operations < inlineOperationsMax || program.bytes.length === 0;
    if (this.threads === 1 || isLight) return this.evaluateHere(program, calls);
    // This thread is one of them: it works while it waits.
    this.pool ??= new Pool(this.threads - 1, this.tables);
    return this.pool.run(program, calls);
  }

  private async evaluateHere(program: Program, calls: readonly Feeds[]): Promise<Evaluation[]> {
    let session = this.sessions.get(program);
    if (session === undefined) this.sessions.set(program, (session = Session.open(program)));
    return (await session).evaluate(calls, this.tables);
  }
}
