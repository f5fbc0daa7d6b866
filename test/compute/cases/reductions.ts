/** Cases of reductions, running sums, softmax and sorting. */
import * as tf from '@tensorflow/tfjs';
import { numbers, row, spread, whole, type Case } from './case.js';

const none = { gradients: 'none' } as const;

type Reduction = (x: tf.Tensor, axis?: number | number[], keepDims?: boolean) => tf.Tensor;

const over = (name: string, f: Reduction, options: Parameters<typeof row>[3] = {}): Case =>
  row(
    name,
    { x: spread([2, 3, 4], 0.5, 2), thin: spread([3, 1, 2], 0.5, 2), s: spread([]) },
    ({ x, thin, s }) => {
      const turned = x!.transpose([2, 0, 1]);
      return {
        ...{
          all: f(x!),
          first: f(x!, 0),
          last: f(x!, 2),
          two: f(x!, [0, 2]),
          kept: f(x!, 1, true),
          keptAll: f(x!, undefined, true),
        },
        ...{ turnedFirst: f(turned, 0), turnedTwo: f(turned, [2, 0]), turnedKept: f(turned, [1], true) },
        ...{
          turnedBack: f(turned, 1).transpose(),
          thin: f(thin!, 1),
          thinTurned: f(thin!.transpose([1, 2, 0]), [0, 2]),
        },
        scalar: f(s!),
        used: turned.sub(f(turned, [0, 1], true)),
      };
    },
    options,
  );

/** The same without differences, for conditions. */
const ofConditions = (name: string, f: Reduction): Case =>
  row(
    name,
    { x: spread([2, 3, 4]) },
    ({ x }) => {
      const turned = x!.less(1.2).transpose([2, 0, 1]);
      return [f(x!.less(1.2), 0), f(turned, 0), f(turned, [1, 2], true), f(x!.greater(-5)), f(x!.greater(5))];
    },
    none,
  );

export const reductionCases: readonly Case[] = [
  over('sum', tf.sum),
  row('sum of many', { long: spread([2, 1500], 0.5, 2), tall: spread([2, 3, 70, 2], 0.5, 2) }, ({ long, tall }) => [
    long!.sum(1),
    long!.sum(),
    tall!.sum([1, 2]),
    tall!.sum(2),
    tall!.sum([0, 1, 2]),
    tall!.sum(1),
  ]),
  over('mean', tf.mean),
  over('max', tf.max),
  over('min', tf.min),
  over('prod', tf.prod),
  over('logSumExp', tf.logSumExp),
  over('norm', (x, axis, keepDims) => tf.norm(x, 'euclidean', axis, keepDims)),
  over('moments', (x, axis, keepDims) => tf.moments(x, axis, keepDims).variance),
  ofConditions('all', tf.all),
  ofConditions('any', tf.any),
  row('max shares the gradient among equals', { x: numbers([2, 3], [1, 3, 3, 2, 2, 1]) }, ({ x }) => x!.max(1)),
  row(
    'reductions of whole numbers and conditions',
    { n: whole([2, 3], [1, -2, 3, 4, 5, -6]) },
    ({ n }) => ({
      ...{ sum: n!.sum(0), mean: n!.mean(), max: n!.max(1), min: n!.min(), prod: n!.prod(0), cumsum: n!.cumsum(1) },
      ...{
        count: n!.greater(0).sum(),
        product: n!.greater(-9).prod(),
        meanOfConditions: n!.greater(0).toFloat().mean(),
      },
      ...{ argMax: n!.argMax(1), meanOfScalar: tf.mean(n!.max()), top: tf.topk(n!, 2).values },
    }),
    none,
  ),
  row(
    'argMax and argMin',
    { x: spread([2, 3, 4]), ties: numbers([2, 3], [1, 1, 0, 0, 2, 2]) },
    ({ x, ties }) => [
      ...[x!.argMax(0), x!.argMax(-1), x!.transpose([2, 0, 1]).argMax(0), x!.transpose([2, 0, 1]).argMin(2)],
      ...[x!.argMin(1), ties!.argMax(1), ties!.argMin(1), ties!.argMax(1).equal(tf.tensor1d([0, 1], 'int32'))],
    ],
    none,
  ),
  row('cumsum', { x: spread([2, 3, 4]) }, ({ x }) => [
    ...[x!.cumsum(2), x!.cumsum(2, true), x!.cumsum(2, false, true), x!.transpose([2, 0, 1]).cumsum(2, true, true)],
  ]),
  row(
    'cumsum and cumprod along every axis',
    { x: spread([2, 3, 5]) },
    ({ x }) => {
      const turned = x!.transpose([2, 0, 1]);
      return [
        ...[x!.cumsum(0), x!.cumsum(1, true, true), turned.cumsum(0), turned.cumsum(1, false, true)],
        ...[tf.cumprod(x!, 0), tf.cumprod(x!, 1, true, true), tf.cumprod(x!, 2, true), tf.cumprod(turned, 0)],
        ...[tf.cumprod(turned, 1, false, true), tf.cumprod(turned, 0, true, true)],
      ];
    },
    none,
  ),
  row(
    'topk',
    { x: spread([2, 3, 5]) },
    ({ x }) => {
      const [plain, turned] = [tf.topk(x!, 3), tf.topk(x!.transpose([0, 2, 1]), 2)];
      return [plain.values, plain.indices, turned.values, turned.indices];
    },
    none,
  ),
  row('softmax and logSoftmax of transposed tensors', { x: spread([2, 3, 4]) }, ({ x }) => [
    tf.softmax(x!.transpose([0, 2, 1])),
    tf.logSoftmax(x!.transpose([2, 1, 0])),
    tf.softmax(x!.reshape([24])),
  ]),
  row('cross-entropy', { logits: spread([4, 3]), classes: whole([4], [0, 2, 1, 2]) }, ({ logits, classes }) => [
    tf.losses.softmaxCrossEntropy(tf.oneHot(classes!, 3), logits!),
    logits!.logSoftmax().mul(tf.oneHot(classes!, 3).toFloat()).sum(1).neg(),
  ]),
];
