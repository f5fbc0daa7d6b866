/** The compiled runner: traces each function once for each shape of its inputs and runs it in ONNX Runtime. */
import { resolveShapes, signatureOf, type Feeds, type Tables } from './feeds.js';
import { Pool } from './pool.js';
import type { Fingerprint, Runner, RunnerOptions } from './runner.js';
import { Session, type Evaluation } from './session.js';
import type { TensorFunction } from './tensorFunction.js';
import { trace, type Program } from './trace.js';

// A trip to another thread costs about 60 us: work of fewer scalar operations is done here at once.
const inlineOperationsMax = 1_000_000;

type Result = Record<string, Float32Array>;

export class OnnxRunner implements Runner {
  private readonly programs = new Map<TensorFunction, Map<string, Program>>();
  private readonly inline = new Map<Program, Promise<Session>>();
  private readonly finite = new WeakSet<Result>();
  private pool: Pool | undefined;

  constructor(
    readonly fingerprint: Fingerprint,
    private readonly options: RunnerOptions,
    private readonly tables: Tables,
  ) {}

  async call(definition: TensorFunction, feeds: Feeds): Promise<Result> {
    const program = this.program(definition, feeds);
    const { outputs, finite } = await this.evaluate(program, feeds);
    // Small results are looked at again sooner than remembered.
    if (finite && program.operations >= inlineOperationsMax) this.finite.add(outputs);
    return outputs;
  }

  knownFinite(result: Result): boolean {
    return this.finite.has(result);
  }

  wait<Value>(result: Promise<Value>): Promise<Value> {
    const helping = this.pool?.help(result, (program, feeds) => this.runInline(program, feeds));
    return helping === undefined ? result : helping.then(() => result);
  }

  async close(): Promise<void> {
    await this.pool?.close();
  }

  private evaluate(program: Program, feeds: Feeds): Promise<Evaluation> {
    const { device, threads } = this.options;
    const alone = device !== 'cpu' || threads === 1;
    if (alone || program.operations < inlineOperationsMax) return this.runInline(program, feeds);
    // This thread is one of them: it works while it waits.
    this.pool ??= new Pool(threads - 1, device, this.tables);
    return this.pool.run(program, feeds);
  }

  private program(definition: TensorFunction, feeds: Feeds): Program {
    const signature = signatureOf(definition, feeds);
    let programs = this.programs.get(definition);
    if (programs === undefined) this.programs.set(definition, (programs = new Map<string, Program>()));
    let program = programs.get(signature);
    if (program === undefined) programs.set(signature, (program = trace(definition, resolveShapes(definition, feeds))));
    return program;
  }

  private async runInline(program: Program, feeds: Feeds): Promise<Evaluation> {
    let session = this.inline.get(program);
    if (session === undefined) this.inline.set(program, (session = Session.open(program, this.options.device)));
    return (await session).evaluate(feeds, this.tables);
  }
}
