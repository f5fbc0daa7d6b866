/**
 * The schema of scenarios. Parsing turns quantities with units into numbers; encoding turns them back, so
 * that a resolved scenario is again a scenario.
 */
import { z } from 'zod';
import { measures } from '../../actors/measures.js';
import { consensusName, workerNumber } from '../../actors/names.js';
import { choice } from '../choice.js';
import { losses } from '../learning/losses.js';
import { partitions } from '../learning/partitions.js';
import type { Methods } from '../optimization/methods.js';
import { potentialSchema } from '../optimization/methods/alternating.js';
import { faultKinds, networkSchema, takesNoTime, type LinkKeys, type NetworkSettings } from './networkSchema.js';
import type { Tables } from './tables.js';
import { duration } from './units.js';

const names = <Name extends string>(table: Readonly<Record<Name, unknown>>) => Object.keys(table) as [Name, ...Name[]];

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

const protocol = z
  .strictObject({
    deadline: duration
      .refine((ns) => ns > 0, { error: 'expected a duration above zero' })
      .optional()
      .describe('How long after the first arrival u moves with those that are there, whatever the quorum'),
    damping: z
      .number()
      .min(0)
      .optional()
      .describe('a: a move whose copies are s versions old on average takes (1 + s)^-a of its step'),
    adaptivePeriod: z
      .boolean()
      .optional()
      .describe('Whether localSteps is only the first period, which then falls with the root of the loss'),
  })
  .describe('Variants of how workers and consensus node exchange, for every method');

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
  device: z.string().default('cpu').describe('onnx: cpu, webgpu, cuda; eager: cpu, wasm, tensorflow, webgpu'),
  threads: z
    .union([z.literal('auto'), z.int().min(1).max(256)])
    .default('auto')
    .describe('Threads of the pool; never changes a bit of the result'),
  batch: z
    .union([z.literal('auto'), z.int().min(1).max(4096)])
    .default('auto')
    .describe(
      'How many worker steps are evaluated together at most; auto: as many as pay on the device, which is one for steps of more than a million operations on cpu',
    ),
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
      network: networkSchema.prefault({}),
      protocol: protocol.optional(),
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
  const { workers, algorithm, network: links, protocol, stop: limits } = settings as Settings;
  const refuse = (path: (string | number)[], message: string): void => {
    context.addIssue({ code: 'custom', path, message });
  };
  if ('quorum' in algorithm && algorithm.quorum !== 'all' && algorithm.quorum > workers) {
    refuse(['algorithm', 'quorum'], `expected at most ${workers}, the number of workers`);
  }
  if ((protocol?.damping ?? 0) > 0) {
    const averages = 'consensusScaling' in algorithm && algorithm.consensusScaling === 'mean';
    const message = averages
      ? 'with consensusScaling: mean there is no consensusStep that could be damped'
      : `the method ${algorithm.method} has no consensusStep that could be damped`;
    if (averages || !('consensusStep' in algorithm)) refuse(['protocol', 'damping'], message);
  }
  if (protocol?.adaptivePeriod === true && !('localSteps' in algorithm)) {
    refuse(['protocol', 'adaptivePeriod'], `the method ${algorithm.method} has no localSteps that could be adapted`);
  }
  const refusal = methods[algorithm.method].check?.(algorithm as never, workers);
  if (refusal !== undefined) refuse(['algorithm', ...refusal.key], refusal.message);
  for (const { path, worker } of workersNamed(links)) {
    if (worker >= workers) refuse(['network', ...path], `expected a worker from 0 to ${workers - 1}`);
  }
  const forgetful = links.compression === undefined ? undefined : whatLoses(links);
  if (forgetful !== undefined) {
    refuse(
      ['network', 'compression'],
      `both ends must remember all that was sent, and messages can be lost by ${forgetful.by}; ${forgetful.remedy}`,
    );
  }
  const timeless = isZero(links.stepTime) && isZero(links.latency) && links.bandwidth === 'unlimited';
  if (timeless && (limits.virtualTime ?? 0) > 0 && limits.iterations === undefined && limits.steps === undefined) {
    refuse(['stop', 'virtualTime'], 'no virtual time passes without delays; set network.stepTime, or stop.iterations');
  }
}

/** Why a message may never arrive though its sender and receiver go on. */
function whatLoses(links: NetworkSettings): { by: string; remedy: string } | undefined {
  const crash = links.faults?.find(({ crash: name }) => name !== undefined);
  if (crash !== undefined) return { by: `the crash of ${crash.crash!}`, remedy: 'leave one of the two out' };
  if (links.retransmission !== undefined) return undefined;
  const isLossy = ({ loss = 0, corruption = 0 }: LinkKeys): boolean => loss > 0 || corruption > 0;
  const all = [links, ...(links.links ?? [])].flatMap((keys) => [keys, keys.up ?? {}, keys.down ?? {}]);
  const by = all.some(isLossy) ? 'loss or corruption' : links.partitions === undefined ? undefined : 'partitions';
  return by === undefined ? undefined : { by, remedy: 'set network.retransmission' };
}

/** Every worker that a key under `network` names, and where. */
function workersNamed(links: NetworkSettings): { path: (string | number)[]; worker: number }[] {
  const listed = (['stragglers', 'links', 'partitions'] as const).flatMap((key) =>
    (links[key] ?? []).flatMap(({ workers }, index) =>
      workers.map((worker, place) => ({ path: [key, index, 'workers', place], worker })),
    ),
  );
  const struck = (links.faults ?? []).flatMap((plan, index) =>
    faultKinds.flatMap((kind) => {
      const name = plan[kind];
      if (name === undefined || name === consensusName) return [];
      return [{ path: ['faults', index, kind], worker: workerNumber(name) }];
    }),
  );
  return [...listed, ...struck];
}

/** Whether it is sure that no time passes. */
function isZero(time: NetworkSettings['stepTime']): boolean {
  return typeof time === 'number' || 'distribution' in time ? takesNoTime(time) : false;
}
