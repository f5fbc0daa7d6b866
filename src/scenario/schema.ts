/**
 * The schema of scenarios. Parsing turns quantities with units into numbers; encoding turns them back, so
 * that a resolved scenario is again a scenario.
 */
import { z } from 'zod';
import { measures } from '../../actors/measures.js';
import { choice } from '../choice.js';
import { losses } from '../learning/losses.js';
import { partitions } from '../learning/partitions.js';
import { distributionRows } from '../network/distributions.js';
import type { Methods } from '../optimization/methods.js';
import { potentialSchema } from '../optimization/methods/alternating.js';
import type { Tables } from './tables.js';
import { duration, rate } from './units.js';

const names = <Name extends string>(table: Readonly<Record<Name, unknown>>) => Object.keys(table) as [Name, ...Name[]];

const distributions = distributionRows(duration);
const delay = z.union([duration, choice('distribution', distributions)]);

/** How a drawn time is given: nanoseconds, or a distribution over them. */
export type Delay = z.infer<typeof delay>;
export { distributions };

const network = z.strictObject({
  stepTime: delay.default(0).describe('How long a worker step takes: a duration or a distribution'),
  latency: delay.default(0).describe('The latency of every message: a duration or a distribution'),
  bandwidth: z
    .union([z.literal('unlimited'), rate.refine((value) => value > 0, { error: 'expected a rate above zero' })])
    .default('unlimited')
    .describe('The rate of every link, for example 1Gbit/s; a copy has 4 bytes a parameter'),
  stragglers: z
    .array(
      z.strictObject({
        workers: z.array(z.int().min(0)).min(1).describe('The workers that are slow, counted from 0'),
        slowdown: z.number().positive().describe('How many times longer their steps take'),
      }),
    )
    .default([])
    .describe('Workers that are always slow'),
});

function monitorSchema({ potentials }: Tables) {
  return z.strictObject({
    every: z
      .strictObject({ iterations: z.int().min(1).describe('Moves of u between two measurements') })
      .default({ iterations: 100 }),
    measures: z
      .array(z.enum(names(measures)))
      .default(['gap_mean', 'minibatch_loss'])
      .describe('What to measure at version 0, every so many moves, and at the end'),
    envelope: z
      .strictObject({
        potential: potentialSchema(potentials)
          .optional()
          .describe('The potential of the envelope; by default that of the run, else quad'),
        eta: z.number().positive().optional().describe('Its scale; by default that of the run, else 1'),
        lambda: z
          .number()
          .positive()
          .optional()
          .describe(
            'Its lambda, in units of the mean loss; by default that of the run (times the batch size with gradient: sum)',
          ),
        samples: z
          .union([z.literal('all'), z.int().min(1)])
          .default(5000)
          .describe('How many samples of each I_j stand for it, the same ones at all times'),
        tolerance: z
          .number()
          .positive()
          .default(0.05)
          .describe('A proximal solve ends where its residual is below this share of the gradient'),
        iterations: z.int().min(1).default(50).describe('Steps of a proximal solve at most'),
      })
      .prefault({})
      .describe('How envelope_gradient and its like, loss_gradient and residual_5b are measured'),
  });
}

const stop = z
  .strictObject({
    iterations: z.int().min(1).optional().describe('Moves of u'),
    steps: z.int().min(1).optional().describe('Worker steps in all'),
    virtualTime: duration.refine((ns) => ns > 0, { error: 'expected a duration above zero' }).optional(),
    target: z
      .strictObject({
        measure: z.enum(names(measures)),
        below: z.number().describe('Ends the run once the measure, of any worker, is below this'),
      })
      .optional(),
  })
  .refine((limits) => Object.keys(limits).length > 0, {
    error: 'expected at least one of iterations, steps, virtualTime, target',
  })
  .describe('What ends the run; the first reached does');

const engine = z.strictObject({
  runner: z
    .enum(['onnx', 'eager'])
    .default('onnx')
    .describe('onnx: compiled; eager: TensorFlow.js, operation by operation'),
  device: z.string().default('cpu').describe('onnx: cpu, webgpu, cuda; eager: cpu, wasm, tensorflow'),
  threads: z
    .union([z.literal('auto'), z.int().min(1).max(256)])
    .default('auto')
    .describe('Threads of the pool; never changes a bit of the result'),
});

/** The keys of `data` that go with every dataset. */
function dataKeys() {
  return {
    partition: choice('kind', partitions)
      .optional()
      .describe('How training samples go to workers: by default as the data come, else all to all'),
    batchSize: z
      .union([z.literal('full'), z.int().min(1)])
      .optional()
      .describe('Samples a worker step: 20 by default, full for quadratic'),
    sampling: z
      .enum(['uniform', 'epoch'])
      .default('uniform')
      .describe('uniform: distinct samples drawn anew each step; epoch: a walk through reshuffled samples'),
  };
}

/** The schema over given tables. */
export function scenarioSchema(tables: Tables) {
  return z
    .strictObject({
      name: z
        .string()
        .regex(/^[\w.-]+$/, { error: 'expected letters, digits, dots, dashes and underscores' })
        .default('scenario')
        .describe('Names the run directory'),
      seed: z.int().min(0).default(0).describe('Every random stream of the run follows from it'),
      data: choice('dataset', tables.datasets, { common: dataKeys() }) as unknown as z.ZodType<DataSettings, DataInput>,
      model: z
        .union([
          z.enum(names(tables.models)),
          choice('kind', tables.models) as unknown as z.ZodType<ModelSettings, ModelInput>,
        ])
        .optional()
        .describe('What is trained: a name, or an object with `kind` and its own keys'),
      loss: z.enum(names(losses)).optional().describe('By default the one that fits the data'),
      initial: z.string().optional().describe('A safetensors file that u and all z_j start from'),
      workers: z.int().min(1).max(100_000).default(4).describe('M'),
      algorithm: (
        choice('method', tables.methods, { fallback: 'alternating' }) as unknown as z.ZodType<
          AlgorithmSettings,
          AlgorithmInput
        >
      ).prefault({}),
      network: network.prefault({}),
      monitor: monitorSchema(tables).prefault({}),
      stop,
      engine: engine.prefault({}),
    })
    .superRefine((settings, context) => {
      checkAcross(settings, tables, context);
    });
}

export interface DataSettings {
  readonly dataset: string;
  readonly partition?: { readonly kind: keyof typeof partitions };
  readonly batchSize?: number | 'full';
  readonly sampling: 'uniform' | 'epoch';
}

/** What one writes under `data`; each dataset and partition has keys of its own. */
export interface DataInput extends Partial<Omit<DataSettings, 'partition'>> {
  readonly dataset: string;
  readonly partition?: { readonly kind: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

export interface ModelSettings {
  readonly kind: string;
}

export interface ModelInput {
  readonly kind: string;
  readonly [key: string]: unknown;
}

export type AlgorithmSettings = {
  [Method in keyof Methods]: { method: Method } & z.infer<Methods[Method]['options']>;
}[keyof Methods];

export type AlgorithmInput = {
  [Method in keyof Methods]: (Method extends 'alternating' ? { method?: Method } : { method: Method }) &
    z.input<Methods[Method]['options']>;
}[keyof Methods];

/** A parsed scenario: defaults filled in, quantities as numbers. */
export type Settings = z.infer<ReturnType<typeof scenarioSchema>>;

/** A scenario as one writes it: quantities with units, most keys optional. */
export type ScenarioInput = z.input<ReturnType<typeof scenarioSchema>>;

/** What no key can say alone. */
function checkAcross(settings: unknown, { methods }: Tables, context: z.core.$RefinementCtx): void {
  const { workers, algorithm, network: links, stop: limits } = settings as Settings;
  const refuse = (path: (string | number)[], message: string): void => {
    context.addIssue({ code: 'custom', path, message });
  };
  if ('quorum' in algorithm && algorithm.quorum !== 'all' && algorithm.quorum > workers) {
    refuse(['algorithm', 'quorum'], `expected at most ${workers}, the number of workers`);
  }
  const refusal = methods[algorithm.method].check?.(algorithm as never, workers);
  if (refusal !== undefined) refuse(['algorithm', ...refusal.key], refusal.message);
  links.stragglers.forEach((straggler, index) => {
    straggler.workers.forEach((worker, place) => {
      if (worker >= workers) {
        const path = ['network', 'stragglers', index, 'workers', place];
        refuse(path, `expected a worker from 0 to ${workers - 1}`);
      }
    });
  });
  const timeless = isZero(links.stepTime) && isZero(links.latency) && links.bandwidth === 'unlimited';
  if (timeless && (limits.virtualTime ?? 0) > 0 && limits.iterations === undefined && limits.steps === undefined) {
    refuse(['stop', 'virtualTime'], 'no virtual time passes without delays; set network.stepTime, or stop.iterations');
  }
}

function isZero(time: Delay): boolean {
  if (typeof time === 'number') return time === 0;
  const { distribution, ...options } = time;
  return distributions[distribution].meanNs(options as never) === 0;
}
