/** Cases of elementwise rules: each function of plain, transposed and broadcast tensors. */
import * as tf from '@tensorflow/tfjs';
import { above, numbers, row, spread, whole, type Case } from './case.js';

type One = (x: tf.Tensor) => tf.Tensor;
type Two = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
type Range = readonly [number, number];
type Options = Parameters<typeof row>[3];

const from = (low: number, high: number): Range => [low, high];
const none = { gradients: 'none' } as const;

const ofOne = (name: string, f: One, [low, high]: Range = [-2, 2], options: Options = {}): Case =>
  row(
    name,
    { x: spread([2, 3, 4], low, high), s: spread([], low, high, 1) },
    ({ x, s }) => ({ plain: f(x!), transposed: f(x!.transpose([2, 0, 1])), scalar: f(s!) }),
    options,
  );

const ofTwo = (
  name: string,
  f: Two,
  [a, b]: readonly [Range, Range] = [from(-2, 2), from(-2, 2)],
  options: Options = {},
): Case =>
  row(
    name,
    {
      a: spread([2, 3, 4], ...a, 1),
      b: spread([2, 3, 4], ...b, 2),
      tall: spread([4, 3, 2], ...b, 3),
      row: spread([3], ...b, 4),
      plane: spread([3, 4], ...b, 5),
      thin: spread([1, 3, 1], ...a, 6),
      s: spread([], ...b, 7),
    },
    ({ a: x, b: y, tall, row: vector, plane, thin, s }) => ({
      plain: f(x!, y!),
      bothTransposed: f(x!.transpose([2, 0, 1]), y!.transpose([2, 0, 1])),
      oneTransposed: f(x!.transpose([2, 1, 0]), tall!),
      otherTransposed: f(x!, tall!.transpose([2, 1, 0])),
      vectorOntoTransposed: f(x!.transpose([0, 2, 1]), vector!),
      transposedOntoTransposed: f(x!.transpose([0, 2, 1]), plane!.transpose()),
      scalar: f(x!.transpose([1, 2, 0]), s!),
      number: f(x!, tf.scalar(1.25)),
      numberFirst: f(tf.scalar(1.25), y!),
      outer: f(thin!, plane!),
      thinTransposed: f(thin!.transpose([1, 0, 2]), y!.transpose([1, 0, 2])),
    }),
    options,
  );

/** For functions whose gradients TensorFlow.js has for equal shapes only. */
const ofEqualShapes = (name: string, f: Two): Case =>
  row(`${name} of equal shapes`, { a: spread([2, 3, 4]), b: spread([4, 3, 2]) }, ({ a, b }) => ({
    leftTransposed: f(a!.transpose(), b!),
    rightTransposed: f(a!, b!.transpose()),
  }));

const functions: readonly Case[] = [
  ofOne('abs', (x) => x.abs()),
  ofOne('neg', (x) => x.neg()),
  ofOne('sign', (x) => x.sign()),
  ofOne('square', (x) => x.square()),
  ofOne('exp', (x) => x.exp()),
  ofOne('expm1', (x) => x.expm1(), [-5, 5]),
  ofOne('log', (x) => x.log(), [0.1, 4]),
  ofOne('log1p', (x) => x.log1p(), [-0.9, 4]),
  ofOne('sqrt', (x) => x.sqrt(), [0.1, 4]),
  ofOne('rsqrt', (x) => x.rsqrt(), [0.1, 4]),
  ofOne('reciprocal', (x) => x.reciprocal(), [0.2, 4]),
  ofOne('sigmoid', (x) => x.sigmoid(), [-6, 6]),
  ofOne('logSigmoid', (x) => x.logSigmoid(), [-6, 6], none),
  ofOne('softplus', (x) => x.softplus(), [-6, 6]),
  ofOne('erf', (x) => x.erf()),
  ofOne('sin', (x) => x.sin()),
  ofOne('cos', (x) => x.cos()),
  ofOne('tan', (x) => x.tan(), [-1.2, 1.2]),
  ofOne('asin', (x) => x.asin(), [-0.9, 0.9]),
  ofOne('acos', (x) => x.acos(), [-0.9, 0.9]),
  ofOne('atan', (x) => x.atan()),
  ofOne('sinh', (x) => x.sinh()),
  ofOne('cosh', (x) => x.cosh()),
  ofOne('tanh', (x) => x.tanh()),
  ofOne('asinh', (x) => x.asinh()),
  ofOne('acosh', (x) => x.acosh(), [1.2, 4]),
  ofOne('atanh', (x) => x.atanh(), [-0.9, 0.9]),
  ofOne('floor', (x) => x.floor(), [-9, 9]),
  ofOne('ceil', (x) => x.ceil(), [-9, 9]),
  ofOne('round', (x) => x.round(), [-9, 9]),
  ofOne('clipByValue', (x) => x.clipByValue(-0.5, 1)),
  ofOne('relu', (x) => x.relu()),
  ofOne('relu6', (x) => x.relu6(), [-9, 9]),
  ofOne('leakyRelu', (x) => x.leakyRelu(0.3)),
  ofOne('elu', (x) => x.elu()),
  ofOne('selu', (x) => x.selu()),
  ofOne('step', (x) => x.step(0.25)),
  ofOne('softmax', (x) => (x.rank === 0 ? x : x.softmax())),
  ofOne('logSoftmax', (x) => (x.rank === 0 ? x : x.logSoftmax())),
  row('round halves to even', { x: numbers([6], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]) }, ({ x }) => x!.round()),
  row('softplus far from zero', { x: numbers([6], [-100, -30, -16, 16, 30, 100]) }, ({ x }) => x!.softplus()),
  row('expm1 far from zero', { x: numbers([4], [-100, -20, 20, 60]) }, ({ x }) => x!.expm1()),
  row(
    'log1p and expm1 near zero, as multiples of what they come to',
    { x: spread([20], -2, 2) },
    ({ x }) => [
      x!.mul(1e-6).log1p().mul(1e6),
      x!.mul(1e-6).expm1().mul(1e6),
      x!.mul(1e-20).log1p().mul(1e20),
      x!.mul(1e-20).expm1().mul(1e20),
    ],
    { only: 'cpu' },
  ),
];

const arithmetic: readonly Case[] = [
  ofTwo('add', (a, b) => a.add(b)),
  ofTwo('sub', (a, b) => a.sub(b)),
  ofTwo('mul', (a, b) => a.mul(b)),
  ofTwo('div', (a, b) => a.div(b), [from(-2, 2), from(0.5, 2)]),
  ofTwo('divNoNan', (a, b) => a.divNoNan(b.relu()), undefined, none),
  ofTwo('maximum', (a, b) => a.maximum(b), undefined, none),
  ofEqualShapes('maximum', (a, b) => a.maximum(b)),
  ofTwo('minimum', (a, b) => a.minimum(b), undefined, none),
  ofEqualShapes('minimum', (a, b) => a.minimum(b)),
  ofTwo('pow', (a, b) => a.pow(b), [from(0.5, 2), from(-2, 2)]),
  ofTwo('squaredDifference', (a, b) => a.squaredDifference(b), undefined, none),
  ofEqualShapes('squaredDifference', (a, b) => a.squaredDifference(b)),
  ofTwo('atan2', (a, b) => tf.atan2(a, b)),
  ofTwo('mod', (a, b) => a.mod(b), [from(-9, 9), from(1, 3)]),
  ofTwo('mod of a negative divisor', (a, b) => a.mod(b.neg()), [from(-9, 9), from(1, 3)]),
  ofTwo('floorDiv', (a, b) => a.floorDiv(b), [from(-9, 9), from(1, 3)], none),
  row(
    'prelu',
    { x: spread([2, 3, 4]), slope: spread([4], 0, 1), slopes: spread([4, 3, 2], 0, 1) },
    ({ x, slope, slopes }) => [
      tf.prelu(x!, slope!),
      tf.prelu(x!.transpose([2, 1, 0]), slopes!),
      tf.prelu(x!.transpose([2, 1, 0]), slope!.slice([0], [2])),
    ],
  ),
  row('numbers that change nothing, and some that do', { x: spread([2, 3]) }, ({ x }) => ({
    ...{ plusZero: x!.add(0), minusZero: x!.sub(0), timesOne: x!.mul(1), overOne: x!.div(1) },
    ...{ zeroPlus: tf.zeros([2, 3]).add(x!), zeroMinus: tf.scalar(0).sub(x!), oneOver: tf.scalar(1).div(x!) },
    ...{ moreZeros: x!.add(tf.zeros([4, 2, 3])), moreOnes: x!.mul(tf.ones([4, 1, 1])) },
    transposed: tf.sub(x!.transpose(), tf.zeros([3, 2])),
  })),
  row('addN', { a: spread([2, 3, 4]), b: spread([2, 4, 3]), c: spread([2, 3, 4], 0, 1) }, ({ a, b, c }) => [
    tf.addN([a!, b!.transpose([0, 2, 1]), c!]),
    tf.addN([a!.transpose([2, 1, 0]), a!.transpose([2, 1, 0])]),
    tf.addN([c!]),
  ]),
  row(
    'atan2 on the axes',
    { y: numbers([8], [0, 0, 1, -1, 1, -1, 0, 2]), x: numbers([8], [1, -1, 0, 0, -1, -1, 0, 3]) },
    ({ y, x }) => tf.atan2(y!, x!),
  ),
];

const wholeNumbers: readonly Case[] = [
  row(
    'arithmetic of whole numbers',
    { a: whole([2, 4], [7, -7, 7, -7, 6, -6, 0, 5]), b: whole([2, 4], [2, 2, -2, -2, 3, 3, 5, -5]) },
    ({ a, b }) => ({
      ...{ add: a!.add(b!), sub: a!.sub(b!), mul: a!.mul(b!), div: a!.div(b!), floorDiv: a!.floorDiv(b!) },
      ...{ mod: a!.mod(b!), maximum: a!.maximum(b!), minimum: a!.minimum(b!) },
      ...{ squaredDifference: a!.squaredDifference(b!), addN: tf.addN([a!, b!, a!]) },
      ...{ abs: a!.abs(), neg: a!.neg(), sign: a!.sign(), square: a!.square(), round: a!.round(), step: a!.step() },
      ...{ relu: a!.relu(), clip: a!.clipByValue(-3, 5), exp: a!.exp(), where: tf.where(a!.greater(b!), a!, b!) },
      ...{ mixed: a!.mul(0.5).add(b!), divided: a!.toFloat().div(b!), truncated: a!.div(tf.scalar(2)).toInt() },
      ...{ scalar: a!.add(tf.scalar(3, 'int32')), zero: a!.sub(tf.scalar(0, 'int32')) },
    }),
    none,
  ),
  row(
    'casts between all types',
    { x: numbers([2, 3], [-2.7, -0.4, 0, 0.4, 2.7, 100.9]), n: whole([2, 3], [-2, 0, 1, 0, 5, 100]) },
    ({ x, n }) => ({
      ...{ xToInt: x!.toInt(), xToBool: x!.toBool(), nToFloat: n!.toFloat(), nToBool: n!.toBool() },
      ...{ boolToInt: x!.greater(0).toInt(), boolToFloat: x!.transpose().greater(0).toFloat(), same: x!.toFloat() },
      ...{ maskToInt: x!.greater(0).toFloat().toInt(), maskToBool: n!.equal(0).toFloat().toBool() },
      ...{ constants: tf.tensor([1.7, -1.7, 0]).toInt(), constantBools: tf.tensor([1.7, 0]).toBool().toFloat() },
    }),
    none,
  ),
];

const conditions: readonly Case[] = [
  ofTwo('greater', (a, b) => a.greater(b), undefined, none),
  ofTwo('greaterEqual', (a, b) => a.greaterEqual(b), undefined, none),
  ofTwo('less', (a, b) => a.less(b), undefined, none),
  ofTwo('lessEqual', (a, b) => a.lessEqual(b), undefined, none),
  ofTwo('equal', (a, b) => a.round().equal(b.round()), undefined, none),
  ofTwo('notEqual', (a, b) => a.round().notEqual(b.round()), undefined, none),
  ofTwo('logicalAnd', (a, b) => a.greater(0).logicalAnd(b.greater(0)), undefined, none),
  ofTwo('logicalOr', (a, b) => a.greater(0).logicalOr(b.greater(0)), undefined, none),
  ofTwo('logicalXor', (a, b) => a.greater(0).logicalXor(b.greater(0)), undefined, none),
  ofOne('logicalNot', (x) => x.greater(0).logicalNot(), undefined, none),
  row(
    'not a number, infinite, finite',
    { x: numbers([5], [NaN, Infinity, -Infinity, 0, 1]) },
    ({ x }) => [tf.isNaN(x!), tf.isInf(x!), tf.isFinite(x!)],
    none,
  ),
  row(
    'comparisons of conditions',
    { x: spread([2, 3]), y: spread([2, 3], -1, 1) },
    ({ x, y }) => {
      const [a, b] = [x!.greater(0), y!.greater(0)];
      return [a.greater(b), a.lessEqual(b), a.equal(b), a.notEqual(b), tf.where(a, a, b), tf.where(a, b, x!)];
    },
    none,
  ),
  ofTwo('where', (a, b) => tf.where(a.greaterEqual(b), a.mul(b), a.sub(b))),
  row(
    'where, with conditions and branches of fewer axes',
    { x: spread([2, 3, 4]), y: spread([3, 1]), n: whole([4], [0, 1, 2, 3]) },
    ({ x, y, n }) => [
      tf.where(above(y!), x!, tf.zerosLike(x!)),
      tf.where(above(x!.transpose([0, 2, 1])), x!.transpose([0, 2, 1]), y!.reshape([3])),
      tf.where(n!.greater(1), x!, tf.scalar(7)),
      tf.where(n!.greater(1), tf.scalar(1), tf.scalar(2)),
      tf.where(tf.tensor1d([true, false, true, true]), x!, tf.scalar(-1)),
    ],
  ),
  row('masks multiply', { x: spread([2, 3, 4]), y: spread([4, 3, 2]) }, ({ x, y }) => {
    const mask = above(x!).toFloat();
    return {
      plain: mask.mul(x!),
      turned: mask.transpose([2, 1, 0]).mul(y!),
      factorTurned: mask.mul(y!.transpose([2, 1, 0])),
      twice: mask.mul(above(y!.transpose([2, 1, 0])).toFloat()).mul(x!),
      broadcast: mask.mul(x!.slice([0, 0, 0], [1, 1, 4])),
      narrow: above(x!.slice([0, 0, 0], [1, 3, 1]))
        .toFloat()
        .mul(x!),
      number: mask.mul(3),
      reshaped: mask.reshape([6, 4]).mul(x!.reshape([6, 4])),
      bare: mask,
      turnedBare: mask.transpose(),
      added: mask.add(x!),
    };
  }),
  row('the gradient of relu of a transposed sum', { x: spread([2, 3]), y: spread([3, 2]) }, ({ x, y }) =>
    x!.add(y!.transpose()).relu().mul(x!).transpose(),
  ),
];

export const elementwiseCases: readonly Case[] = [...functions, ...arithmetic, ...wholeNumbers, ...conditions];
