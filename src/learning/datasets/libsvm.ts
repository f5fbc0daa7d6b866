import { z } from 'zod';
import { BadInput } from '../../conditions.js';
import type { DatasetRow } from '../dataset.js';
import { readText, type InputFile } from '../inputFile.js';
import { datasetOf, denseFeatures, numberOf, targetsOf, targetsOption, type Rows } from './rows.js';

const options = z.object({
  path: z.string().min(1).describe('Path of the LIBSVM file: a line is a label and pairs index:value, indices from 1'),
  testPath: z.string().min(1).optional().describe('Path of a LIBSVM file of test samples'),
  features: z
    .int()
    .min(1)
    .optional()
    .describe('Number of features of a dense row; by default the largest index in the files'),
  targets: targetsOption,
});

/** The format of the LIBSVM data collection, read into dense rows. */
export const libsvm: DatasetRow<typeof options> = {
  description: 'a LIBSVM file of sparse samples, read into dense rows',
  options,
  load: async ({ path, testPath, features, targets }, { resolve }) => {
    const limit = features ?? Infinity;
    const train = readSparse({ file: resolve(path), path: ['data', 'path'] }, limit);
    const test =
      testPath === undefined ? undefined : readSparse({ file: resolve(testPath), path: ['data', 'testPath'] }, limit);
    const featureCount = features ?? Math.max(1, train.largestIndex, test?.largestIndex ?? 1);
    const trainRows = dense(train, featureCount);
    return datasetOf({
      train: trainRows,
      test: test && dense(test, featureCount),
      targets: targetsOf(targets, trainRows),
    });
  },
};

/** A file before the number of features is known. */
interface SparseFile {
  readonly input: InputFile;
  readonly largestIndex: number;
  readonly samples: readonly { readonly label: string; readonly line: number; readonly pairs: readonly number[] }[];
}

/** Pairs are kept flat: index, value, index, value. */
function readSparse(input: InputFile, indexLimit: number): SparseFile {
  const samples: { label: string; line: number; pairs: number[] }[] = [];
  let largestIndex = 0;
  readText(input)
    .split('\n')
    .forEach((text, row) => {
      const line = row + 1;
      const refuse = (fault: string, remedy: string): never => {
        throw new BadInput(`${input.file}:${line}: ${fault}`, { path: input.path, remedy });
      };
      const [label, ...words] = text.split('#', 1)[0]!.trim().split(/\s+/) as [string, ...string[]];
      if (label === '') return;
      if (numberOf(label) === undefined) {
        refuse(`the label ${JSON.stringify(label)} is not a number`, 'start each line with a numeric label');
      }
      const pairs: number[] = [];
      let last = 0;
      for (const word of words) {
        const [indexText = '', valueText = '', ...rest] = word.split(':');
        const [index, value] = [numberOf(indexText) ?? NaN, numberOf(valueText) ?? NaN];
        if (!Number.isSafeInteger(index) || Number.isNaN(value) || rest.length > 0) {
          refuse(`${JSON.stringify(word)} is not a pair index:value`, 'write pairs such as 3:0.5');
        }
        if (index < 1) refuse(`the index ${index} is below 1`, 'count features from 1');
        if (index <= last)
          refuse(`the index ${index} follows ${last}`, 'write the indices of a line in ascending order');
        if (index > indexLimit) refuse(`the index ${index} exceeds features: ${indexLimit}`, 'raise or drop features');
        pairs.push(index, value);
        last = index;
      }
      largestIndex = Math.max(largestIndex, last);
      samples.push({ label, line, pairs });
    });
  if (samples.length === 0) {
    throw new BadInput(`${input.file} holds no samples`, { path: input.path, remedy: 'give at least one line' });
  }
  return { input, largestIndex, samples };
}

function dense({ input, samples }: SparseFile, featureCount: number): Rows {
  const features = denseFeatures(samples.length, featureCount);
  samples.forEach(({ pairs }, row) => {
    for (let position = 0; position < pairs.length; position += 2) {
      features[row * featureCount + pairs[position]! - 1] = pairs[position + 1]!;
    }
  });
  return {
    ...input,
    featureCount,
    features,
    labels: samples.map(({ label }) => label),
    lines: samples.map(({ line }) => line),
  };
}
