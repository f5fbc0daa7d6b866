/**
 * The tracer: runs a tensor function once on symbols and records what it does, forward and backward pass
 * alike (gradient rules only call kernels), as one ONNX graph.
 */
import * as tf from '@tensorflow/tfjs';
import { BadInput } from '../conditions.js';
import { OnnxGraph } from './onnx.js';
import { rules, type Rule } from './rules.js';
import { arrange, logicalOrder, type SymbolType, type TraceSymbol } from './symbol.js';
import type { Feed, TensorFunction } from './tensorFunction.js';

/** A tensor function compiled for given input shapes. */
export interface Program {
  readonly name: string;
  /** The ONNX model. */
  readonly bytes: Uint8Array;
  readonly inputs: Readonly<Record<string, Feed>>;
  readonly outputs: Readonly<Record<string, Feed>>;
  /** A rough count of scalar operations a call. */
  readonly operations: number;
}

const backendName = 'trace';

class TraceBackend extends tf.KernelBackend {
  private readonly symbols = new tf.DataStorage<TraceSymbol>(this, tf.engine() as unknown as tf.DataMover);
  graph = new OnnxGraph();

  symbol(info: tf.TensorInfo): TraceSymbol {
    return this.symbols.get(info.dataId);
  }

  register(symbol: TraceSymbol): tf.TensorInfo {
    const dataId = {};
    this.symbols.set(dataId, symbol);
    return { dataId, shape: [...symbol.shape], dtype: symbol.dtype };
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }

  override move(dataId: tf.DataId, values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): void {
    this.symbols.set(dataId, {
      shape,
      dtype: dtype as SymbolType,
      order: logicalOrder(shape.length),
      constant: values as ArrayLike<number>,
    });
  }

  override readSync(): never {
    throw new Error('a traced function read the value of a tensor; it must be written with tensor operations alone');
  }

  override read(): never {
    return this.readSync();
  }

  override disposeData(dataId: tf.DataId): boolean {
    this.symbols.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.symbols.numDataIds();
  }

  override refCount(): number {
    return 1;
  }

  override incRef(): void {
    // Symbols are small and die with the trace.
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override dispose(): void {
    // Nothing outlives a trace.
  }
}

const backend = new TraceBackend();
let registered = false;

/** Registers the backend and one kernel for each rule; every other kernel fails by its name. */
function register(): void {
  if (registered) return;
  registered = true;
  tf.env().set('PROD', true); // No banner.
  tf.registerBackend(backendName, () => backend, 0);
  for (const [kernelName, rule] of Object.entries(rules)) {
    tf.registerKernel({ kernelName, backendName, kernelFunc: (call) => applyRule(rule, call) });
  }
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (kernelName in rules) continue;
    tf.registerKernel({ kernelName, backendName, kernelFunc: () => refuseKernel(kernelName) });
  }
}

function refuseKernel(kernelName: string): never {
  throw new BadInput(`the TensorFlow.js kernel ${kernelName} cannot be compiled to ONNX yet`, {
    remedy: 'write the function with other operations, or choose engine.runner: eager',
  });
}

type KernelCall = Parameters<tf.KernelConfig['kernelFunc']>[0];

function applyRule(rule: Rule, { inputs, attrs }: KernelCall): tf.TensorInfo | tf.TensorInfo[] {
  // Kernels of variable arity (AddN, Concat, Pack) receive an array.
  const list = Array.isArray(inputs) ? (inputs as tf.TensorInfo[]).map((info) => backend.symbol(info)) : [];
  const named: Record<string, TraceSymbol> = {};
  if (!Array.isArray(inputs)) {
    for (const [name, info] of Object.entries(inputs)) if (info) named[name] = backend.symbol(info as tf.TensorInfo);
  }
  const result = rule({ graph: backend.graph, inputs: named, list, attributes: attrs ?? {} });
  return Array.isArray(result) ? result.map((symbol) => backend.register(symbol)) : backend.register(result as TraceSymbol);
}

/**
 * Compiles `definition` for inputs of the given shapes (every `null` filled in).
 * Throws BadInput where it uses a kernel without a rule.
 */
export function trace(definition: TensorFunction, shapes: Readonly<Record<string, readonly number[]>>): Program {
  register();
  const before = tf.getBackend();
  void tf.setBackend(backendName); // Synchronous: the factory is.
  backend.graph = new OnnxGraph();
  const graph = backend.graph;
  try {
    const inputs: Record<string, Feed> = {};
    const outputs: Record<string, Feed> = {};
    tf.tidy(() => {
      const symbols: Record<string, tf.Tensor> = {};
      for (const [name, { dtype }] of Object.entries(definition.inputs)) {
        const shape = shapes[name]!;
        inputs[name] = { shape, dtype };
        const value = graph.input(`in_${name}`, dtype, shape);
        const info = backend.register({ shape, dtype, order: logicalOrder(shape.length), value });
        symbols[name] = tf.engine().makeTensorFromTensorInfo(info);
      }
      for (const [name, tensor] of Object.entries(definition.evaluate(symbols))) {
        const symbol = backend.symbol(tensor);
        graph.output(`out_${name}`, arrange(graph, symbol));
        outputs[name] = { shape: [...symbol.shape], dtype: symbol.dtype as Feed['dtype'] };
      }
    });
    return { name: definition.name, bytes: graph.encode(definition.name), inputs, outputs, operations: graph.operations };
  } finally {
    backend.graph = new OnnxGraph();
    if (before) void tf.setBackend(before);
  }
}
