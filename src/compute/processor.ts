/** The processor: small programs are evaluated on this thread, others by a pool of threads, of which this one is one. */
import { checked, sumTimesZero } from './checked.js';
import type { Feeds, Tables } from './feeds.js';
import type { Call, Place } from './place.js';
import { Pool } from './pool.js';
import { Session, type Evaluation } from './session.js';
import type { TensorFunction } from './tensorFunction.js';
import type { Program } from './trace.js';

// A trip to another thread costs about 60 us: work of fewer scalar operations is done here at once.
export const inlineOperationsMax = 1_000_000;

export class Processor implements Place {
  readonly isProcessor = true;
  private readonly sessions = new Map<Program, Promise<Session>>();
  private pool: Pool | undefined;

  constructor(
    private readonly threads: number,
    private readonly tables: Tables,
  ) {}

  resolve(call: Call): Call {
    return call;
  }

  completed(definition: TensorFunction): TensorFunction {
    return checked(definition, sumTimesZero);
  }

  evaluate(program: Program, calls: readonly Feeds[]): Promise<Evaluation[]> {
    if (this.threads === 1 || program.operations < inlineOperationsMax) return this.evaluateHere(program, calls);
    // This thread is one of them: it works while it waits.
    this.pool ??= new Pool(this.threads - 1, this.tables);
    return this.pool.run(program, calls);
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

  private async evaluateHere(program: Program, calls: readonly Feeds[]): Promise<Evaluation[]> {
    let session = this.sessions.get(program);
    if (session === undefined) this.sessions.set(program, (session = Session.open(program, this.threads > 1)));
    return (await session).evaluate(calls, this.tables);
  }
}
