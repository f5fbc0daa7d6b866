/** Cases of rules that move, cut, repeat, make and address elements. */
import * as tf from '@tensorflow/tfjs';
import { above, around, numbers, row, spread, whole, type Case } from './case.js';

const none = { gradients: 'none' } as const;

const moved: readonly Case[] = [
  row('identity and bare inputs', { x: spread([2, 3]) }, ({ x }) => ({
    bare: x!,
    clone: x!.clone(),
    turned: x!.transpose(),
  })),
  row('reshape', { x: spread([2, 3, 4]) }, ({ x }) => [
    x!.reshape([4, 6]),
    x!.transpose([2, 0, 1]).reshape([-1]),
    x!.transpose([2, 0, 1]).reshape([2, 2, 6]).transpose([1, 2, 0]),
    above(x!).toFloat().reshape([24]).mul(x!.flatten()),
    tf.ones([6]).reshape([2, 3]).add(x!.sum(2)),
  ]),
  row('expandDims and squeeze', { x: spread([2, 3, 4]), s: spread([]) }, ({ x, s }) => [
    x!.expandDims(1).mul(x!.expandDims(0)),
    x!.transpose([2, 0, 1]).expandDims(-1),
    x!.transpose([2, 0, 1]).expandDims(1).squeeze([1]),
    s!.expandDims(0),
    tf.tensor1d([1, 2, 3]).expandDims(1).add(x!),
  ]),
  row('transpose', { x: spread([2, 3, 1, 4]) }, ({ x }) => [
    x!.transpose(),
    x!.transpose([3, 1, 0, 2]).transpose([1, 3, 2, 0]),
    x!.transpose([2, 0, 3, 1]).add(x!.transpose([2, 0, 3, 1])),
    tf
      .tensor2d([1, 2, 3, 4, 5, 6], [2, 3])
      .transpose()
      .add(x!.sum([2, 3]).transpose()),
  ]),
  row('concat and stack', { x: spread([2, 3, 4]), y: spread([4, 3, 2]), n: whole([2], [3, 4]) }, ({ x, y, n }) => [
    tf.concat([x!, y!.transpose([2, 1, 0])], 1),
    tf.concat([y!.transpose([2, 1, 0]), x!, tf.zeros([2, 3, 1])], -1),
    tf.concat([y!.transpose(), above(x!).toFloat()], 0),
    tf.concat([x!.flatten(), y!.flatten()]),
    tf.concat([x!]),
    tf.stack([x!, y!.transpose([2, 1, 0])], 1),
    tf.stack([x!.sum(), y!.sum(), tf.scalar(2)]),
    tf.stack([x!.transpose([1, 0, 2]), x!.transpose([1, 0, 2])], -1),
    tf.concat([n!, tf.tensor1d([7], 'int32')]),
    tf.concat([x!, tf.zeros([2, 0, 4])], 1),
  ]),
  row('tile and broadcastTo', { x: spread([2, 3]), s: spread([]) }, ({ x, s }) => [
    x!.tile([2, 3]),
    x!.transpose().tile([1, 2]),
    x!.tile([1, 1]),
    tf.broadcastTo(x!, [4, 2, 3]),
    tf.broadcastTo(s!, [2, 2]),
    tf.broadcastTo(tf.scalar(3), [2, 3]).mul(x!),
    above(x!).tile([2, 1]).toFloat(),
  ]),
  row('pad', { x: spread([2, 3, 4]), n: whole([2], [3, 4]) }, ({ x, n }) => [
    x!.pad(around(1, 0, 0, 2, 3, 1)),
    x!.transpose([1, 2, 0]).pad(around(1, 0, 0, 2, 3, 1), -2),
    n!.pad([[1, 1]], 9),
  ]),
  row('mirrorPad', { x: spread([2, 3, 4]) }, ({ x }) => [
    tf.mirrorPad(x!, around(0, 1, 2, 1, 0, 0), 'reflect'),
    tf.mirrorPad(x!.transpose([2, 0, 1]), around(3, 4, 1, 2, 0, 3), 'symmetric'),
  ]),
  row(
    'depthToSpace',
    { x: spread([2, 2, 3, 8]) },
    ({ x }) => [
      tf.depthToSpace(x! as tf.Tensor4D, 2),
      tf.depthToSpace(x!.transpose<tf.Tensor4D>([0, 2, 1, 3]), 2).sum(3),
    ],
    none,
  ),
];

const cut: readonly Case[] = [
  row('slice', { x: spread([3, 4, 5]) }, ({ x }) => [
    x!.slice([1, 0, 2], [2, 4, 3]),
    x!.slice([1], [-1]),
    x!.transpose([2, 0, 1]).slice([1, 1, 0], [3, 2, 2]),
    x!.transpose([2, 0, 1]).slice([0, 0, 0], [5, 3, 4]),
    above(x!).slice([0, 1, 1], [1, 2, 3]).toFloat(),
  ]),
  row(
    'stridedSlice',
    { x: spread([4, 5, 6]) },
    ({ x }) => [
      x!.stridedSlice([0, 1, 1], [4, 5, 6], [2, 1, 3]),
      x!.stridedSlice([3, -1, 0], [0, -5, 6], [-2, -1, 4]),
      x!.transpose([2, 0, 1]).stridedSlice([5, 0], [0, 4], [-2, 3]),
      x!.stridedSlice([1, 2], [2, 3], [1, 1], 0, 0, 0, 0, 1),
      x!.stridedSlice([0, 0, 0], [0, 2, 0], [1, 1, 1], 1, 1, 0, 4),
      x!.stridedSlice([0, 1], [0, 3], [1, 2], 0, 0, 1),
      x!.stridedSlice([0], [4], [-1], 1, 1),
    ],
    none,
  ),
  row('reverse', { x: spread([2, 3, 4]) }, ({ x }) => [
    x!.reverse(1),
    x!.reverse([0, -1]),
    x!.transpose([2, 0, 1]).reverse([0, 1]),
  ]),
  row('split and unstack', { x: spread([2, 6, 3]) }, ({ x }) => [
    ...tf.split(x!, 3, 1),
    ...tf.split(x!.transpose([2, 0, 1]), [1, 5], -1),
    ...tf.unstack(x!, 2),
    ...tf.unstack(x!.transpose([1, 2, 0]), 1),
  ]),
];

const made: readonly Case[] = [
  row('made tensors meet inputs', { x: spread([2, 3]) }, ({ x }) => [
    x!.add(tf.range(0, 3)),
    x!.add(tf.range(6, 0, -2)),
    x!.mul(tf.linspace(-1, 1, 3)),
    x!.add(tf.fill([4, 2, 3], 0.5)),
    x!.mul(tf.eye(3).slice([0, 0], [2, 3])),
    x!.add(tf.onesLike(x!)).mul(tf.zerosLike(x!).add(2)),
  ]),
  row('bandPart', { x: spread([3, 4]) }, ({ x }) => tf.linalg.bandPart(x!.transpose(), 0, 1), none),
  row(
    'outputs of constants alone',
    {},
    () => ({
      ...{
        scalar: tf.scalar(2.5),
        whole: tf.scalar(7, 'int32'),
        condition: tf.scalar(true),
        list: tf.tensor1d([1, 2]),
      },
      ...{
        filled: tf.fill([2, 2], 3, 'int32'),
        sum: tf.add(tf.ones([2, 3]), tf.ones([2, 3])),
        range: tf.range(0, 5, 1, 'int32'),
      },
      ...{
        conditions: tf.tensor1d([true, false]),
        turned: tf.tensor2d([[1, 2, 3]]).transpose(),
        negativeZero: tf.scalar(1).div(tf.scalar(-0)),
      },
      ...{ product: tf.matMul(tf.ones([2, 3]), tf.fill([3, 2], 2)), one: tf.linspace(3, 4, 1) },
    }),
    none,
  ),
];

const addressed: readonly Case[] = [
  row(
    'gather',
    { x: spread([4, 3, 2]), n: whole([5], [3, 0, 0, 2, 3]), m: whole([2, 2], [1, 0, 2, 1]) },
    ({ x, n, m }) => [
      x!.gather(n as tf.Tensor1D),
      x!.gather(m as tf.Tensor2D, 1),
      x!.transpose([1, 0, 2]).gather(n as tf.Tensor1D, 1),
      x!.gather(tf.tensor1d([1, 1, 0], 'int32'), -1),
    ],
  ),
  row(
    'gather from constants, with computed indices',
    { x: spread([3, 4]) },
    ({ x }) => [
      tf.gather(tf.tensor1d([10, 20, 30, 40]), x!.argMax(1)),
      tf.gather(
        tf.tensor2d([
          [1, 2],
          [3, 4],
          [5, 6],
          [7, 8],
        ]),
        x!.transpose().argMin<tf.Tensor1D>(0),
      ),
    ],
    none,
  ),
  row(
    'gatherND',
    { x: spread([2, 3, 4]), n: whole([3, 2], [0, 1, 1, 2, 1, 0]), m: whole([2, 2, 1], [1, 0, 1, 1]) },
    ({ x, n, m }) => [
      tf.gatherND(x!, n!),
      tf.gatherND(x!.transpose([1, 0, 2]), m!),
      tf.gatherND(x!, tf.tensor1d([1, 2, 3], 'int32')),
    ],
    none,
  ),
  row(
    'unsortedSegmentSum',
    { x: spread([5, 2]), n: whole([5], [2, 0, -1, 2, 1]), m: whole([5], [0, 3, -7, 0, 9]) },
    ({ x, n, m }) => [
      tf.unsortedSegmentSum(x!, n as tf.Tensor1D, 3),
      tf.unsortedSegmentSum(tf.ones([5, 3]), m as tf.Tensor1D, 3),
      tf.unsortedSegmentSum(x!.transpose().reshape([5, 2]), n as tf.Tensor1D, 4),
    ],
  ),
  row('oneHot', { n: whole([4], [2, 0, 5, -1]), m: whole([2, 2], [0, 1, 2, 0]), x: spread([4, 3]) }, ({ n, m, x }) => [
    tf.oneHot(n as tf.Tensor1D, 3),
    tf.oneHot(m!, 4, 2.5, -0.5, 'float32'),
    tf.oneHot(m!.transpose(), 3, 7, 2),
    tf
      .oneHot(n as tf.Tensor1D, 3)
      .toFloat()
      .mul(x!),
    tf
      .oneHot(n as tf.Tensor1D, 3)
      .mul(2)
      .add(x!),
    tf.oneHot(n as tf.Tensor1D, 3, 1, 0, 'bool'),
  ]),
  row(
    'an embedding',
    { table: spread([6, 3]), n: whole([2, 2], [5, 0, 3, 5]), w: numbers([3], [1, -2, 3]) },
    ({ table, n, w }) =>
      table!
        .gather(n as tf.Tensor2D)
        .mul(w!)
        .sum(1)
        .tanh(),
  ),
];

export const shapeCases: readonly Case[] = [...moved, ...cut, ...made, ...addressed];
