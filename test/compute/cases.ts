/** The table of cases that every engine must agree on with the eager `cpu` backend. */
import { elementwiseCases } from './cases/elementwise.js';
import { imageCases } from './cases/images.js';
import { modelCases } from './cases/models.js';
import { productCases } from './cases/products.js';
import { reductionCases } from './cases/reductions.js';
import { shapeCases } from './cases/shapes.js';
import type { Case } from './cases/case.js';

export const cases: readonly Case[] = [
  ...elementwiseCases,
  ...reductionCases,
  ...shapeCases,
  ...productCases,
  ...imageCases,
  ...modelCases,
];
