/**
 * The tracer: runs a tensor function once on symbols and records what it does, forward and backward pass
 * alike (gradient rules only call kernels), as one ONNX graph.
 */
import * as tf from '@tensorflow/tfjs';
import { BadInput } from '../conditions.js';
import { bytesOf, loopsOf, type Loops } from './loops/loops.js';
import { OnnxGraph, type Listing, type Value } from './onnx.js';
import { addInputs, addOutputs } from './packing.js';
import { callReplicated, Replicated, type Held, type ReplicatedCall } from './replicas.js';
import { deviceRules, rules } from './rules.js';
import { cannotCompile, type RuleCall } from './rules/rule.js';
import { expanded } from './rules/shapes.js';
import { arrange, converted, logicalOrder, type TraceSymbol } from './symbol.js';
import type { Feed, TensorFunction } from './tensorFunction.js';

/** A tensor function compiled for given input shapes. */
export interface Program {
  readonly name: string;
  /** The ONNX model; empty where loops do everything. */
  readonly bytes: Uint8Array;
  /** The loops around it: on the processor, where an output is large. */
  readonly loops: Loops | undefined;
  /** The same as a list, of a small program for the processor. */
  readonly listing: Listing | undefined;
  readonly inputs: Readonly<Record<string, Feed>>;
  readonly outputs: Readonly<Record<string, Feed>>;
  /** For how many sets of inputs it is. Where more than one, they are the first axis of every output, and of inputs. */
  readonly replicas: number;
  /** The inputs that all replicas share. */
  readonly shared: ReadonlySet<string>;
  /** A rough count of scalar operations a call. */
  readonly operations: number;
  /** How many elements the largest tensor has. */
  readonly largest: number;
}

// A call of ONNX Runtime takes 10 us and more: JavaScript has done so many scalar operations by then.
const smallOperationsMax = 4096;

const backendName = 'trace';

/** A symbol and how many tensors share it (TensorFlow.js counts them for variables and for moves). */
interface Entry {
  readonly symbol: Held;
  references: number;
}

class TraceBackend extends tf.KernelBackend {
  private readonly entries = new tf.DataStorage<Entry>(this, tf.engine());
  graph = new OnnxGraph();
  replicas = 1;

  /** The symbol of a tensor. One that was made outside of the trace moves here and becomes a constant. */
  symbol({ dataId }: tf.TensorInfo): Held {
    return this.entries.get(dataId).symbol;
  }

  register(symbol: Held): tf.TensorInfo {
    const dataId = {};
    this.entries.set(dataId, { symbol, references: 1 });
    return { dataId, shape: [...symbol.shape], dtype: symbol.dtype };
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: tf.DataId,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    if (dtype === 'string' || dtype === 'complex64') {
      throw new BadInput(`a traced function uses a tensor of type ${dtype}`, {
        remedy: 'keep to the types float32, int32 and bool',
      });
    }
    const constant = values as ArrayLike<number>;
    const order = logicalOrder(shape.length);
    this.entries.set(dataId, { symbol: { shape, dtype, order, constant }, references });
  }

  /** Only constants have values; those made outside of the trace go back there when they are used next. */
  override readSync(dataId: tf.DataId): tf.TypedArray {
    const { symbol } = this.entries.get(dataId);
    const constant = symbol instanceof Replicated ? undefined : symbol.constant;
    if (constant === undefined) {
      throw new BadInput('a traced function read the value of a tensor, which is not known while it is compiled', {
        remedy:
          'write it with tensor operations alone (no dataSync, arraySync or print), or choose engine.runner: eager',
      });
    }
    return tf.util.toTypedArray(constant, symbol.dtype);
  }

  override read(dataId: tf.DataId): Promise<tf.TypedArray> {
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.entries.has(dataId)) return true;
    const entry = this.entries.get(dataId);
    entry.references -= 1;
    if (!force && entry.references > 0) return false;
    this.entries.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.entries.numDataIds();
  }

  override refCount(dataId: tf.DataId): number {
    return this.entries.has(dataId) ? this.entries.get(dataId).references : 0;
  }

  override incRef(dataId: tf.DataId): void {
    this.entries.get(dataId).references += 1;
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
  for (const kernelName of Object.keys(rules)) {
    tf.registerKernel({ kernelName, backendName, kernelFunc: (call) => applyRule(kernelName, call) });
  }
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (kernelName in rules) continue;
    tf.registerKernel({ kernelName, backendName, kernelFunc: () => refuseKernel(kernelName) });
  }
}

function refuseKernel(kernelName: string): never {
  throw cannotCompile(kernelName, 'yet', 'write the function with other operations');
}

type KernelCall = Parameters<tf.KernelConfig['kernelFunc']>[0];

function applyRule(kernelName: string, { inputs, attrs }: KernelCall): tf.TensorInfo | tf.TensorInfo[] {
  // Kernels of variable arity (AddN, Concat, Pack) receive an array.
  const list = Array.isArray(inputs) ? (inputs as tf.TensorInfo[]).map((info) => backend.symbol(info)) : [];
  const named: Record<string, Held> = {};
  if (!Array.isArray(inputs)) {
    for (const [name, info] of Object.entries(inputs)) if (info) named[name] = backend.symbol(info);
  }
  const { graph, replicas } = backend;
  const rule = (graph.onDevice ? deviceRules : rules)[kernelName]!;
  const call = { graph, inputs: named, list, attributes: attrs ?? {} };
  const result = isPlain(call) ? rule(call) : callReplicated(kernelName, rule, { ...call, replicas });
  return Array.isArray(result) ? result.map((symbol) => backend.register(symbol)) : backend.register(result);
}

/** Whether no input is replicated. */
const isPlain = (call: Pick<ReplicatedCall, 'graph' | 'inputs' | 'list' | 'attributes'>): call is RuleCall =>
  [...Object.values(call.inputs), ...call.list].every((held) => !(held instanceof Replicated));

/** What a function is compiled for. */
export interface Target {
  /** How many sets of inputs, and which of its inputs these share. */
  readonly replicas?: number;
  readonly shared?: ReadonlySet<string>;
  /** Whether it runs on a device other than the processor. */
  readonly onDevice?: boolean;
}

/**
 * Compiles `definition` for inputs of the given shapes (every `null` filled in), or for several sets of them at once.
 * Throws BadInput where it uses a kernel without a rule.
 */
export function trace(
  definition: TensorFunction,
  shapes: Readonly<Record<string, readonly number[]>>,
  { replicas = 1, shared = new Set(), onDevice = false }: Target = {},
): Program {
  register();
  const before = tf.getBackend();
  void tf.setBackend(backendName); // Synchronous: the factory is.
  const graph = new OnnxGraph(onDevice);
  backend.graph = graph;
  backend.replicas = replicas;
  try {
    const inputs: Record<string, Feed> = {};
    const outputs: Record<string, Feed> = {};
    const isOwn = (name: string): boolean => replicas > 1 && !shared.has(name);
    tf.tidy(() => {
      const symbols: Record<string, tf.Tensor> = {};
      for (const [name, { dtype }] of Object.entries(definition.inputs)) {
        inputs[name] = { shape: isOwn(name) ? [replicas, ...shapes[name]!] : shapes[name]!, dtype };
      }
      for (const [name, value] of addInputs(graph, inputs)) {
        const { shape, dtype } = inputs[name]!;
        const symbol = { shape, dtype, order: logicalOrder(shape.length), value };
        const info = backend.register(isOwn(name) ? Replicated.stacked(symbol) : symbol);
        symbols[name] = tf.engine().makeTensorFromTensorInfo(info);
      }
      const values = new Map<string, Value>();
      for (const [name, tensor] of Object.entries(definition.evaluate(symbols))) {
        const symbol = converted(graph, whole(graph, backend.symbol(tensor), replicas), 'float32');
        values.set(name, arrange(graph, symbol));
        outputs[name] = { shape: symbol.shape, dtype: 'float32' };
      }
      addOutputs(graph, outputs, values);
    });
    const { operations, largest } = graph;
    const { name } = definition;
    const listing = graph.listing();
    const isSmall = operations <= smallOperationsMax && !onDevice;
    const { core, loops } = isSmall || onDevice ? { core: listing, loops: undefined } : loopsOf(listing);
    return {
      name,
      bytes: bytesOf(name, core),
      loops,
      listing: isSmall ? listing : undefined,
      inputs,
      outputs,
      replicas,
      shared,
      operations,
      largest,
    };
  } finally {
    backend.graph = new OnnxGraph();
    void tf.setBackend(before || 'cpu');
  }
}

/** What all replicas have of a tensor. */
function whole(graph: OnnxGraph, held: Held, replicas: number): TraceSymbol {
  if (held instanceof Replicated) return held.stacked(graph);
  return replicas > 1 ? expanded(graph, held, replicas) : held;
}
