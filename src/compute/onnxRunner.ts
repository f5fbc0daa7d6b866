/** The compiled runner: traces each function once for each shape of its inputs and runs it in ONNX Runtime. */
import { Compiled } from './compiled.js';
import { resolveShapes, signatureOf, type Feeds, type Tables } from './feeds.js';
import { Pool } from './pool.js';
import type { Fingerprint, Runner, RunnerOptions } from './runner.js';
import { valuesOf, type Vector } from '../vector.js';
import { DeviceMemory } from './deviceMemory.js';
import { counted, DeviceSession } from './deviceSession.js';
import { Session, type Evaluation } from './session.js';
import type { TensorFunction } from './tensorFunction.js';
import { Together } from './together.js';
import type { Program } from './trace.js';

// A trip to another thread costs about 60 us: work of fewer scalar operations is done here at once.
const inlineOperationsMax = 1_000_000;

// How many calls are evaluated together at most, and how many elements their largest tensors have then. On a processor
// that is worth it for small work, where a call costs more than its arithmetic: a step of LeNet-5, or of an MLP with 100
// hidden units, takes as long in company as alone.
const togetherMax = { calls: 64, elements: 512 * 1024 };
const togetherOnDeviceMax = { calls: 256, elements: 128 * 1024 * 1024 };

type Result = Record<string, Vector>;

export class OnnxRunner implements Runner {
  private readonly compiled = new Map<TensorFunction, Map<string, Compiled>>();
  private readonly inline = new Map<Program, Promise<Session>>();
  private readonly onDevice = new Map<Program, Promise<DeviceSession>>();
  private readonly memory: DeviceMemory;
  private readonly together = new Together(
    (compiled, calls) => this.evaluate(compiled.programFor(calls), calls),
    ({ alone }, evaluation) => this.resultOf(alone, evaluation),
  );
  private readonly finite = new WeakSet<Result>();
  private pool: Pool | undefined;

  constructor(
    readonly fingerprint: Fingerprint,
    private readonly options: RunnerOptions,
    private readonly tables: Tables,
  ) {
    this.memory = new DeviceMemory(options.device, tables);
  }

  async call(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Float32Array>> {
    const result = await this.keep(definition, feeds);
    const vectors = Object.entries(result).map(async ([name, vector]) => [name, await valuesOf(vector)] as const);
    return Object.fromEntries(await Promise.all(vectors));
  }

  async keep(definition: TensorFunction, feeds: Feeds): Promise<Result> {
    const { alone } = this.compile(definition, feeds);
    const [evaluation] = await this.evaluate(alone, [feeds]);
    return this.resultOf(alone, evaluation!);
  }

  join(definition: TensorFunction, feeds: Feeds): Promise<Result> {
    const compiled = this.compile(definition, feeds);
    const most = this.mostTogether(compiled.alone);
    if (most === 1) return this.keep(definition, feeds);
    return this.together.add(compiled, most, feeds);
  }

  knownFinite(result: Result): boolean {
    return this.finite.has(result);
  }

  wait<Value>(result: Promise<Value>, joined: Promise<unknown> = result): Promise<Value> {
    this.together.need(joined);
    const helping = this.pool?.help(result, (program, calls) => this.runInline(program, calls));
    return helping === undefined ? result : helping.then(() => result);
  }

  async onCpu(): Promise<Record<string, string[]>> {
    const left: Record<string, string[]> = {};
    for (const [{ name }, opening] of this.onDevice) {
      const { onCpu } = await opening;
      if (onCpu.length > 0) left[name] = [...new Set([...(left[name] ?? []), ...onCpu])].sort();
    }
    return left;
  }

  async close(): Promise<void> {
    await this.pool?.close();
  }

  private resultOf({ operations }: Program, { outputs, finite }: Evaluation<Vector>): Result {
    // Small results are looked at again sooner than remembered.
    if (finite && (operations >= inlineOperationsMax || this.options.device !== 'cpu')) this.finite.add(outputs);
    return outputs;
  }

  /** How many calls are evaluated at once at most. It must not depend on the number of threads. */
  private mostTogether({ largest, operations }: Program): number {
    const { device, batch } = this.options;
    if (batch !== 'auto') return batch;
    if (device === 'cpu' && operations >= inlineOperationsMax) return 1;
    const { calls, elements } = device === 'cpu' ? togetherMax : togetherOnDeviceMax;
    const most = Math.max(1, Math.min(calls, Math.floor(elements / largest)));
    // The largest power of two: what waits is evaluated in such parts.
    return 1 << (31 - Math.clz32(most));
  }

  private evaluate(program: Program, calls: readonly Feeds[]): Promise<Evaluation<Vector>[]> {
    const { device, threads } = this.options;
    if (device !== 'cpu') return this.runOnDevice(program, calls);
    if (threads === 1 || program.operations < inlineOperationsMax) return this.runInline(program, calls);
    // This thread is one of them: it works while it waits.
    this.pool ??= new Pool(threads - 1, this.tables);
    return this.pool.run(program, calls);
  }

  private compile(definition: TensorFunction, feeds: Feeds): Compiled {
    const signature = signatureOf(definition, feeds);
    let shapes = this.compiled.get(definition);
    if (shapes === undefined) this.compiled.set(definition, (shapes = new Map<string, Compiled>()));
    let compiled = shapes.get(signature);
    if (compiled === undefined) {
      const onDevice = this.options.device !== 'cpu';
      const compiling = onDevice ? counted(definition) : definition;
      shapes.set(signature, (compiled = new Compiled(compiling, resolveShapes(definition, feeds), onDevice)));
    }
    return compiled;
  }

  private async runInline(program: Program, calls: readonly Feeds[]): Promise<Evaluation[]> {
    let session = this.inline.get(program);
    if (session === undefined) this.inline.set(program, (session = Session.open(program)));
    return (await session).evaluate(calls, this.tables);
  }

  private async runOnDevice(program: Program, calls: readonly Feeds[]): Promise<Evaluation<Vector>[]> {
    let session = this.onDevice.get(program);
    if (session === undefined) {
      this.onDevice.set(program, (session = DeviceSession.open(program, this.options.device, this.memory)));
    }
    return (await session).evaluate(calls, this.tables);
  }
}
