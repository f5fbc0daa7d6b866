/** Cases of rules for images: convolutions, pooling, normalization, resizing. */
import * as tf from '@tensorflow/tfjs';
import { around, numbers, row, spread, whole, type Case, type CaseInput } from './case.js';

type Pad = 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
type Pair = [number, number];

const images = (x: tf.Tensor | undefined): tf.Tensor4D => x as tf.Tensor4D;
const none = { gradients: 'none' } as const;
// TensorFlow.js forgets the windows that hang over on the way back.
const wrong = { gradients: 'wrong' } as const;

interface Convolution {
  readonly image: CaseInput;
  readonly filter: CaseInput;
  readonly strides: number | Pair;
  readonly pad: Pad;
}

const convolution = (name: string, { image, filter, strides, pad }: Convolution): Case =>
  row(`conv2d ${name}`, { image, filter }, ({ image: x, filter: w }) => tf.conv2d(images(x), images(w), strides, pad));

/** The same with small results: gradients by tiles are right to 2e-6 of their norm (test/compute/tiles.test.ts). */
const manyChannels = (name: string, { image, filter, strides, pad }: Convolution): Case =>
  row(`conv2d of many channels${name}`, { image, filter }, ({ image: x, filter: w }) =>
    tf.conv2d(images(x), images(w), strides, pad).mul(0.1),
  );

const convolutions: readonly Case[] = [
  convolution('valid', { image: spread([2, 5, 6, 3]), filter: spread([3, 2, 3, 4]), strides: 1, pad: 'valid' }),
  convolution('same', { image: spread([2, 5, 6, 3]), filter: spread([3, 2, 3, 4]), strides: 1, pad: 'same' }),
  convolution('of one channel', {
    image: spread([2, 6, 5, 1]),
    filter: spread([3, 3, 1, 2]),
    strides: 1,
    pad: 'valid',
  }),
  convolution('of an image as large as the filter, same', {
    image: spread([2, 2, 3, 2]),
    filter: spread([2, 3, 2, 3]),
    strides: 1,
    pad: 'same',
  }),
  convolution('with strides', { image: spread([2, 7, 6, 2]), filter: spread([3, 3, 2, 3]), strides: 2, pad: 'valid' }),
  convolution('with strides that skip the end', {
    image: spread([1, 8, 9, 2]),
    filter: spread([2, 3, 2, 3]),
    strides: [3, 2],
    pad: 'valid',
  }),
  convolution('same with strides', {
    image: spread([2, 7, 6, 2]),
    filter: spread([3, 2, 2, 3]),
    strides: [2, 3],
    pad: 'same',
  }),
  convolution('with a border of 2', { image: spread([1, 4, 5, 2]), filter: spread([3, 3, 2, 2]), strides: 2, pad: 2 }),
  convolution('with a border of its own on every side', {
    ...{ image: spread([1, 4, 5, 2]), filter: spread([2, 3, 2, 2]), strides: 1 },
    pad: around(0, 0, 1, 0, 2, 1, 0, 0) as tf.backend_util.ExplicitPadding,
  }),
  convolution('1 x 1', { image: spread([2, 3, 4, 3]), filter: spread([1, 1, 3, 5]), strides: 1, pad: 'valid' }),
  convolution('over the whole image', {
    image: spread([2, 3, 4, 3]),
    filter: spread([3, 4, 3, 5]),
    strides: 1,
    pad: 'valid',
  }),
  manyChannels('', {
    image: spread([3, 12, 12, 20], -0.1, 0.1),
    filter: spread([5, 5, 20, 30], -0.02, 0.02),
    strides: 1,
    pad: 'valid',
  }),
  manyChannels(', same, with tiles that hang over', {
    image: spread([2, 9, 7, 24], -0.1, 0.1),
    filter: spread([3, 4, 24, 32], -0.02, 0.02),
    strides: 1,
    pad: 'same',
  }),
  manyChannels(' with filters of 7 x 2 and a border of its own on every side', {
    ...{ image: spread([2, 8, 9, 32], -0.1, 0.1), filter: spread([7, 2, 32, 32], -0.02, 0.02), strides: 1 },
    pad: around(0, 0, 3, 1, 0, 2, 0, 0) as tf.backend_util.ExplicitPadding,
  }),
  row(
    'conv2d of many channels in NCHW',
    { x: spread([2, 24, 8, 10], -0.1, 0.1), w: spread([3, 3, 24, 32], -0.02, 0.02) },
    ({ x, w }) => tf.conv2d(images(x), images(w), 1, 'same', 'NCHW').mul(0.1),
  ),
  row(
    'conv2d with dilation',
    { x: spread([2, 7, 8, 2]), w: spread([3, 2, 2, 3]) },
    ({ x, w }) => [
      tf.conv2d(images(x), images(w), 1, 'valid', 'NHWC', 2),
      tf.conv2d(images(x), images(w), 1, 'same', 'NHWC', [2, 3]),
    ],
    none,
  ),
  row(
    'conv2d with the last windows hanging over',
    { x: spread([1, 6, 6, 1]), w: spread([3, 3, 1, 2]) },
    ({ x, w }) => tf.conv2d(images(x), images(w), 2, 1, 'NHWC', 1, 'ceil'),
    wrong,
  ),
  row('conv2d in NCHW', { x: spread([2, 3, 5, 6]), w: spread([3, 2, 3, 4]) }, ({ x, w }) => [
    tf.conv2d(images(x), images(w), 1, 'same', 'NCHW'),
    tf.conv2d(images(x), images(w), 2, 'valid', 'NCHW').relu().mean([2, 3]),
  ]),
  row('conv2d of transposed images and filters', { x: spread([3, 6, 5, 2]), w: spread([4, 3, 2, 3]) }, ({ x, w }) =>
    tf.conv2d(images(x!.transpose([3, 1, 2, 0])), images(w!.transpose([1, 2, 3, 0])), 1, 'valid'),
  ),
  row('conv1d', { x: spread([2, 7, 3]), w: spread([3, 3, 4]) }, ({ x, w }) =>
    tf.conv1d(x as tf.Tensor3D, w as tf.Tensor3D, 2, 'same'),
  ),
  row('conv2dTranspose', { x: spread([2, 3, 4, 3]), w: spread([3, 2, 2, 3]) }, ({ x, w }) => [
    tf.conv2dTranspose(images(x), images(w), [2, 6, 10, 2], [2, 3], 'same'),
    tf.conv2dTranspose(images(x), images(w), [2, 5, 12, 2], [2, 3], 'same'),
    tf.conv2dTranspose(images(x), images(w), [2, 5, 5, 2], 1, 'valid'),
  ]),
  row(
    'conv2d, bias, mean over axes, reshape',
    { x: spread([2, 5, 6, 2]), w: spread([2, 2, 2, 3]), bias: spread([3]) },
    ({ x, w, bias }) => {
      const y = tf.conv2d(images(x), images(w), 1, 'valid').add(bias!);
      return {
        ...{ sum: y, mean: y.mean([1, 2]).reshape([6]), channels: y.mean([0, 1, 2]), flat: y.reshape([2, 60]).tanh() },
        ...{
          turned: y.transpose([0, 3, 1, 2]).reshape([2, 60]),
          normal: y.sub(y.mean(3, true)).div(y.square().mean(3, true).add(1)),
        },
      };
    },
  ),
  row(
    'concat, slice and pad of conv2d',
    { x: spread([2, 4, 5, 2]), w: spread([2, 2, 2, 3]), v: spread([2, 2, 2, 2]) },
    ({ x, w, v }) => {
      const [a, b] = [tf.conv2d(images(x), images(w), 1, 'same'), tf.conv2d(images(x), images(v), 1, 'same').relu()];
      return [
        tf.concat([a, b, x!], 3),
        tf.concat([x!, b], 1),
        a.slice([0, 1, 1, 0], [2, 2, 3, 2]),
        b.pad(around(0, 0, 1, 0, 0, 2, 1, 1)),
        tf.stack([b, x!], 0).sum(2),
        a.gather(tf.tensor1d([2, 0], 'int32'), 3),
        b.tile([1, 2, 1, 1]).reverse(2),
      ];
    },
  ),
  row(
    'two layers of convolution',
    { x: spread([2, 8, 8, 1]), w: spread([3, 3, 1, 2]), v: spread([2, 2, 2, 3]), b: spread([2]) },
    ({ x, w, v, b }) => {
      const first = tf.conv2d(images(x), images(w), 1, 'valid').add(b!).relu<tf.Tensor4D>();
      return tf
        .conv2d(tf.maxPool(first, 2, 2, 'valid'), images(v), 1, 'valid')
        .relu()
        .reshape([2, 12]);
    },
  ),
  row(
    'maxPool of convolutions of few channels with a border',
    { x: spread([2, 9, 8, 3]), w: spread([3, 2, 3, 4]), v: spread([2, 3, 3, 2]), b: spread([4]) },
    ({ x, w, v, b }) => {
      const one = tf.conv2d(images(x), images(w), 1, 'same');
      const other = tf.conv2d(images(x), images(v), 1, 'valid');
      return {
        bare: tf.maxPool(one, 2, 2, 'valid'),
        biased: tf.maxPool(one.add<tf.Tensor4D>(b!), [2, 3], [3, 3], 'valid').relu(),
        rectified: tf.maxPool(
          one.relu<tf.Tensor4D>().add<tf.Tensor4D>(b!).relu<tf.Tensor4D>(),
          [3, 2],
          [3, 2],
          'valid',
        ),
        other: tf.maxPool(other.relu<tf.Tensor4D>(), 3, 3, 'valid'),
        overlapping: tf.maxPool(other.relu<tf.Tensor4D>(), 3, 2, 'valid'),
        scaled: tf.maxPool(other.mul<tf.Tensor4D>(-1), 2, 2, 'valid'),
      };
    },
  ),
  row(
    'fused conv2d',
    { x: spread([2, 4, 5, 2]), filter: spread([2, 3, 2, 3]), bias: spread([3]), slope: spread([3], 0, 1) },
    ({ x, filter, bias, slope }) => {
      const common = { x: images(x), filter: images(filter), strides: 1, pad: 'same' as const };
      return {
        linear: tf.fused.conv2d({ ...common, bias: bias! }),
        relu: tf.fused.conv2d({ ...common, bias: bias!, activation: 'relu' }),
        prelu: tf.fused.conv2d({ ...common, bias: bias!, activation: 'prelu', preluActivationWeights: slope! }),
        bare: tf.fused.conv2d(common),
      };
    },
  ),
];

const depthwise: readonly Case[] = [
  ...(
    [
      ['valid', 1],
      ['same', 1],
      ['same', 2],
      ['valid', 2],
    ] as const
  ).map(([pad, strides]) =>
    row(`depthwiseConv2d ${pad}, stride ${strides}`, { x: spread([2, 6, 7, 3]), w: spread([3, 2, 3, 2]) }, ({ x, w }) =>
      tf.depthwiseConv2d(images(x), images(w), strides, pad),
    ),
  ),
  row(
    'depthwiseConv2d with the last windows hanging over',
    { x: spread([1, 6, 6, 2]), w: spread([3, 3, 2, 2]) },
    ({ x, w }) => tf.depthwiseConv2d(images(x), images(w), 2, 1, 'NHWC', 1, 'ceil'),
  ),
  row(
    'depthwiseConv2d with dilation',
    { x: spread([2, 6, 7, 3]), w: spread([3, 2, 3, 1]) },
    ({ x, w }) => tf.depthwiseConv2d(images(x), images(w), 1, 'valid', 'NHWC', 2),
    none,
  ),
  row('separableConv2d', { x: spread([2, 5, 5, 2]), w: spread([3, 3, 2, 2]), p: spread([1, 1, 4, 3]) }, ({ x, w, p }) =>
    tf.separableConv2d(images(x), images(w), p as tf.Tensor4D, 1, 'same'),
  ),
  row(
    'fused depthwiseConv2d',
    { x: spread([2, 4, 5, 2]), filter: spread([2, 3, 2, 2]), bias: spread([4]) },
    ({ x, filter, bias }) =>
      tf.fused.depthwiseConv2d({
        x: images(x),
        filter: images(filter),
        strides: 1,
        pad: 'same',
        bias: bias!,
        activation: 'relu6',
      }),
  ),
];

/** avgPool as a sum over the window divided by the number of pixels in it: right where TensorFlow.js is not. */
function averages(x: tf.Tensor, size: Pair, strides: number | Pair, pad: Pad): tf.Tensor {
  const window = tf.ones<tf.Rank.R4>([...size, x.shape[3]!, 1]);
  const sums = (values: tf.Tensor) => tf.depthwiseConv2d(images(values), window, strides, pad);
  return sums(x).div(sums(tf.ones(x.shape)));
}

const pooling: readonly Case[] = [
  row('maxPool of windows that tile', { x: spread([2, 4, 6, 3]) }, ({ x }) => [
    tf.maxPool(images(x), 2, 2, 'valid'),
    tf.maxPool(images(x!.transpose([0, 2, 1, 3])), 2, 2, 'same'),
  ]),
  row('maxPool of other windows', { x: spread([2, 5, 7, 3]) }, ({ x }) => [
    tf.maxPool(images(x), 3, 1, 'valid'),
    tf.maxPool(images(x), [2, 3], [1, 2], 'same'),
    tf.maxPool(images(x), 3, 2, 'same'),
    tf.maxPool(images(x), 2, 2, 'valid'),
    tf.maxPool(images(x), 2, 3, 'valid'),
    tf.maxPool(images(x), 3, 3, 1),
    tf.maxPool(images(x), [1, 2], [1, 2], 'valid'),
    tf.maxPool(images(x), [5, 7], 1, 'valid'),
    tf.maxPool(images(x!.slice([0, 1, 2, 0], [2, 2, 2, 3])), 3, 1, 'same'),
    tf.maxPool(images(x), 1, 2, 'valid'),
  ]),
  row(
    'maxPool sends the gradient to the first of equals',
    {
      x: numbers([1, 4, 4, 1], [1, 1, 0, 2, 1, 1, 2, 2, 0, 0, 3, 1, 0, 0, 1, 3]),
      flat: numbers([1, 4, 4, 1], Array<number>(16).fill(0)),
    },
    ({ x, flat }) => [
      tf.maxPool(images(x), 2, 2, 'valid'),
      tf.maxPool(images(x), 3, 1, 'valid'),
      tf.maxPool(images(x), 3, 2, 'same'),
      tf.maxPool(images(flat), 2, 2, 'valid'),
      tf.maxPool(images(flat), 3, 1, 'same'),
    ],
  ),
  row('relu and maxPool, where zeros tie', { x: spread([1, 6, 6, 2]) }, ({ x }) =>
    tf.maxPool(images(x!.relu()), 2, 2, 'valid'),
  ),
  row(
    'a gradient of maxPool, turned or not, where the image is positive',
    { x: spread([1, 5, 5, 1]), w: spread([2, 2, 1, 3]) },
    ({ x, w }) => {
      const image = tf.conv2d(images(x), images(w), 1, 'valid').relu();
      const gradient = tf.grad((values: tf.Tensor) => tf.maxPool(images(values), 2, 2, 'valid').square())(image);
      return [gradient.mul(image.step()), gradient.transpose([0, 2, 1, 3]).mul(image.step())];
    },
    none,
  ),
  row(
    'maxPool of a convolution of few channels, on windows of all kinds',
    { x: spread([2, 8, 8, 1]), w: spread([3, 3, 1, 2]), bias: spread([2]), s: spread([]), line: spread([6]) },
    ({ x, w, bias, s, line }) => {
      const image = tf.conv2d(images(x), images(w), 1, 'valid');
      const biased = image.add<tf.Tensor4D>(bias!);
      const turned = (y: tf.Tensor): tf.Tensor4D => y.transpose<tf.Tensor4D>([0, 2, 1, 3]);
      return {
        plain: tf.maxPool(image, 2, 2, 'valid'),
        biased: tf.maxPool(biased.relu(), 2, 2, 'valid'),
        scalar: tf.maxPool(image.add(s!), 3, 3, 'valid'),
        overlapping: tf.maxPool(biased, 3, 2, 'valid'),
        dense: tf.maxPool(biased, 2, 1, 'valid'),
        sparse: tf.maxPool(biased, 2, 4, 'valid'),
        bordered: tf.maxPool(biased.relu(), 3, 3, 'same'),
        turned: tf.maxPool(turned(biased.relu()), 2, 2, 'valid'),
        turnedAround: tf.maxPool(turned(turned(image).add(bias!)), 2, 2, 'valid'),
        ofLines: tf.maxPool(
          image.transpose([0, 1, 3, 2]).add(line!).transpose<tf.Tensor4D>([0, 1, 3, 2]),
          2,
          2,
          'valid',
        ),
        alone: biased.relu().mean([1, 2]),
      };
    },
  ),
  row('maxPool of a convolution lying on its side', { x: spread([2, 8, 8, 1]), w: spread([3, 3, 1, 2]) }, ({ x, w }) =>
    tf.maxPool(tf.conv2d(images(x), images(w), 1, 'valid').transpose<tf.Tensor4D>([0, 2, 1, 3]), 2, 2, 'valid'),
  ),
  row('one filter over one image, and maxPool', { x: spread([1, 7, 7, 1]), w: spread([2, 2, 1, 1]) }, ({ x, w }) => {
    const image = tf.conv2d(images(x), images(w), 1, 'valid');
    return [tf.maxPool(image, 2, 2, 'valid'), tf.maxPool(image, 3, 1, 'valid'), tf.maxPool(image.relu(), 3, 2, 'same')];
  }),
  row('avgPool', { x: spread([2, 5, 6, 3]) }, ({ x }) => [
    tf.avgPool(images(x), 2, 2, 'valid'),
    tf.avgPool(images(x), [3, 2], [1, 2], 'valid'),
    tf.avgPool(images(x!.transpose([0, 2, 1, 3])), 3, 1, 'valid'),
  ]),
  row(
    'avgPool with a border',
    { x: spread([2, 5, 6, 3]) },
    ({ x }) => [
      tf.avgPool(images(x), 3, 1, 'same'),
      tf.avgPool(images(x), [2, 3], 2, 'same'),
      tf.avgPool(images(x), 3, 2, 1),
    ],
    {
      gradientOracle: ({ x }) => [
        averages(x!, [3, 3], 1, 'same'),
        averages(x!, [2, 3], 2, 'same'),
        averages(x!, [3, 3], 2, 1),
      ],
    },
  ),
  row(
    'pooling with the last windows hanging over',
    { x: spread([1, 6, 7, 2]) },
    ({ x }) => [tf.maxPool(images(x), 3, 2, 0, 'ceil'), tf.avgPool(images(x), [3, 2], 2, 0, 'ceil')],
    wrong,
  ),
];

interface Resize {
  readonly size: Pair;
  readonly alignCorners?: boolean;
  readonly halfPixelCenters?: boolean;
}

/** How a resize gives each of `to` rows as a weighted sum of `from` rows, by TensorFlow's definition: [to, from]. */
function weights(
  nearest: boolean,
  { alignCorners = false, halfPixelCenters = false }: Resize,
  [to, from]: Pair,
): tf.Tensor2D {
  const aligned = alignCorners && to > 1;
  const scale = aligned ? (from - 1) / (to - 1) : from / to;
  const rows = Array.from({ length: to }, (_, row) => {
    const center = halfPixelCenters ? (row + 0.5) * scale - 0.5 : row * scale;
    const near = aligned ? Math.round(center) : Math.floor(halfPixelCenters ? center + 0.5 : center);
    const place = Math.min(Math.max(nearest ? near : center, 0), from - 1);
    return Array.from({ length: from }, (__, column) => Math.max(0, 1 - Math.abs(place - column)));
  });
  return tf.tensor2d(rows);
}

/** A resize by products of matrices, for gradients: those of TensorFlow.js's `cpu` backend are wrong for batches. */
function resized(nearest: boolean, x: tf.Tensor, options: Resize): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const [newHeight, newWidth] = options.size;
  const columnsLast = x.transpose([0, 3, 1, 2]).reshape([-1, width]);
  const wide = tf.matMul(columnsLast, weights(nearest, options, [newWidth, width]), false, true);
  const rowsLast = wide.reshape([batch, channels, height, newWidth]).transpose([0, 1, 3, 2]).reshape([-1, height]);
  const tall = tf.matMul(rowsLast, weights(nearest, options, [newHeight, height]), false, true);
  return tall.reshape([batch, channels, newWidth, newHeight]).transpose([0, 3, 2, 1]);
}

const sizes = ['7x9', '3x2', '4x6', '1x1'].map((size) => size.split('x').map(Number) as Pair);
const resizes: readonly Resize[] = [
  ...sizes.map((size) => ({ size })),
  ...sizes.map((size) => ({ size, alignCorners: true })),
  ...sizes.map((size) => ({ size, halfPixelCenters: true })),
];

const resizing: readonly Case[] = (['resizeNearestNeighbor', 'resizeBilinear'] as const).map((name) =>
  row(
    name,
    { x: spread([2, 4, 6, 3]), y: spread([2, 6, 4, 1]), n: whole([1, 2, 2, 1], [1, 2, 3, 4]) },
    ({ x, y, n }) => [
      ...resizes.map(({ size, ...options }) =>
        tf.image[name](images(x), size, options.alignCorners, options.halfPixelCenters),
      ),
      tf.image[name](images(y!.transpose([0, 2, 1, 3])), [3, 4]),
      tf.image[name](images(n), [3, 4]),
    ],
    {
      gradientOracle: ({ x, y, n }) => [
        ...resizes.map((options) => resized(name === 'resizeNearestNeighbor', x!, options)),
        resized(name === 'resizeNearestNeighbor', y!.transpose([0, 2, 1, 3]), { size: [3, 4] }),
        tf.image[name](images(n), [3, 4]),
      ],
    },
  ),
);

const normalization: readonly Case[] = [
  row(
    'batchNorm',
    {
      x: spread([2, 3, 4, 2]),
      mean: spread([2]),
      variance: spread([2], 0.5, 2),
      offset: spread([2], -2, 2, 1),
      scale: spread([2], 0.5, 2, 1),
    },
    ({ x, mean, variance, offset, scale }) => {
      const norm = (values: tf.Tensor, ...rest: [tf.Tensor1D?, tf.Tensor1D?, number?]) =>
        tf.batchNorm(values, mean as tf.Tensor1D, variance as tf.Tensor1D, ...rest);
      return {
        all: norm(x!, offset as tf.Tensor1D, scale as tf.Tensor1D, 0.01),
        turned: norm(x!.transpose([2, 0, 1, 3]), offset as tf.Tensor1D, scale as tf.Tensor1D),
      };
    },
  ),
  row(
    'batchNorm without scale and offset',
    { x: spread([5, 3]), mean: spread([3]), variance: spread([3], 0.5, 2) },
    ({ x, mean, variance }) => tf.batchNorm(x!, mean as tf.Tensor1D, variance as tf.Tensor1D),
    none,
  ),
  row(
    'batchNorm of rows',
    { x: spread([5, 3]), offset: spread([3]), scale: spread([3], 0.5, 2) },
    ({ x, offset, scale }) => {
      const { mean, variance } = tf.moments(x!, 0);
      return tf.batchNorm2d(
        x as tf.Tensor2D,
        mean as tf.Tensor1D,
        variance as tf.Tensor1D,
        offset as tf.Tensor1D,
        scale as tf.Tensor1D,
      );
    },
  ),
  row('localResponseNormalization', { x: spread([2, 3, 2, 6]) }, ({ x }) => [
    tf.localResponseNormalization(images(x), 2, 1, 0.5, 0.75),
    tf.localResponseNormalization(images(x!.transpose([0, 2, 1, 3])), 1, 0.5, 1, 0.5),
  ]),
];

export const imageCases: readonly Case[] = [...convolutions, ...depthwise, ...pooling, ...resizing, ...normalization];
