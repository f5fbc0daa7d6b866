/** Samples read from a text file (csv, libsvm), and the dataset they make. */
import { z } from 'zod';
import { BadInput, type ScenarioPath } from '../../conditions.js';
import type { Dataset, SampleSet } from '../dataset.js';
import { sampleSet, sharedBytes, tableOf } from '../sampleSet.js';

/** Samples of a text file: dense features, and labels as they are written. */
export interface Rows {
  readonly file: string;
  readonly path: ScenarioPath;
  readonly featureCount: number;
  /** `[count, featureCount]` */
  readonly features: Float32Array;
  /** `[count]` */
  readonly labels: readonly string[];
  /** The line of each sample, from 1: `[count]`. */
  readonly lines: readonly number[];
}

/** The key `targets`, which csv and libsvm share. */
export const targetsOption = z
  .enum(['classes', 'values'])
  .default('classes')
  .describe('Whether labels are classes, or numbers to fit (values); classes by default');

/** A number as files write it; undefined for other text, and for what float32 cannot hold. */
export function numberOf(text: string): number | undefined {
  const value = Number(text);
  return text.trim() === '' || !Number.isFinite(Math.fround(value)) ? undefined : value;
}

/** Zeroed shared memory for `[count, featureCount]` features. Throws BadInput where that is too much. */
export function denseFeatures(count: number, featureCount: number): Float32Array {
  const cause = { path: ['data', 'path'], remedy: 'use fewer samples or features' };
  return new Float32Array(sharedBytes(4 * count * featureCount, cause));
}

/** How the labels of a problem become targets: a table of whole sets of rows, and how many outputs they need. */
export interface Targets {
  readonly kind: 'classes' | 'values';
  readonly outputs: number;
  readonly encode: (rows: Rows) => Int32Array | Float32Array;
}

/**
 * Targets as the labels of `rows` define them. Classes 0 ... k - 1 are the distinct labels in the order of their numbers
 * where all are numbers (1 and 1.0 are the same then), else in the order of their characters.
 * Throws BadInput for labels that are no numbers (values), for a single class, and, on encoding, for an unknown class.
 */
export function targetsOf(kind: 'classes' | 'values', rows: Rows): Targets {
  return kind === 'values' ? { kind, outputs: 1, encode: valuesOf } : { kind, ...classesOf(rows) };
}

function valuesOf({ labels, lines, file, path }: Rows): Float32Array {
  return Float32Array.from(labels, (label, row) => {
    const value = numberOf(label);
    if (value === undefined) {
      throw new BadInput(`${file}:${lines[row]!}: the label ${JSON.stringify(label)} is not a number`, {
        path,
        remedy: 'mend the line, or choose targets: classes',
      });
    }
    return value;
  });
}

function classesOf({ labels, file, path }: Rows): Pick<Targets, 'outputs' | 'encode'> {
  const numeric = labels.every((label) => numberOf(label) !== undefined);
  const nameOf = (label: string): string => (numeric ? String(numberOf(label)) : label);
  const names = [...new Set(labels.map(nameOf))];
  if (numeric) names.sort((a, b) => Number(a) - Number(b));
  else names.sort();
  if (names.length < 2) {
    throw new BadInput(`${file} holds one class only, ${JSON.stringify(names[0])}; a classification needs at least 2`, {
      path,
      remedy: 'give samples of two classes, or choose targets: values',
    });
  }
  const classes = new Map(names.map((name, index) => [name, index]));
  const encode = (rows: Rows): Int32Array =>
    Int32Array.from(rows.labels, (label, row) => {
      const index = classes.get(nameOf(label));
      if (index === undefined) {
        throw new BadInput(
          `${rows.file}:${rows.lines[row]!}: the class ${JSON.stringify(label)} does not occur in training, where ${listed(names)} do`,
          { path: rows.path, remedy: 'mend the label, or add training samples of this class' },
        );
      }
      return index;
    });
  return { outputs: names.length, encode };
}

/** The dataset of training and test rows. */
export function datasetOf({
  train,
  test,
  targets,
}: {
  train: Rows;
  test?: Rows | undefined;
  targets: Targets;
}): Dataset {
  const classification = targets.kind === 'classes';
  const setOf = (rows: Rows): SampleSet =>
    sampleSet(tableOf(rows.features, [rows.featureCount]), tableOf(targets.encode(rows), classification ? [] : [1]));
  return {
    train: setOf(train),
    ...(test && { test: setOf(test) }),
    outputs: targets.outputs,
    classification,
    // One dense layer: multinomial logistic regression, or linear regression with an intercept.
    defaults: { loss: classification ? 'cross-entropy' : 'squared-error', model: 'softmax' },
  };
}

/** Names in quotes, at most 20 of them. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name));
  return names.length > 20 ? `${shown.join(', ')} and ${names.length - 20} more` : shown.join(', ');
}
