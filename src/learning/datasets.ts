/** The table of datasets. */
import type { DatasetRow } from './dataset.js';
import { csv } from './datasets/csv.js';
import { idx } from './datasets/idx.js';
import { libsvm } from './datasets/libsvm.js';
import { logistic } from './datasets/logistic.js';
import { mnist } from './datasets/mnist.js';
import { quadratic } from './datasets/quadratic.js';

export const datasets = { mnist, idx, csv, libsvm, quadratic, logistic } satisfies Record<string, DatasetRow>;
