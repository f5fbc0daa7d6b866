/** The compiled runner: traces each function once for each shape of its inputs and runs it in ONNX Runtime. */
import { valuesOfAll, type Vector } from '../vector.js';
import { Compiled } from './compiled.js';
import { Device } from './device/device.js';
import { resolveShapes, signatureOf, type Feeds, type Tables } from './feeds.js';
import type { Call, Place } from './place.js';
import { inlineOperationsMax, Processor } from './processor.js';
import type { Fingerprint, Runner, RunnerOptions } from './runner.js';
import type { Evaluation } from './session.js';
import type { TensorFunction } from './tensorFunction.js';
import { powerOfTwoWithin, Together } from './together.js';
import type { Program } from './trace.js';

// How many calls are evaluated together at most, and how many elements their largest tensors have then. On a processor
// that is worth it for small work, where a call costs more than its arithmetic: a step of LeNet-5, or of an MLP with 100
// hidden units, takes as long in company as alone.
const togetherMax = { calls: 64, elements: 512 * 1024 };
export const togetherOnDeviceMax = { calls: 256, elements: 128 * 1024 * 1024 };

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

  /** How many calls are evaluated at once at most. It must not depend on the number of threads. */
  private mostTogether({ largest, operations }: Program): number {
    if (this.batch !== 'auto') return this.batch;
    const { isProcessor } = this.place;
    if (isProcessor && operations >= inlineOperationsMax) return 1;
    const { calls, elements } = isProcessor ? togetherMax : togetherOnDeviceMax;
    const most = Math.max(1, Math.min(calls, Math.floor(elements / largest)));
    // What waits is evaluated in such parts.
    return powerOfTwoWithin(most);
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
