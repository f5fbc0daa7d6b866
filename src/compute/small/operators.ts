/** The table of ONNX operators that small programs consist of, each as what fills arrays. */
import { sizeOf } from '../table.js';
import { elementTypes, type Attribute, type ValueType } from '../onnx.js';
import { broadcastPlaces, placesOf, stridesOf } from './places.js';

/** float32 in one, all else in the other: conditions are 0 and 1. */
export type Values = Float32Array | Int32Array;

export interface Operand extends ValueType {
  readonly values: Values;
}

export interface NodeCall {
  /** Constants among them have their values already, others when the work is done: axes and bounds are constants. */
  readonly inputs: readonly Operand[];
  readonly outputs: readonly ValueType[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Where outputs lie, and what fills them; without work they are parts of the inputs. */
export interface Work {
  readonly outputs: readonly Values[];
  readonly run?: () => void;
}

export type Operator = (call: NodeCall) => Work;

export const arrayFor = ({ type, dims }: ValueType): Values =>
  type === 'float32' ? new Float32Array(sizeOf(dims)) : new Int32Array(sizeOf(dims));

/** An operator with one output, which `fill` returns the work for. */
const filling =
  (fill: (out: Values, call: NodeCall & { readonly dims: readonly number[] }) => () => void): Operator =>
  (call) => {
    const [output] = call.outputs as readonly [ValueType];
    const out = arrayFor(output);
    return { outputs: [out], run: fill(out, { ...call, dims: output.dims }) };
  };

/** An operator on up to three numbers; arrays round what it gives to their type. */
const elementwise = (compute: (a: number, b: number, c: number) => number): Operator =>
  filling((out, { inputs, dims }) => {
    const spread = inputs.map(({ values, dims: own }) => ({ values, places: broadcastPlaces(own, dims) }));
    const [a, b = a!, c = a!] = spread;
    return () => {
      for (let at = 0; at < out.length; at += 1) {
        out[at] = compute(a!.values[a!.places[at]!]!, b.values[b.places[at]!]!, c.values[c.places[at]!]!);
      }
    };
  });

const condition = (holds: (a: number, b: number) => boolean): Operator => elementwise((a, b) => (holds(a, b) ? 1 : 0));

/** An operator whose output has, in each place, one element of its first input. */
const moving = (places: (call: NodeCall & { readonly dims: readonly number[] }) => Int32Array): Operator =>
  filling((out, call) => {
    const from = places(call);
    const { values } = call.inputs[0]!;
    return () => {
      for (let at = 0; at < out.length; at += 1) out[at] = values[from[at]!]!;
    };
  });

/** The same elements in another shape. */
const same: Operator = ({ inputs }) => ({ outputs: [inputs[0]!.values] });

/** A reduction, in float64, over the axes of the second input; `finish` is told how many values each result is of. */
const reduction = (
  start: number,
  combine: (result: number, value: number) => number,
  finish: (result: number, count: number) => number = (result) => result,
): Operator =>
  filling((out, { inputs: [x, axes] }) => {
    const { dims, values } = x!;
    const reduced = Array.from(axes!.values);
    const left = dims.map((extent, axis) => (reduced.includes(axis) ? 1 : extent));
    const places = placesOf(
      dims,
      stridesOf(left).map((stride, axis) => (reduced.includes(axis) ? 0 : stride)),
    );
    const results = new Float64Array(out.length);
    return () => {
      results.fill(start);
      for (let at = 0; at < values.length; at += 1) {
        const place = places[at]!;
        results[place] = combine(results[place]!, values[at]!);
      }
      for (let at = 0; at < out.length; at += 1) out[at] = finish(results[at]!, values.length / out.length);
    };
  });

/** How a matrix lies in an array: how far apart its rows and its columns are. */
interface Strided {
  readonly values: Values;
  readonly row: number;
  readonly column: number;
}

function strided({ values, dims }: Operand, transposed: boolean): Strided {
  const width = dims.at(-1)!;
  return transposed ? { values, row: 1, column: width } : { values, row: width, column: 1 };
}

/** Products of matrices, which sum in float64; other axes broadcast. */
const product = filling((out, { inputs, dims, attributes }) => {
  const [first, second] = inputs as [Operand, Operand];
  const [transA, transB] = [attributes['transA'] === 1, attributes['transB'] === 1];
  const [a, b] = [strided(first, transA), strided(second, transB)];
  const inner = first.dims.at(transA ? -2 : -1)!;
  const [rows, columns] = dims.slice(-2) as [number, number];
  const begins = ({ dims: own }: Operand): Int32Array =>
    broadcastPlaces(own.slice(0, -2), dims.slice(0, -2)).map((matrix) => matrix * sizeOf(own.slice(-2)));
  const [beginsA, beginsB] = [begins(first), begins(second)];
  return () => {
    let at = 0;
    for (let matrix = 0; matrix < beginsA.length; matrix += 1) {
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          let left = beginsA[matrix]! + row * a.row;
          let right = beginsB[matrix]! + column * b.column;
          let sum = 0;
          for (let k = 0; k < inner; k += 1) {
            sum += a.values[left]! * b.values[right]!;
            left += a.column;
            right += b.row;
          }
          out[at] = sum;
          at += 1;
        }
      }
    }
  };
});

const transpose = moving(({ inputs, dims, attributes }) => {
  const strides = stridesOf(inputs[0]!.dims);
  return placesOf(
    dims,
    (attributes['perm'] as readonly number[]).map((axis) => strides[axis]!),
  );
});

/** Where slices end is said by the dims of the output. */
const slice = moving(({ inputs: [x, starts, , axes, steps], dims }) => {
  const strides = stridesOf(x!.dims);
  let offset = 0;
  for (const [index, axis] of Array.from(axes!.values).entries()) {
    const [start, step, extent] = [starts!.values[index]!, steps?.values[index] ?? 1, x!.dims[axis]!];
    const from = Math.min(start < 0 ? start + extent : start, step < 0 ? extent - 1 : extent);
    offset += from * strides[axis]!;
    strides[axis]! *= step;
  }
  return placesOf(dims, strides, offset);
});

const concat = filling((out, { inputs, dims, attributes }) => {
  const axis = attributes['axis'] as number;
  const strides = stridesOf(dims);
  let before = 0;
  const pieces = inputs.map(({ values, dims: own }) => {
    const places = placesOf(own, strides, before * strides[axis]!);
    before += own[axis]!;
    return { values, places };
  });
  return () => {
    for (const { values, places } of pieces) {
      for (let at = 0; at < places.length; at += 1) out[places[at]!] = values[at]!;
    }
  };
});

/** Parts along the first axis, which lie in the array already. */
const split: Operator = ({ inputs, outputs }) => {
  let from = 0;
  return { outputs: outputs.map(({ dims }) => inputs[0]!.values.subarray(from, (from += sizeOf(dims)))) };
};

/** Rows, columns, and so on of the first input, by the second; places from the end are negative. */
const gather = filling((out, { inputs, attributes }) => {
  const [x, which] = inputs as [Operand, Operand];
  const axis = attributes['axis'] as number;
  const extent = x.dims[axis]!;
  const inner = sizeOf(x.dims.slice(axis + 1));
  const outer = sizeOf(x.dims.slice(0, axis));
  return () => {
    let at = 0;
    for (let block = 0; block < outer; block += 1) {
      for (const index of which.values) {
        if (index < -extent || index >= extent) throw new RangeError(`Gather: there is no place ${index} of ${extent}`);
        const from = (block * extent + (index < 0 ? index + extent : index)) * inner;
        for (let element = 0; element < inner; element += 1) out[at + element] = x.values[from + element]!;
        at += inner;
      }
    }
  };
});

const cast: Operator = (call) =>
  (call.attributes['to'] === elementTypes.bool ? condition((a) => a !== 0) : elementwise((a) => a))(call);

const sum = (total: number, value: number): number => total + value;

/** To the nearest whole number, halves to the even one. */
function rounded(value: number): number {
  const nearest = Math.round(value);
  return Math.abs(value % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

export const operators: Readonly<Record<string, Operator>> = {
  Abs: elementwise(Math.abs),
  Acos: elementwise(Math.acos),
  Acosh: elementwise(Math.acosh),
  Add: elementwise((a, b) => a + b),
  Asin: elementwise(Math.asin),
  Asinh: elementwise(Math.asinh),
  Atan: elementwise(Math.atan),
  Atanh: elementwise(Math.atanh),
  Cast: cast,
  Ceil: elementwise(Math.ceil),
  Clip: elementwise((a, low, high) => Math.min(Math.max(a, low), high)),
  Concat: concat,
  Cos: elementwise(Math.cos),
  Cosh: elementwise(Math.cosh),
  Div: elementwise((a, b) => a / b),
  Equal: condition((a, b) => a === b),
  Exp: elementwise(Math.exp),
  Floor: elementwise(Math.floor),
  Gather: gather,
  Gemm: product,
  Greater: condition((a, b) => a > b),
  GreaterOrEqual: condition((a, b) => a >= b),
  IsInf: condition((a) => Math.abs(a) === Infinity),
  IsNaN: condition(Number.isNaN),
  Less: condition((a, b) => a < b),
  LessOrEqual: condition((a, b) => a <= b),
  Log: elementwise(Math.log),
  MatMul: product,
  // Of two inputs, as they are written.
  Max: elementwise((a, b) => Math.max(a, b)),
  Min: elementwise((a, b) => Math.min(a, b)),
  Mul: elementwise((a, b) => a * b),
  Neg: elementwise((a) => -a),
  Not: condition((a) => a === 0),
  Or: condition((a, b) => a !== 0 || b !== 0),
  Reciprocal: elementwise((a) => 1 / a),
  ReduceMax: reduction(-Infinity, (result, value) => Math.max(result, value)),
  ReduceMean: reduction(0, sum, (total, count) => total / count),
  ReduceMin: reduction(Infinity, (result, value) => Math.min(result, value)),
  ReduceProd: reduction(1, (result, value) => result * value),
  ReduceSum: reduction(0, sum),
  Relu: elementwise((a) => Math.max(a, 0)),
  Reshape: same,
  Round: elementwise(rounded),
  Sigmoid: elementwise((a) => 1 / (1 + Math.exp(-a))),
  Sign: elementwise((a) => (a > 0 ? 1 : a < 0 ? -1 : 0)),
  Sin: elementwise(Math.sin),
  Sinh: elementwise(Math.sinh),
  Slice: slice,
  Split: split,
  Sqrt: elementwise(Math.sqrt),
  Sub: elementwise((a, b) => a - b),
  Tan: elementwise(Math.tan),
  Tanh: elementwise(Math.tanh),
  Transpose: transpose,
  Where: elementwise((a, yes, no) => (a !== 0 ? yes : no)),
};
