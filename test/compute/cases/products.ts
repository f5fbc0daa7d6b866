/** Cases of products of matrices. */
import * as tf from '@tensorflow/tfjs';
import { row, spread, whole, type Case } from './case.js';

const flags = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

/** A matrix [rows, columns] as matMul wants it under a transpose flag. */
const shaped = (rows: number, columns: number, transposed: boolean): number[] =>
  transposed ? [columns, rows] : [rows, columns];

const none = { gradients: 'none' } as const;

export const productCases: readonly Case[] = [
  ...flags.map(([left, right]) =>
    row(
      `matMul, transposeA ${left}, transposeB ${right}`,
      {
        a: spread(shaped(2, 3, left)),
        b: spread(shaped(3, 4, right)),
        p: spread(shaped(3, 2, left)),
        q: spread(shaped(4, 3, right)),
      },
      ({ a, b, p, q }) => ({
        plain: tf.matMul(a!, b!, left, right),
        leftTurned: tf.matMul(p!.transpose(), b!, left, right),
        rightTurned: tf.matMul(a!, q!.transpose(), left, right),
        bothTurned: tf.matMul(p!.transpose(), q!.transpose(), left, right).transpose(),
      }),
    ),
  ),
  ...flags.map(([left, right]) =>
    row(
      `batched matMul, transposeA ${left}, transposeB ${right}`,
      {
        a: spread([5, ...shaped(2, 3, left)]),
        b: spread([5, ...shaped(3, 4, right)]),
        p: spread([...shaped(3, 2, left), 5]),
        q: spread([shaped(3, 4, right)[0]!, 5, shaped(3, 4, right)[1]!]),
      },
      ({ a, b, p, q }) => ({
        plain: tf.matMul(a!, b!, left, right),
        leftTurned: tf.matMul(p!.transpose([2, 1, 0]), b!, left, right),
        bothTurned: tf.matMul(p!.transpose(), q!.transpose([1, 0, 2]), left, right),
      }),
    ),
  ),
  row(
    'matMul of a batch with one matrix',
    { a: spread([4, 2, 3]), b: spread([1, 3, 2]), c: spread([3, 2]) },
    ({ a, b, c }) => [
      tf.matMul(a!, b!),
      tf.matMul(b!, a!, false, false).sum(0),
      tf.matMul(a!, c!),
      tf.matMul(c!, a!),
      tf.matMul(a!.reshape([2, 2, 2, 3]), b!.reshape([1, 1, 3, 2])),
    ],
    none,
  ),
  row(
    'matMul of whole numbers',
    { a: whole([2, 3], [1, -2, 3, 4, 5, -6]), b: whole([3, 2], [7, 8, -9, 1, 2, 3]) },
    ({ a, b }) => [tf.matMul(a!, b!), tf.matMul(a!, b!.transpose(), false, true)],
    none,
  ),
  row('products with vectors', { a: spread([2, 3]), v: spread([3]), w: spread([2]) }, ({ a, v, w }) => [
    tf.dot(a!, v!),
    tf.dot(v!, v!),
    tf.dot(w!, a!),
    tf.outerProduct(v as tf.Tensor1D, w as tf.Tensor1D),
  ]),
  row(
    'fused matMul',
    { a: spread([2, 3]), b: spread([4, 3]), bias: spread([4]), slope: spread([4], 0, 1) },
    ({ a, b, bias, slope }) => {
      const product = (activation: 'linear' | 'relu' | 'relu6' | 'elu' | 'sigmoid') =>
        tf.fused.matMul({ a: a!, b: b!, transposeB: true, bias: bias!, activation });
      return {
        ...{ linear: product('linear'), relu: product('relu'), relu6: product('relu6'), elu: product('elu') },
        sigmoid: product('sigmoid'),
        bare: tf.fused.matMul({ a: a!, b: b!, transposeB: true }),
        prelu: tf.fused.matMul({
          a: a!,
          b: b!,
          transposeB: true,
          bias: bias!,
          activation: 'prelu',
          preluActivationWeights: slope!,
        }),
        leaky: tf.fused.matMul({ a: a!, b: b!, transposeB: true, activation: 'leakyrelu', leakyreluAlpha: 0.1 }),
      };
    },
  ),
  row(
    'einsum',
    { a: spread([2, 3, 4]), b: spread([4, 3, 5]), c: spread([3, 4]) },
    ({ a, b, c }) => [
      tf.einsum('ijk,kjl->il', a!, b!),
      tf.einsum('ij k, jk -> ik', a!, c!),
      tf.einsum('ij->ji', c!.transpose()),
      tf.einsum('ijk->', a!),
      tf.einsum('ijk,jk->ijk', a!.transpose([0, 1, 2]), c!),
    ],
    none,
  ),
];
