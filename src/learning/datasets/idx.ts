/**
 * IDX, the format of MNIST and its kin. A file is two zero bytes, a type (8: unsigned bytes), the number of
 * dimensions, each extent as a big-endian uint32, and the values in row-major order.
 */
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { sizeOf } from '../../compute/table.js';
import { BadInput } from '../../conditions.js';
import type { Dataset, DatasetRow, SampleSet } from '../dataset.js';
import { readBytes, type InputFile } from '../inputFile.js';
import { grouped, sampleSet, tableOf } from '../sampleSet.js';

const options = z.object({
  trainImages: z.string().min(1).describe('Path of the IDX file of the training images, gzipped or not'),
  trainLabels: z.string().min(1).describe('Path of the IDX file of the training labels, gzipped or not'),
  testImages: z
    .string()
    .min(1)
    .optional()
    .describe('Path of the IDX file of the test images; without it there is no test set'),
  testLabels: z.string().min(1).optional().describe('Path of the IDX file of the test labels, given with testImages'),
});

/** Any four IDX files, for example Fashion-MNIST. */
export const idx: DatasetRow<typeof options> = {
  description: 'images and labels in IDX files, the format of MNIST, given by path',
  options,
  load: async ({ trainImages, trainLabels, testImages, testLabels }, { resolve }) => {
    const input = (key: string, path: string): InputFile => ({ file: resolve(path), path: ['data', key] });
    const train = { images: input('trainImages', trainImages), labels: input('trainLabels', trainLabels) };
    if (testImages !== undefined && testLabels !== undefined) {
      const test = { images: input('testImages', testImages), labels: input('testLabels', testLabels) };
      return imageDataset({ train, test });
    }
    if (testImages === undefined && testLabels === undefined) return imageDataset({ train });
    const [given, missing] = testImages === undefined ? ['testLabels', 'testImages'] : ['testImages', 'testLabels'];
    throw new BadInput(`${given} is given without ${missing}`, {
      path: ['data', given],
      remedy: 'give both or neither',
    });
  },
};

interface ImageFiles {
  readonly images: InputFile;
  readonly labels: InputFile;
}

/** A dataset of IDX files. Throws BadInput where a file is not what it should be or two do not fit together. */
export function imageDataset(files: { readonly train: ImageFiles; readonly test?: ImageFiles }): Dataset {
  const train = readImages(files.train);
  const test = files.test && readImages(files.test);
  const [height, width] = train.inputs.rowShape as [number, number];
  if (test && String(test.inputs.rowShape) !== String(train.inputs.rowShape)) {
    const [testHeight, testWidth] = test.inputs.rowShape as [number, number];
    const { file, path } = files.test.images;
    throw new BadInput(
      `${file} has images of ${testHeight} x ${testWidth} pixels, the training images have ${height} x ${width}`,
      { path, remedy: 'give test images of the same size' },
    );
  }
  const classes = Math.max(classCount(train), test ? classCount(test) : 0);
  if (classes < 2) {
    const { file, path } = files.train.labels;
    throw new BadInput(`${file} holds one class only, a classification needs at least 2`, {
      path,
      remedy: 'give labels of at least two classes',
    });
  }
  return {
    train,
    ...(test && { test }),
    outputs: classes,
    classification: true,
    // Two convolutions of 5 x 5 with pooling need 16 pixels a side.
    defaults: { loss: 'cross-entropy', model: Math.min(height, width) < 16 ? 'mlp' : 'lenet5' },
  };
}

/** Labels are the classes themselves, so 0 ... the largest one occur or could. */
function classCount({ targets }: SampleSet): number {
  return (targets.values as Int32Array).reduce((largest, label) => Math.max(largest, label), 0) + 1;
}

function readImages(files: ImageFiles): SampleSet {
  const images = readIdx(files.images, { dimensions: 3, holds: 'images' });
  const labels = readIdx(files.labels, { dimensions: 1, holds: 'labels' });
  const [count, height, width] = images.shape as [number, number, number];
  if (labels.values.length !== count) {
    throw new BadInput(
      `${files.labels.file} has ${grouped(labels.values.length)} labels for the ${grouped(count)} images of ${files.images.file}`,
      { path: files.labels.path, remedy: 'give images and labels of the same samples' },
    );
  }
  return sampleSet(tableOf(images.values, [height, width, 1], 1 / 255), tableOf(Int32Array.from(labels.values), []));
}

interface Idx {
  readonly shape: readonly number[];
  readonly values: Uint8Array;
}

/** Reads one file and checks its header against what it should hold and against its length. */
function readIdx(input: InputFile, expected: { dimensions: number; holds: string }): Idx {
  const bytes = unzipped(input);
  const refuse = (fault: string, remedy: string): never => {
    throw new BadInput(`${input.file} ${fault}`, { path: input.path, remedy });
  };
  const headerLength = 4 + 4 * expected.dimensions;
  if (bytes.length < 4) refuse(`is cut short: an IDX file has 4 bytes or more, it has ${bytes.length}`, again);
  const [zero, alsoZero, type, dimensions] = bytes as unknown as [number, number, number, number];
  if (zero !== 0 || alsoZero !== 0) {
    refuse(`is no IDX file: it starts with the bytes ${hex(bytes.subarray(0, 2))}, not 00 00`, 'give an IDX file');
  }
  if (type !== 8) {
    refuse(`holds values of type ${hex([type])}, only unsigned bytes (08) can be read`, 'convert it to unsigned bytes');
  }
  if (dimensions !== expected.dimensions) {
    const fault = `has ${dimensions} dimension${dimensions === 1 ? '' : 's'}, ${expected.holds} have ${expected.dimensions}`;
    refuse(fault, 'check that images and labels are not exchanged');
  }
  if (bytes.length < headerLength) {
    refuse(`is cut short: its header takes ${headerLength} bytes, it has ${bytes.length}`, again);
  }
  const shape = Array.from({ length: dimensions }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  const promised = headerLength + sizeOf(shape);
  if (bytes.length !== promised) {
    const fault = bytes.length < promised ? 'is cut short' : 'is too long';
    refuse(`${fault}: its header promises ${grouped(promised)} bytes, it has ${grouped(bytes.length)}`, again);
  }
  if (promised === headerLength) refuse(`is empty: its shape is [${shape.join(', ')}]`, 'give at least one sample');
  return { shape, values: bytes.subarray(headerLength) };
}

const again = 'download it again';

/** The bytes of a file, unpacked where it starts with the magic number of gzip. */
function unzipped(input: InputFile): Buffer {
  const bytes = readBytes(input);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new BadInput(`${input.file} is damaged: ${(error as Error).message}`, { path: input.path, remedy: again });
  }
}

function hex(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
