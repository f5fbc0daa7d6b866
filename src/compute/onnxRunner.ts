/** The compiled runner: traces each function once for each shape of its inputs and runs it in ONNX Runtime. */
import { resolveShapes, writeFeed, type Feeds, type Tables } from './feeds.js';
import { Pool } from './pool.js';
import type { Fingerprint, Runner, RunnerOptions } from './runner.js';
import { Session, sharedFloats } from './session.js';
import type { TensorFunction } from './tensorFunction.js';
import { trace, type Program } from './trace.js';

// A trip to another thread costs about 60 us: work of fewer scalar operations is done here at once.
const inlineOperationsMax = 500_000;

type Result = Record<string, Float32Array>;

export class OnnxRunner implements Runner {
  private readonly programs = new Map<TensorFunction, Map<string, Program>>();
  private readonly inline = new Map<Program, InlineSession>();
  private pool: Pool | undefined;

  constructor(
    readonly fingerprint: Fingerprint,
    private readonly options: RunnerOptions,
    private readonly tables: Tables,
  ) {}

  call(definition: TensorFunction, feeds: Feeds): Promise<Result> {
    const program = this.program(definition, feeds);
    if (program.operations < inlineOperationsMax || this.options.device !== 'cpu')
      return this.runInline(program, feeds);
    this.pool ??= new Pool(this.options.threads, this.options.device, this.tables);
    return this.pool.run(program, feeds);
  }

  async close(): Promise<void> {
    await this.pool?.close();
  }

  private program(definition: TensorFunction, feeds: Feeds): Program {
    const shapes = resolveShapes(definition, feeds);
    const signature = Object.values(shapes).join(';');
    let programs = this.programs.get(definition);
    if (programs === undefined) this.programs.set(definition, (programs = new Map<string, Program>()));
    let program = programs.get(signature);
    if (program === undefined) programs.set(signature, (program = trace(definition, shapes)));
    return program;
  }

  private runInline(program: Program, feeds: Feeds): Promise<Result> {
    let session = this.inline.get(program);
    if (session === undefined) {
      session = new InlineSession(Session.open(program, this.options.device), this.tables);
      this.inline.set(program, session);
    }
    return session.run(feeds);
  }
}

/** A session on this thread: calls take turns, because they share its arrays. */
class InlineSession {
  private last: Promise<unknown>;

  constructor(
    private readonly session: Promise<Session>,
    private readonly tables: Tables,
  ) {
    this.last = session;
  }

  run(feeds: Feeds): Promise<Result> {
    const turn = this.last.then(() => this.evaluate(feeds));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async evaluate(feeds: Feeds): Promise<Result> {
    const session = await this.session;
    for (const [name, target] of Object.entries(session.inputs)) writeFeed(target, feeds[name]!, this.tables);
    await session.run();
    return Object.fromEntries(Object.entries(session.outputs).map(([name, values]) => [name, copyOf(values)]));
  }
}

// Larger results are worth sharing: threads that take them as inputs need no copy of their own.
const ownLengthMax = 4096;

function copyOf(values: Float32Array): Float32Array {
  if (values.length <= ownLengthMax) return values.slice();
  const copy = sharedFloats([values.length]);
  copy.set(values);
  return copy;
}
