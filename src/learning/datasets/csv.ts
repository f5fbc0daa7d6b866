import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { BadInput } from '../../conditions.js';
import { drawDistinct } from '../../kernel/draws.js';
import type { DatasetRow } from '../dataset.js';
import { readBytes, type InputFile } from '../inputFile.js';
import { datasetOf, denseFeatures, listed, numberOf, targetsOf, targetsOption, type Rows } from './rows.js';

const options = z.object({
  path: z.string().min(1).describe('Path of the CSV file; its first line names the columns'),
  label: z.string().min(1).describe('Name of the column that holds the label; all others are numeric features'),
  testPath: z.string().min(1).optional().describe('Path of a CSV file of test samples with the same columns'),
  testFraction: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('Fraction of the samples, drawn at random, that become the test set, between 0 and 1'),
  targets: targetsOption,
  standardize: z
    .boolean()
    .default(false)
    .describe(
      'Whether features are shifted and scaled to mean 0 and variance 1 over the training set; false by default',
    ),
});

/** Numeric features and a label column. */
export const csv: DatasetRow<typeof options> = {
  description: 'a CSV file with a header line, numeric features and one label column',
  options,
  load: async ({ path, label, testPath, testFraction, targets, standardize }, { resolve, random }) => {
    if (testPath !== undefined && testFraction !== undefined) {
      throw new BadInput('testPath and testFraction are both given', {
        path: ['data', 'testFraction'],
        remedy: 'keep one of them',
      });
    }
    const whole = readCsv({ file: resolve(path), path: ['data', 'path'] }, label);
    // The classes are those of the whole file, so that the size of the model does not depend on the split.
    const encoding = targetsOf(targets, whole.rows);
    const split = { train: whole.rows, test: undefined as Rows | undefined };
    if (testPath !== undefined) {
      const test = readCsv({ file: resolve(testPath), path: ['data', 'testPath'] }, label);
      checkSameColumns(whole, test);
      split.test = test.rows;
    } else if (testFraction !== undefined) {
      const count = whole.rows.labels.length;
      const testCount = Math.round(testFraction * count);
      if (testCount < 1 || testCount >= count) {
        throw new BadInput(
          `testFraction ${testFraction} makes ${testCount} of ${count} samples the test set, both parts need at least 1`,
          { path: ['data', 'testFraction'], remedy: 'choose a fraction nearer to 0.5, or give more samples' },
        );
      }
      const chosen = new Set(drawDistinct(random('split'), { count: testCount, below: count }));
      split.train = take(whole.rows, (row) => !chosen.has(row));
      split.test = take(whole.rows, (row) => chosen.has(row));
    }
    if (standardize) standardizeBy(split.train, split.test);
    return datasetOf({ ...split, targets: encoding });
  },
};

interface CsvFile {
  readonly names: readonly string[];
  readonly rows: Rows;
}

/** Reads a file record by record, so that the text of a large one is never held as strings. */
function readCsv(input: InputFile, label: string): CsvFile {
  const { file, path } = input;
  let header: Header | undefined;
  const records: Float32Array[] = [];
  const labels: string[] = [];
  const lines: number[] = [];
  const take = (record: string[], line: number): void => {
    if (header === undefined) {
      header = headerOf(input, record, label);
      return;
    }
    const { columns, labelColumn } = header;
    if (record.length !== columns.length) {
      throw new BadInput(`${file}:${line} has ${record.length} values, the header names ${columns.length} columns`, {
        path,
        remedy: 'mend the line; a value with a comma needs quotes',
      });
    }
    const features = new Float32Array(columns.length - 1);
    for (let column = 0; column < columns.length; column += 1) {
      if (column === labelColumn) continue;
      const value = numberOf(record[column]!);
      if (value === undefined) {
        throw new BadInput(
          `${file}:${line}: column ${JSON.stringify(columns[column])} holds ${JSON.stringify(record[column])}, not a number`,
          { path, remedy: 'mend the value, or remove the column' },
        );
      }
      features[column < labelColumn ? column : column - 1] = value;
    }
    if (record[labelColumn] === '') {
      throw new BadInput(`${file}:${line} has no value in the label column ${JSON.stringify(label)}`, {
        path,
        remedy: 'give the label, or remove the line',
      });
    }
    records.push(features);
    labels.push(record[labelColumn]!);
    lines.push(line);
  };
  parseRecords(input, take);
  if (header === undefined || records.length === 0) {
    throw new BadInput(`${file} ${header === undefined ? 'is empty' : 'has a header line and no samples'}`, {
      path,
      remedy: 'give a CSV file with a header line and at least one sample',
    });
  }
  const names = header.columns.filter((_, column) => column !== header!.labelColumn);
  const features = denseFeatures(records.length, names.length);
  records.forEach((record, row) => {
    features.set(record, row * names.length);
  });
  return { names, rows: { file, path, featureCount: names.length, features, labels, lines } };
}

/** Calls `take` with each record and the line where it ends; csv-parse's own faults become BadInput. */
function parseRecords(input: InputFile, take: (record: string[], line: number) => void): void {
  try {
    parse(readBytes(input), {
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      on_record: (record, { lines }) => {
        take(record, lines);
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error && String(error.code).startsWith('CSV_'))) throw error;
    throw new BadInput(`${input.file} is no CSV file: ${error.message}`, {
      path: input.path,
      remedy: 'mend the line; a quote inside quotes is doubled',
    });
  }
}

interface Header {
  readonly columns: readonly string[];
  readonly labelColumn: number;
}

/** The columns that the first line names, checked: each once, one of them the label, and at least one feature. */
function headerOf({ file, path }: InputFile, columns: readonly string[], label: string): Header {
  const twice = columns.find((name, column) => columns.indexOf(name) !== column);
  if (twice !== undefined) {
    throw new BadInput(`${file}:1 names the column ${JSON.stringify(twice)} twice`, { path, remedy: 'rename one' });
  }
  const labelColumn = columns.indexOf(label);
  if (labelColumn < 0) {
    const near = columns.find((name) => name.toLowerCase() === label.trim().toLowerCase());
    throw new BadInput(`${file} has no column ${JSON.stringify(label)}; its columns are ${listed(columns)}`, {
      path: ['data', 'label'],
      remedy: near === undefined ? 'name one of its columns' : `did you mean ${JSON.stringify(near)}?`,
    });
  }
  if (columns.length < 2) {
    throw new BadInput(`${file} has no column beside the label`, { path, remedy: 'give at least one feature' });
  }
  return { columns, labelColumn };
}

function checkSameColumns(train: CsvFile, test: CsvFile): void {
  const length = Math.max(train.names.length, test.names.length);
  for (let column = 0; column < length; column += 1) {
    const [expected, found] = [train.names[column], test.names[column]];
    if (expected === found) continue;
    const name = (text: string | undefined): string => (text === undefined ? 'nothing' : JSON.stringify(text));
    throw new BadInput(
      `${test.rows.file} has ${name(found)} as feature ${column + 1}, ${train.rows.file} has ${name(expected)}`,
      { path: test.rows.path, remedy: 'give test samples with the same columns in the same order' },
    );
  }
}

function take(rows: Rows, keep: (row: number) => boolean): Rows {
  const { featureCount } = rows;
  const kept = Array.from(rows.lines.keys()).filter(keep);
  const features = denseFeatures(kept.length, featureCount);
  kept.forEach((row, index) => {
    features.set(rows.features.subarray(row * featureCount, (row + 1) * featureCount), index * featureCount);
  });
  return {
    ...rows,
    features,
    labels: kept.map((row) => rows.labels[row]!),
    lines: kept.map((row) => rows.lines[row]!),
  };
}

/** x <- (x - mean) / sd in place, column by column, with the training set's moments; a constant column becomes 0. */
function standardizeBy(train: Rows, test: Rows | undefined): void {
  const { featureCount, features } = train;
  const count = train.labels.length;
  for (let column = 0; column < featureCount; column += 1) {
    let mean = 0;
    for (let index = column; index < features.length; index += featureCount) mean += features[index]! / count;
    let variance = 0;
    for (let index = column; index < features.length; index += featureCount) {
      const difference = features[index]! - mean;
      variance += (difference * difference) / count;
    }
    const deviation = variance > 0 ? Math.sqrt(variance) : 1;
    for (const rows of test === undefined ? [train] : [train, test]) {
      for (let index = column; index < rows.features.length; index += featureCount) {
        rows.features[index] = (rows.features[index]! - mean) / deviation;
      }
    }
  }
}
