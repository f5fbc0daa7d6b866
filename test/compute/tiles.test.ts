/** Convolutions by tiles against plain loops in float64, and which convolutions are computed so. */
import * as tf from '@tensorflow/tfjs';
import seedrandom from 'seedrandom';
import { afterAll, describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { trace } from '../../src/compute/trace.js';

interface Geometry {
  /** [batch, height, width, in] */
  readonly image: [number, number, number, number];
  /** [height, width, in, out] */
  readonly filter: [number, number, number, number];
  /** Rows above and below, columns left and right. */
  readonly pads: [number, number, number, number];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1);

function resultShape({ image, filter, pads }: Geometry): [number, number, number, number] {
  const [top, bottom, left, right] = pads;
  return [image[0], image[1] + top + bottom - filter[0] + 1, image[2] + left + right - filter[1] + 1, filter[3]];
}

/** The convolution y, and what comes back for `back`, a gradient of y. */
function convolution(geometry: Geometry): TensorFunction {
  const { image, filter, pads } = geometry;
  const [top, bottom, left, right] = pads;
  const border: tf.backend_util.ExplicitPadding = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  const pad = pads.some((extent) => extent > 0) ? border : 'valid';
  const apply = (x: tf.Tensor, w: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, pad);
  const inputs = { x: image, w: filter, back: resultShape(geometry) };
  return {
    name: 'convolution',
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, { shape, dtype: 'float32' }])),
    evaluate: ({ x, w, back }) => {
      const [image, filter] = tf.grads((...operands: tf.Tensor[]) => apply(operands[0]!, operands[1]!).mul(back!))([
        x!,
        w!,
      ]);
      return { y: apply(x!, w!), image: image!, filter: filter! };
    },
  };
}

type Values = Record<'x' | 'w' | 'back', Float32Array>;

/** The same by loops. */
function plain(geometry: Geometry, { x, w, back }: Values): Record<'y' | 'image' | 'filter', Float64Array> {
  const { image, filter, pads } = geometry;
  const [batch, height, width, channels] = image;
  const [, rows, columns, out] = resultShape(geometry);
  const y = new Float64Array(back.length);
  const [imageGradient, filterGradient] = [new Float64Array(x.length), new Float64Array(w.length)];
  for (let place = 0; place < batch * rows * columns; place += 1) {
    const [n, row, column] = [
      Math.floor(place / (rows * columns)),
      Math.floor(place / columns) % rows,
      place % columns,
    ] as const;
    for (let weight = 0; weight < filter[0] * filter[1]; weight += 1) {
      const [down, right] = [Math.floor(weight / filter[1]), weight % filter[1]];
      const pixel = [row + down - pads[0], column + right - pads[2]] as const;
      if (pixel[0] < 0 || pixel[0] >= height || pixel[1] < 0 || pixel[1] >= width) continue;
      for (let channel = 0; channel < channels; channel += 1) {
        const at = ((n * height + pixel[0]) * width + pixel[1]) * channels + channel;
        for (let result = 0; result < out; result += 1) {
          const [of, to] = [(weight * channels + channel) * out + result, place * out + result];
          y[to]! += x[at]! * w[of]!;
          imageGradient[at]! += back[to]! * w[of]!;
          filterGradient[of]! += back[to]! * x[at]!;
        }
      }
    }
  }
  return { y, image: imageGradient, filter: filterGradient };
}

function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [squares, norm] = [0, 0];
  for (let index = 0; index < expected.length; index += 1) {
    squares += (actual[index]! - expected[index]!) ** 2;
    norm += expected[index]! ** 2;
  }
  return Math.sqrt(squares / norm);
}

const isDirect = (definition: TensorFunction): boolean => {
  const shapes = Object.fromEntries(Object.entries(definition.inputs).map(([name, { shape }]) => [name, shape]));
  return Buffer.from(trace(definition, shapes as Record<string, number[]>).bytes).includes('ConvTranspose');
};

const geometries: readonly Geometry[] = [
  { image: [4, 12, 12, 20], filter: [5, 5, 20, 50], pads: [0, 0, 0, 0] },
  { image: [3, 8, 8, 32], filter: [3, 3, 32, 32], pads: [1, 1, 1, 1] },
  { image: [2, 9, 7, 24], filter: [3, 4, 24, 40], pads: [1, 1, 1, 2] },
  { image: [2, 6, 11, 40], filter: [2, 6, 40, 40], pads: [0, 0, 0, 0] },
  { image: [2, 9, 9, 64], filter: [7, 7, 64, 64], pads: [3, 0, 1, 3] },
  { image: [1, 5, 5, 64], filter: [5, 5, 64, 64], pads: [2, 2, 2, 2] },
];

describe('a convolution by tiles', () => {
  const runner = openRunner({ runner: 'onnx', device: 'cpu', threads: 1 }, {});
  afterAll(async () => (await runner).close());

  it.each(geometries)('of $image with $filter, border $pads, loses at most a digit', async (geometry) => {
    const definition = convolution(geometry);
    expect(isDirect(definition)).toBe(false);
    const random = seedrandom(JSON.stringify(geometry));
    const drawn = (shape: readonly number[]): Float32Array =>
      Float32Array.from({ length: sizeOf(shape) }, () => 2 * random.quick() - 1);
    const values = { x: drawn(geometry.image), w: drawn(geometry.filter), back: drawn(resultShape(geometry)) };
    const actual = await (await runner).call(definition, values);
    const expected = plain(geometry, values);
    // What a sum of so many float32 numbers is good for is 3e-7.
    expect(difference(actual['y']!, expected.y)).toBeLessThan(1.5e-6);
    expect(difference(actual['image']!, expected.image)).toBeLessThan(5e-6);
    expect(difference(actual['filter']!, expected.filter)).toBeLessThan(5e-6);
  });

  it.each([
    ['few channels', { image: [2, 12, 12, 3], filter: [5, 5, 3, 8], pads: [0, 0, 0, 0] }],
    ['one pixel high filters', { image: [2, 12, 12, 32], filter: [1, 5, 32, 32], pads: [0, 0, 0, 0] }],
    ['filters larger than any tile', { image: [2, 12, 12, 32], filter: [8, 8, 32, 32], pads: [0, 0, 0, 0] }],
    ['large images', { image: [1, 64, 64, 20], filter: [3, 3, 20, 20], pads: [0, 0, 0, 0] }],
  ] as [string, Geometry][])('is not used for %s', (_, geometry) => {
    expect(isDirect(convolution(geometry))).toBe(true);
  });
});
