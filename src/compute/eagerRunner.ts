/** The eager runner: calls tensor functions on a TensorFlow.js backend, on the main thread. */
import * as tf from '@tensorflow/tfjs';
import { resolveShapes, writeFeed, type Feeds, type InputValue, type Tables } from './feeds.js';
import type { Fingerprint, Runner } from './runner.js';
import { sizeOf } from './table.js';
import type { TensorFunction } from './tensorFunction.js';

export class EagerRunner implements Runner {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly fingerprint: Fingerprint,
    private readonly backendName: string,
    private readonly tables: Tables,
  ) {}

  call(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Float32Array>> {
    const turn = this.last.then(() => this.evaluate(definition, feeds));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  keep(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Float32Array>> {
    return this.call(definition, feeds);
  }

  join(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Float32Array>> {
    return this.call(definition, feeds);
  }

  wait<Value>(result: Promise<Value>): Promise<Value> {
    return result;
  }

  knownFinite(): boolean {
    return false;
  }

  onCpu(): Promise<Record<string, never>> {
    return Promise.resolve({});
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private async evaluate(definition: TensorFunction, feeds: Feeds): Promise<Record<string, Float32Array>> {
    await tf.setBackend(this.backendName);
    const shapes = resolveShapes(definition, feeds);
    const outputs = tf.tidy(() => {
      const tensors: Record<string, tf.Tensor> = {};
      for (const [name, { dtype }] of Object.entries(definition.inputs)) {
        tensors[name] = tf.tensor(this.valuesOf(feeds[name]!, shapes[name]!, dtype), [...shapes[name]!], dtype);
      }
      return definition.evaluate(tensors);
    });
    const result: Record<string, Float32Array> = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      result[name] = Float32Array.from(await tensor.data());
      tensor.dispose();
    }
    return result;
  }

  private valuesOf(feed: InputValue, shape: readonly number[], dtype: 'float32' | 'int32'): Float32Array | Int32Array {
    const values = dtype === 'int32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
    writeFeed(values, feed, this.tables);
    return values;
  }
}
