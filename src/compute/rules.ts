/** The table of trace rules: one for each TensorFlow.js kernel that can be compiled. */
import { activationRules } from './rules/activations.js';
import { arithmeticRules } from './rules/arithmetic.js';
import { conditionRules } from './rules/conditions.js';
import { convolutionRules } from './rules/convolution.js';
import { creationRules } from './rules/creation.js';
import { depthwiseRules } from './rules/depthwise.js';
import { functionRules } from './rules/functions.js';
import { gatherRules } from './rules/gathers.js';
import { matmulRules } from './rules/matmul.js';
import { normalizationRules } from './rules/normalization.js';
import { poolingRules } from './rules/pooling.js';
import { reductionRules } from './rules/reductions.js';
import { resizingRules } from './rules/resizing.js';
import type { Rule } from './rules/rule.js';
import { shapeRules } from './rules/shapes.js';
import { sliceRules } from './rules/slices.js';
import { unfoldedRules } from './rules/unfolded.js';

export type { Rule } from './rules/rule.js';

export const rules: Readonly<Record<string, Rule>> = {
  ...functionRules,
  ...arithmeticRules,
  ...conditionRules,
  ...activationRules,
  ...reductionRules,
  ...creationRules,
  ...shapeRules,
  ...sliceRules,
  ...gatherRules,
  ...matmulRules,
  ...convolutionRules,
  ...depthwiseRules,
  ...poolingRules,
  ...normalizationRules,
  ...resizingRules,
};

/** The same for devices that are quick at large matrices and slow at many calls. */
export const deviceRules: Readonly<Record<string, Rule>> = { ...rules, ...unfoldedRules };
