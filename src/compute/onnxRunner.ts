/** The compiled runner: traces each function once for each shape of its inputs to an ONNX graph, which a place evaluates. */
import { valuesOfAll, type Vector } from '../vector.js';
import { Compiled } from './compiled.js';
import { Device } from './device/device.js';
import { resolveShapes, signatureOf, type Feeds, type Tables } from './feeds.js';
import type { Call, Place } from './place.js';
import { inlineOperationsMax, Processor } from './processor.js';
import type { Fingerprint, Runner, RunnerOptions } from './runner.js';
import type { Evaluation } from './ports.js';
import type { TensorFunction } from './tensorFunction.js';
import { powerOfTwoWithin, Together } from './together.js';
import type { Program } from './trace.js';

type Result = Record<string, Vector>;

export async function openPlace(
  { device, threads, stays }: Omit<RunnerOptions, 'batch'>,
  tables: Tables,
): Promise<Place> {
  return device === 'cpu' ? new Processor(threads, tables) : Device.open(device, tables, stays);
}

export class OnnxRunner implements Runner {
  private readonly compiled = new Map<TensorFunction, Map<string, Compiled>>();
  private readonly together = new Together(
    (compiled, calls) => this.place.evaluate(compiled.programFor(calls), calls),
    ({ alone }, evaluation) => this.resultOf(alone, evaluation),
  );
  private readonly finite = new WeakSet<Result>();

  private constructor(
    readonly fingerprint: Fingerprint,
    private readonly batch: RunnerOptions['batch'],
    private readonly place: Place,
  ) {}

  static async open(
    fingerprint: Fingerprint,
    { device, threads, batch, stays }: RunnerOptions,
    tables: Tables,
  ): Promise<OnnxRunner> {
    return new OnnxRunner(fingerprint, batch, await openPlace({ device, threads, stays }, tables));
  }

  async call(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Float32Array>> {
    return valuesOfAll(await this.keep(definition, feeds));
  }

  keep(definition: TensorFunction, feeds: Feeds): Promise<Result> {
    const call = this.place.resolve({ definition, feeds });
    return this.evaluateAlone(this.compile(call), call);
  }

  join(definition: TensorFunction, feeds: Feeds): Promise<Result> {
    const call = this.place.resolve({ definition, feeds });
    const compiled = this.compile(call);
    const most = this.mostTogether(compiled.alone);
    return most === 1 ? this.evaluateAlone(compiled, call) : this.together.add(compiled, most, call.feeds);
  }

  knownFinite(result: Result): boolean {
    return this.finite.has(result);
  }

  wait<Value>(result: Promise<Value>, joined: Promise<unknown> = result): Promise<Value> {
    this.together.need(joined);
    const helping = this.place.help(result);
    return helping === undefined ? result : helping.then(() => result);
  }

  onCpu(): Promise<Record<string, string[]>> {
    return this.place.onCpu();
  }

  close(): Promise<void> {
    return this.place.close();
  }

  private async evaluateAlone({ alone }: Compiled, { feeds }: Call): Promise<Result> {
    const [evaluation] = await this.place.evaluate(alone, [feeds]);
    return this.resultOf(alone, evaluation!);
  }

  private resultOf({ operations }: Program, { outputs, finite }: Evaluation<Vector>): Result {
    // Small results on the processor are looked at again sooner than remembered.
    if (finite && (operations >= inlineOperationsMax || !this.place.isProcessor)) this.finite.add(outputs);
    return outputs;
  }

  /** How many calls are evaluated at once at most: what waits is evaluated in parts that are powers of two. */
  private mostTogether(program: Program): number {
    return this.batch === 'auto' ? powerOfTwoWithin(Math.max(1, this.place.mostTogether(program))) : this.batch;
  }

  private compile({ definition, feeds }: Call): Compiled {
    const signature = signatureOf(definition, feeds);
    let shapes = this.compiled.get(definition);
    if (shapes === undefined) this.compiled.set(definition, (shapes = new Map<string, Compiled>()));
    let compiled = shapes.get(signature);
    if (compiled === undefined) {
      const { place } = this;
      const shapesOfInputs = resolveShapes(definition, feeds);
      compiled = new Compiled(place.completed(definition), shapesOfInputs, { onDevice: !place.isProcessor });
      shapes.set(signature, compiled);
    }
    return compiled;
  }
}
