import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { folder, loadDataset, refusal } from './refusals.js';

const { path: home, write } = folder();

/** An IDX file by hand: two zero bytes, type, dimensions, extents, values. */
function idxBytes(shape: readonly number[], values: readonly number[], type = 8): Uint8Array {
  const extents = shape.flatMap((extent) => [extent >>> 24, (extent >>> 16) & 255, (extent >>> 8) & 255, extent & 255]);
  return Uint8Array.from([0, 0, type, shape.length, ...extents, ...values]);
}

const pixels = Array.from({ length: 18 }, (_, index) => index * 10);
const trainImages = write('images', idxBytes([3, 2, 3], pixels));
const trainLabels = write('labels', idxBytes([3], [1, 0, 2]));
const load = (keys: Record<string, string>) => loadDataset('idx', { trainImages, trainLabels, ...keys }, { home });
const refused = (keys: Record<string, string>) => refusal(() => load(keys), home);

describe('idx', () => {
  it('images keep their size and bytes, and are scaled by 1/255 where they are read', async () => {
    const { train, outputs, test, classification, defaults } = await load({});
    expect(train.inputs).toMatchObject({ rowShape: [2, 3, 1], dtype: 'float32', scale: 1 / 255 });
    expect([...train.inputs.values]).toEqual(pixels);
    expect(train.inputs.values).toBeInstanceOf(Uint8Array);
    expect(train.targets).toMatchObject({ rowShape: [], dtype: 'int32', scale: 1 });
    expect([...train.targets.values]).toEqual([1, 0, 2]);
    expect({ count: train.count, outputs, test, classification }).toEqual({
      count: 3,
      outputs: 3,
      test: undefined,
      classification: true,
    });
    expect(defaults.model).toBe('mlp');
  });

  it('tables lie in shared memory', async () => {
    const { train } = await load({});
    expect(train.inputs.values.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(train.targets.values.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('a gzipped file reads as the plain one, whatever its name', async () => {
    const zipped = write('zipped', gzipSync(idxBytes([3, 2, 3], pixels)));
    expect([...(await load({ trainImages: zipped })).train.inputs.values]).toEqual(pixels);
  });

  it('test files make a test set, whose larger labels count as classes', async () => {
    const testImages = write('test-images', idxBytes([1, 2, 3], [1, 2, 3, 4, 5, 6]));
    const testLabels = write('test-labels', idxBytes([1], [4]));
    const { test, outputs } = await load({ testImages, testLabels });
    expect([...test!.inputs.values]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...test!.targets.values]).toEqual([4]);
    expect(outputs).toBe(5);
  });

  it('a missing file is refused with its full path and the key that names it', async () => {
    expect(await refused({ trainImages: 'absent' })).toEqual({
      message: '~/absent does not exist',
      path: 'data.trainImages',
      remedy: 'give the path of a readable file; relative paths start at the scenario file',
    });
    expect((await refused({ trainImages: '.' })).message).toBe('~ is a directory, not a file');
  });

  const short = idxBytes([60000, 28, 28], []);
  it.each([
    ['a truncated file', 'trainImages', short, 'is cut short: its header promises 47,040,016 bytes, it has 16'],
    ['a truncated header', 'trainImages', short.slice(0, 9), 'is cut short: its header takes 16 bytes, it has 9'],
    ['an empty file', 'trainImages', new Uint8Array(0), 'is cut short: an IDX file has 4 bytes or more, it has 0'],
    [
      'a file that goes on',
      'trainLabels',
      idxBytes([3], [1, 0, 2, 2]),
      'is too long: its header promises 11 bytes, it has 12',
    ],
    ['a file without samples', 'trainImages', idxBytes([0, 2, 3], []), 'is empty: its shape is [0, 2, 3]'],
    ['text', 'trainImages', Buffer.from('label,pixel\n'), 'is no IDX file: it starts with the bytes 6c 61, not 00 00'],
    [
      'floats',
      'trainImages',
      idxBytes([3, 2, 3], [], 13),
      'holds values of type 0d, only unsigned bytes (08) can be read',
    ],
    ['labels as images', 'trainImages', idxBytes([3], [1, 0, 2]), 'has 1 dimension, images have 3'],
    ['images as labels', 'trainLabels', idxBytes([3, 1, 1], [1, 0, 2]), 'has 3 dimensions, labels have 1'],
    [
      'a damaged gzip file',
      'trainLabels',
      gzipSync(idxBytes([3], [1, 0, 2])).subarray(0, 20),
      'is damaged: unexpected end of file',
    ],
    [
      'labels of one class',
      'trainLabels',
      idxBytes([3], [0, 0, 0]),
      'holds one class only, a classification needs at least 2',
    ],
    ['too few labels', 'trainLabels', idxBytes([2], [0, 1]), 'has 2 labels for the 3 images of ~/images'],
  ])('%s is refused', async (_, key, bytes, fault) => {
    expect(await refused({ [key]: write('bad', bytes) })).toMatchObject({
      message: `~/bad ${fault}`,
      path: `data.${key}`,
    });
  });

  it('test images of another size are refused', async () => {
    const testImages = write('wide', idxBytes([1, 2, 4], [1, 2, 3, 4, 5, 6, 7, 8]));
    const testLabels = write('wide-labels', idxBytes([1], [0]));
    expect(await refused({ testImages, testLabels })).toMatchObject({
      message: '~/wide has images of 2 x 4 pixels, the training images have 2 x 3',
      path: 'data.testImages',
    });
  });

  it('test images without test labels are refused, and the other way round', async () => {
    expect(await refused({ testImages: 'images' })).toMatchObject({
      message: 'testImages is given without testLabels',
      path: 'data.testImages',
    });
    expect((await refused({ testLabels: 'labels' })).path).toBe('data.testLabels');
  });
});

describe('mnist', () => {
  it('is LeCun’s data in full: first labels, class counts, and the mean of all pixels', async () => {
    const { train, test, outputs, defaults } = await loadDataset('mnist');
    expect([...train.targets.values.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect([...test!.targets.values.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    const countsOf = (labels: ArrayLike<number>): number[] => {
      const counts = Array<number>(10).fill(0);
      for (const label of Array.from(labels)) counts[label]! += 1;
      return counts;
    };
    // http://yann.lecun.com/exdb/mnist, counted by many.
    expect(countsOf(train.targets.values)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect(countsOf(test!.targets.values)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    let sum = 0;
    for (const value of train.inputs.values) sum += value;
    // 0.1307: the mean that PyTorch's MNIST example subtracts.
    expect(sum / 255 / train.inputs.values.length).toBeCloseTo(0.1307, 4);
    expect([train.count, test!.count, outputs, defaults.model]).toEqual([60_000, 10_000, 10, 'lenet5']);
  });

  it('takes no keys', () => {
    expect(() => loadDataset('mnist', { path: 'x' })).toThrow(/Unrecognized key/);
  });
});
