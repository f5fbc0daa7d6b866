/** The table of trace rules: one for each TensorFlow.js kernel that can be compiled. */
import { convolutionRules } from './rules/convolution.js';
import { elementwiseRules } from './rules/elementwise.js';
import { matmulRules } from './rules/matmul.js';
import { poolingRules } from './rules/pooling.js';
import { reductionRules } from './rules/reductions.js';
import type { Rule } from './rules/rule.js';
import { shapeRules } from './rules/shapes.js';

export type { Rule } from './rules/rule.js';

export const rules: Readonly<Record<string, Rule>> = {
  ...elementwiseRules,
  ...reductionRules,
  ...shapeRules,
  ...matmulRules,
  ...convolutionRules,
  ...poolingRules,
};
