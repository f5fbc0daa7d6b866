/**
 * Writes ONNX graphs (https://onnx.ai, intermediate representation 8, opset 18). Only the messages and
 * fields that the tracer needs are declared; the numbers are those of onnx.proto.
 */
import protobuf from 'protobufjs';
import { sizeOf } from './table.js';

const declarations = `
  syntax = "proto3"; package onnx;
  message Attribute { string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated float floats = 7; repeated int64 ints = 8; int32 type = 20; }
  message Node { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated Attribute attribute = 5; }
  message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
  message Dimension { int64 dim_value = 1; }
  message Shape { repeated Dimension dim = 1; }
  message TensorType { int32 elem_type = 1; Shape shape = 2; }
  message Type { TensorType tensor_type = 1; }
  message ValueInfo { string name = 1; Type type = 2; }
  message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
  message OperatorSet { string domain = 1; int64 version = 2; }
  message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated OperatorSet opset_import = 8; }
`;
const Model = protobuf.parse(declarations, { keepCase: true }).root.lookupType('onnx.Model');

/** Element types as ONNX numbers them. */
export const elementTypes = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof elementTypes;

export type Attribute = number | string | readonly number[] | { readonly float: number };

/** The name of a value in the graph. */
export type Value = string;

export interface ValueType {
  readonly dims: readonly number[];
  readonly type: ElementType;
}

function attributeMessage(name: string, value: Attribute): object {
  if (typeof value === 'number') return { name, i: value, type: 2 };
  if (typeof value === 'string') return { name, s: Buffer.from(value), type: 3 };
  if ('float' in value) return { name, f: value.float, type: 1 };
  return { name, ints: value, type: 7 };
}

function bytesOf(type: ElementType, values: ArrayLike<number>): Uint8Array {
  if (type === 'float32') return new Uint8Array(Float32Array.from(values).buffer);
  if (type === 'int32') return new Uint8Array(Int32Array.from(values).buffer);
  if (type === 'bool') return Uint8Array.from(values);
  return new Uint8Array(BigInt64Array.from(Array.from(values, BigInt)).buffer);
}

export interface Node {
  readonly operator: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface Constant extends ValueType {
  readonly name: Value;
  readonly values: ArrayLike<number>;
}

/** A graph without what no output needs. */
export interface Listing {
  readonly types: ReadonlyMap<Value, ValueType>;
  readonly constants: readonly Constant[];
  readonly inputs: readonly Value[];
  /** In an order in which they can be evaluated. */
  readonly nodes: readonly Node[];
  /** By the name of the output, its value. */
  readonly outputs: ReadonlyMap<string, Value>;
}

/** A graph under construction. Equal nodes of equal inputs are written once. */
export class OnnxGraph {
  private readonly nodes: Node[] = [];
  private readonly constants: Constant[] = [];
  private readonly inputs: Value[] = [];
  private readonly outputs = new Map<string, Value>();
  private readonly types = new Map<Value, ValueType>();
  private readonly written = new Map<string, readonly Value[]>();
  /** A rough count of scalar operations: says whether a call is worth a trip to another thread. */
  operations = 0;
  /** How many elements the largest value has that a node gives. */
  largest = 0;

  constructor(
    /** Whether it runs on a device other than the processor. */
    readonly onDevice = false,
  ) {}

  dims(value: Value): readonly number[] {
    return this.types.get(value)!.dims;
  }

  type(value: Value): ElementType {
    return this.types.get(value)!.type;
  }

  input(name: string, type: ElementType, dims: readonly number[]): Value {
    this.inputs.push(name);
    this.types.set(name, { type, dims });
    return name;
  }

  output(name: string, value: Value): void {
    this.outputs.set(name, value);
  }

  constant(type: ElementType, dims: readonly number[], values: ArrayLike<number>): Value {
    const bytes = bytesOf(type, values);
    const key = `${type} ${dims.join()} ${Buffer.from(bytes.buffer).toString('latin1')}`;
    return this.once(key, () => {
      const name = this.fresh({ type, dims });
      this.constants.push({ name, type, dims, values });
      return [name];
    })[0]!;
  }

  /** Adds a node with one output of the given dims; `type` defaults to that of the first input. */
  node(
    operator: string,
    inputs: readonly Value[],
    dims: readonly number[],
    {
      type = this.type(inputs[0]!),
      attributes = {},
    }: { type?: ElementType; attributes?: Record<string, Attribute> } = {},
  ): Value {
    return this.nodeOf(operator, inputs, [{ dims, type }], attributes)[0]!;
  }

  /** Adds a node with several outputs. */
  nodeOf(
    operator: string,
    inputs: readonly Value[],
    outputs: readonly ValueType[],
    attributes: Record<string, Attribute> = {},
  ): readonly Value[] {
    const key = `${operator} ${inputs.join()} ${JSON.stringify(outputs)} ${JSON.stringify(attributes)}`;
    return this.once(key, () => {
      const names = outputs.map((output) => this.fresh(output));
      this.nodes.push({ operator, inputs, outputs: names, attributes });
      for (const size of outputs.map(({ dims }) => sizeOf(dims))) {
        this.operations += size;
        this.largest = Math.max(this.largest, size);
      }
      return names;
    });
  }

  reshape(value: Value, dims: readonly number[]): Value {
    if (this.dims(value).join() === dims.join()) return value;
    return this.node('Reshape', [value, this.constant('int64', [dims.length], dims)], dims);
  }

  transpose(value: Value, permutation: readonly number[]): Value {
    if (permutation.every((axis, position) => axis === position)) return value;
    const dims = this.dims(value);
    const transposed = permutation.map((axis) => dims[axis]!);
    // ONNX Runtime is quick at moving one axis, and at matrices: two blocks of axes change places as a matrix.
    if (permutation.join() === '2,3,0,1') {
      const matrix = this.reshape(value, [dims[0]! * dims[1]!, dims[2]! * dims[3]!]);
      return this.reshape(this.transpose(matrix, [1, 0]), transposed);
    }
    return this.node('Transpose', [value], transposed, { attributes: { perm: permutation } });
  }

  /** The first elements along every axis, so many that the result has `dims`. */
  cropped(value: Value, dims: readonly number[]): Value {
    const axes = dims.flatMap((extent, axis) => (extent === this.dims(value)[axis] ? [] : [axis]));
    if (axes.length === 0) return value;
    const bounds = [axes.map(() => 0), axes.map((axis) => dims[axis]!), axes];
    const operands = bounds.map((list) => this.constant('int64', [list.length], list));
    return this.node('Slice', [value, ...operands], dims);
  }

  /** `value` inside a border that holds one number; `pads` are the amounts before each axis, then those behind each. */
  padded(value: Value, pads: readonly number[], filling = 0): Value {
    const dims = this.dims(value);
    const operands = [this.constant('int64', [pads.length], pads), this.constant(this.type(value), [], [filling])];
    const wider = dims.map((extent, axis) => pads[axis]! + extent + pads[dims.length + axis]!);
    return this.node('Pad', [value, ...operands], wider);
  }

  /** The same elements in every place of the axes that are 1 or missing in front. */
  expand(value: Value, dims: readonly number[]): Value {
    if (this.dims(value).join() === dims.join()) return value;
    return this.node('Expand', [value, this.constant('int64', [dims.length], dims)], dims);
  }

  listing(): Listing {
    const needed = new Set(this.outputs.values());
    const nodes = this.nodes.toReversed().filter(({ inputs, outputs }) => {
      if (!outputs.some((value) => needed.has(value))) return false;
      for (const value of inputs) needed.add(value);
      return true;
    });
    return {
      types: this.types,
      constants: this.constants.filter(({ name }) => needed.has(name)),
      inputs: this.inputs,
      nodes: nodes.reverse(),
      outputs: this.outputs,
    };
  }

  private once(key: string, write: () => readonly Value[]): readonly Value[] {
    let values = this.written.get(key);
    if (values === undefined) {
      values = write();
      this.written.set(key, values);
    }
    return values;
  }

  private fresh(type: ValueType): Value {
    const name = `v${this.types.size}`;
    this.types.set(name, type);
    return name;
  }
}

/** A graph as a file of ONNX. */
export function encode(name: string, listing: Listing): Uint8Array {
  const { types, constants, inputs, nodes, outputs } = listing;
  const { renamed, copies } = namesOfOutputs(listing);
  const called = (values: readonly Value[]): Value[] => values.map((value) => renamed.get(value) ?? value);
  const own = nodes.map(({ operator, inputs: taken, outputs: given, attributes }) => ({
    op_type: operator,
    name: given[0]!,
    input: called(taken),
    output: called(given),
    attribute: Object.entries(attributes).map(([key, value]) => attributeMessage(key, value)),
  }));
  const graph = {
    node: [...own, ...copies],
    name,
    initializer: constants.map(({ name: constant, dims, type, values }) => ({
      name: constant,
      dims,
      data_type: elementTypes[type],
      raw_data: bytesOf(type, values),
    })),
    input: inputs.map((input) => valueInfo(input, types.get(input)!)),
    output: [...outputs].map(([output, value]) => valueInfo(output, types.get(value)!)),
  };
  const model = { ir_version: 8, producer_name: 'straggler', opset_import: [{ domain: '', version: 18 }], graph };
  return Model.encode(Model.fromObject(model)).finish();
}

/** What a node gives goes by the name of its output; what is given twice, or by no node, is copied. */
function namesOfOutputs({ nodes, outputs }: Listing): {
  renamed: ReadonlyMap<Value, string>;
  copies: readonly object[];
} {
  const given = new Set(nodes.flatMap((node) => node.outputs));
  const renamed = new Map<Value, string>();
  const copies: object[] = [];
  for (const [name, value] of outputs) {
    if (given.has(value) && !renamed.has(value)) renamed.set(value, name);
    else copies.push({ op_type: 'Identity', input: [renamed.get(value) ?? value], output: [name] });
  }
  return { renamed, copies };
}

function valueInfo(name: string, { type, dims }: ValueType): object {
  const shape = { dim: dims.map((extent) => ({ dim_value: extent })) };
  return { name, type: { tensor_type: { elem_type: elementTypes[type], shape } } };
}
