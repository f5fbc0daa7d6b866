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

/**
 * A function of its own for every operator: V8 keeps what it learns of types by function, and where all operators shared a
 * loop it would call each of them with boxed numbers. `body` is one of the texts below.
 */
function compiled(names: string, body: string): (...arrays: (Values | Float64Array)[]) => void {
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  return new Function(names, body) as ReturnType<typeof compiled>;
}

/** An operator on up to three numbers, as an expression of `a`, `b` and `c`; arrays round what it gives to their type. */
function elementwise(expression: string): Operator {
  const fill = compiled(
    'out, ofA, placesA, ofB, placesB, ofC, placesC',
    `for (let at = 0; at < out.length; at += 1) {
       const a = ofA[placesA[at]];
       const b = ofB[placesB[at]];
       const c = ofC[placesC[at]];
       out[at] = ${expression};
     }`,
  );
  return filling((out, { inputs, dims }) => {
    const spread = inputs.map(({ values, dims: own }) => ({ values, places: broadcastPlaces(own, dims) }));
    const [a, b = a!, c = a!] = spread;
    return () => {
      fill(out, a!.values, a!.places, b.values, b.places, c.values, c.places);
    };
  });
}

const condition = (expression: string): Operator => elementwise(`${expression} ? 1 : 0`);

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

/**
 * A reduction, in float64, over the axes of the second input: an expression of `result` and `value`, and at the end one of
 * `result` and of `count`, how many values each is of.
 */
function reduction(start: number, combined: string, finished = 'result'): Operator {
  const reduce = compiled(
    'out, results, values, places',
    `for (let at = 0; at < values.length; at += 1) {
       const result = results[places[at]];
       const value = values[at];
       results[places[at]] = ${combined};
     }
     const count = values.length / out.length;
     for (let at = 0; at < out.length; at += 1) {
       const result = results[at];
       out[at] = ${finished};
     }`,
  );
  return filling((out, { inputs: [x, axes] }) => {
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
      reduce(out, results, values, places);
    };
  });
}

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

const identity = elementwise('a');
const isTrue = condition('a !== 0');
const cast: Operator = (call) => (call.attributes['to'] === elementTypes.bool ? isTrue : identity)(call);

/** To the nearest whole number, halves to the even one. */
const rounded = 'Math.abs(a % 1) === 0.5 && Math.round(a) % 2 !== 0 ? Math.round(a) - 1 : Math.round(a)';

export const operators: Readonly<Record<string, Operator>> = {
  Abs: elementwise('Math.abs(a)'),
  Acos: elementwise('Math.acos(a)'),
  Acosh: elementwise('Math.acosh(a)'),
  Add: elementwise('a + b'),
  Asin: elementwise('Math.asin(a)'),
  Asinh: elementwise('Math.asinh(a)'),
  Atan: elementwise('Math.atan(a)'),
  Atanh: elementwise('Math.atanh(a)'),
  Cast: cast,
  Ceil: elementwise('Math.ceil(a)'),
  Clip: elementwise('Math.min(Math.max(a, b), c)'),
  Concat: concat,
  Cos: elementwise('Math.cos(a)'),
  Cosh: elementwise('Math.cosh(a)'),
  Div: elementwise('a / b'),
  Equal: condition('a === b'),
  Exp: elementwise('Math.exp(a)'),
  Floor: elementwise('Math.floor(a)'),
  Gather: gather,
  Gemm: product,
  Greater: condition('a > b'),
  GreaterOrEqual: condition('a >= b'),
  IsInf: condition('Math.abs(a) === Infinity'),
  IsNaN: condition('Number.isNaN(a)'),
  Less: condition('a < b'),
  LessOrEqual: condition('a <= b'),
  Log: elementwise('Math.log(a)'),
  MatMul: product,
  // Of two inputs, as they are written.
  Max: elementwise('Math.max(a, b)'),
  Min: elementwise('Math.min(a, b)'),
  Mul: elementwise('a * b'),
  Neg: elementwise('-a'),
  Not: condition('a === 0'),
  Or: condition('a !== 0 || b !== 0'),
  Reciprocal: elementwise('1 / a'),
  ReduceMax: reduction(-Infinity, 'Math.max(result, value)'),
  ReduceMean: reduction(0, 'result + value', 'result / count'),
  ReduceMin: reduction(Infinity, 'Math.min(result, value)'),
  ReduceProd: reduction(1, 'result * value'),
  ReduceSum: reduction(0, 'result + value'),
  Relu: elementwise('Math.max(a, 0)'),
  Reshape: same,
  Round: elementwise(rounded),
  Sigmoid: elementwise('1 / (1 + Math.exp(-a))'),
  Sign: elementwise('a > 0 ? 1 : a < 0 ? -1 : 0'),
  Sin: elementwise('Math.sin(a)'),
  Sinh: elementwise('Math.sinh(a)'),
  Slice: slice,
  Split: split,
  Sqrt: elementwise('Math.sqrt(a)'),
  Sub: elementwise('a - b'),
  Tan: elementwise('Math.tan(a)'),
  Tanh: elementwise('Math.tanh(a)'),
  Transpose: transpose,
  Where: elementwise('a !== 0 ? b : c'),
};
