/** The table of potentials phi0 (Laude, Wu, Cremers 2019, Table 2). */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { ball, box, everywhere, type Domain } from './domain.js';

/**
 * A potential phi0 of one layer's scaled difference x = w_l / eta. Rows of `x` are the differences of several workers,
 * `[workers, size]`. Both functions are written with TensorFlow.js operations that do not read values, so that they can
 * be compiled, and are used inside the domain only.
 */
export interface Potential {
  /** phi0 of every row: `[workers]`. */
  readonly value: (x: tf.Tensor2D) => tf.Tensor1D;
  /** The gradient of phi0 at every row, by x: `[workers, size]`; zero at zero. */
  readonly gradient: (x: tf.Tensor2D) => tf.Tensor2D;
  /** The second derivative of phi0 at 0 by x, the same in every direction. */
  readonly curvature: number;
  /** Where phi0 is finite. Algorithms keep differences inside; phi0 and its gradient grow without bound towards its boundary. */
  readonly domain: Domain;
  /** True where the gradient acts element by element, so that layers need not be told apart. */
  readonly elementwise: boolean;
}

/**
 * One row of the table of potentials: its keys beside `kind` in a scenario, and how the potential is built. A row of
 * one's own is passed to the library under the name that scenarios then use: for the row `huber` with an option `width`,
 * `potential: { kind: huber, width: 2 }`, or `potential: huber` where all options have defaults.
 */
export interface PotentialRow<Options = never> {
  /** What explanations and editors say of it. */
  readonly description: string;
  /** The keys beside `kind`, described. Unknown keys are refused. */
  readonly options: z.ZodObject;
  /** Takes what `options` has parsed. */
  readonly build: (options: Options) => Potential;
}

const quad: Potential = {
  value: (x) => x.square().sum(1),
  gradient: (x) => x.mul(2),
  curvature: 2,
  domain: everywhere,
  elementwise: true,
};

/** ||x||^3 + quadratic ||x||^2. Without the second term its curvature is 0, against the paper's assumption A3. */
function cubic({ quadratic }: { readonly quadratic: number }): Potential {
  return {
    value: (x) => {
      const squares = squaredNorm(x);
      return squares.sqrt().add(quadratic).mul(squares).flatten();
    },
    gradient: (x) =>
      x.mul(
        squaredNorm(x)
          .sqrt()
          .mul(3)
          .add(2 * quadratic),
      ),
    curvature: 2 * quadratic,
    domain: everywhere,
    elementwise: false,
  };
}

// x^2 = pi/2 is the pole of tan(x^2).
const pole = Math.sqrt(Math.PI / 2);

// Of cos in t^2, up to t^12: off by at most 6e-9 for t up to pi/2.
const coefficients = [-1 / 2, 1 / 24, -1 / 720, 1 / 40_320, -1 / 3_628_800, 1 / 479_001_600];

/** cos(t) for t from 0 to pi/2, by its series: GPUs give cos to 2^-11 only, and near the pole the force divides by its square. */
function cosine<T extends tf.Tensor>(t: T): T {
  const square = t.square<T>();
  return coefficients.reduceRight((sum: tf.Tensor, next) => sum.add(next).mul(square), tf.scalar(0)).add(1);
}

const tan: Potential = {
  value: (x) => squaredNorm(x).tan().flatten(),
  // The derivative of tan(t) is 1/cos(t)^2.
  gradient: (x) => x.mul(tf.div(2, cosine(squaredNorm(x)).square())),
  curvature: 2,
  domain: ball(pole),
  elementwise: false,
};

const tanSeparable: Potential = {
  value: (x) => x.square().tan().sum(1),
  gradient: (x) => x.mul<tf.Tensor2D>(2).div(cosine(x.square()).square()),
  curvature: 2,
  domain: box(pole),
  elementwise: true,
};

const log: Potential = {
  value: (x) => minusLogOneMinus(squaredNorm(x)).flatten(),
  gradient: (x) => x.mul(tf.div(2, tf.sub(1, squaredNorm(x)))),
  curvature: 2,
  domain: ball(1),
  elementwise: false,
};

const logSeparable: Potential = {
  value: (x) => minusLogOneMinus(x.square()).sum(1),
  gradient: (x) => x.mul<tf.Tensor2D>(2).div(tf.sub(1, x.square())),
  curvature: 2,
  domain: box(1),
  elementwise: true,
};

/** -log(1 - t). The squares of small differences vanish beside 1 in float32: hence log1p. */
function minusLogOneMinus(t: tf.Tensor2D): tf.Tensor2D {
  return t.neg<tf.Tensor2D>().log1p<tf.Tensor2D>().neg();
}

/** ||x||^2 of every row: `[workers, 1]`. */
function squaredNorm(x: tf.Tensor2D): tf.Tensor2D {
  return x.square().sum<tf.Tensor2D>(1, true);
}

/** A row without options. */
function row(description: string, potential: Potential) {
  return { description, options: z.object({}), build: () => potential };
}

export const potentials = {
  quad: row('||x||^2, without a half: elastic averaging', quad),
  cubic: {
    description: '||x||^3: hardly a force near 0, a strong one far away',
    options: z.object({
      quadratic: z.number().min(0).default(0).describe('The factor of an added ||x||^2, which gives a force near 0'),
    }),
    build: cubic,
  },
  tan: row('tan(||x||^2): each layer stays within the radius eta sqrt(pi/2)', tan),
  'tan-sep': row('sum_i tan(x_i^2): each coordinate stays within eta sqrt(pi/2)', tanSeparable),
  log: row('-log(1 - ||x||^2): each layer stays within the radius eta', log),
  'log-sep': row('-sum_i log(1 - x_i^2): each coordinate stays within eta', logSeparable),
} satisfies Record<string, PotentialRow>;
