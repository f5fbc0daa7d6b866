/** The keys under `network`: links, step times, and what can go wrong with both. */
import { z } from 'zod';
import { choice } from '../choice.js';
import { distributionRows } from '../network/distributions.js';
import { compressionSchema } from '../network/compression.js';
import { duration, rate } from './units.js';

export const distributions = distributionRows(duration);
const delay = z.union([duration, choice('distribution', distributions)]);

/** How a drawn time is given: nanoseconds, or a distribution over them. */
export type Delay = z.infer<typeof delay>;

/** What may change over virtual time: a value, values one after the other, or a file of them. */
function changing<Value extends z.ZodType>(value: Value) {
  const piece = z.strictObject({ from: duration.describe('Since when, 0 for the first'), value });
  const piecewise = z
    .array(piece)
    .min(1)
    .superRefine((pieces, context) => {
      pieces.forEach(({ from }, index) => {
        const before = pieces[index - 1]?.from;
        if (before === undefined ? from === 0 : from > before) return;
        const message = before === undefined ? 'expected the first from to be 0' : 'expected a later time than before';
        context.addIssue({ code: 'custom', path: [index, 'from'], message });
      });
    });
  return z.union([
    value,
    z.strictObject({ piecewise }),
    z.strictObject({ trace: z.string().min(1).describe('A CSV file with the columns time and value') }),
  ]);
}

/** A value that may change, as a scenario gives it. */
export type Changing<Value> =
  | Value
  | { readonly piecewise: readonly { readonly from: number; readonly value: Value }[] }
  | { readonly trace: string };

const bandwidth = z.union([
  z.literal('unlimited'),
  rate.refine((value) => value > 0, { error: 'expected a rate above zero' }),
]);
const probability = z.number().min(0).lt(1);
const workers = z.array(z.int().min(0)).min(1).describe('Workers, counted from 0');

/** What a link has; each key is optional where it overrides another. */
const link = {
  latency: changing(delay).optional().describe('The latency of a message: a duration or a distribution'),
  bandwidth: changing(bandwidth)
    .optional()
    .describe('The rate of the link, for example 1Gbit/s; a copy has 4 bytes a parameter'),
  jitter: delay.optional().describe('A further delay, drawn for each message'),
  loss: probability.optional().describe('The share of messages that are lost'),
  corruption: probability.optional().describe('The share of messages that arrive damaged, and are dropped'),
  duplication: probability.optional().describe('The share of messages that the network sends twice'),
};
const direction = z.strictObject(link).optional();

/** What one direction of a link may say. */
export type LinkKeys = z.infer<z.ZodObject<typeof link>>;

const phase = {
  every: delay.optional().describe('How long it goes well, drawn each time'),
  for: delay.optional().describe('How long it lasts, drawn each time; without it, for ever'),
};

interface Phased {
  readonly every?: Delay | undefined;
  readonly for?: Delay | undefined;
}

/** Whether it is sure that a delay takes no time. */
export function takesNoTime(given: Delay | undefined): boolean {
  if (typeof given !== 'object') return given === 0;
  const { distribution, ...options } = given;
  return distributions[distribution].meanNs(options as never) === 0;
}

/** Whether phases of both kinds take no time, so that infinitely many would pass at once. */
function isEndless({ every, for: lasts }: Phased): boolean {
  return takesNoTime(every) && takesNoTime(lasts);
}

/** The kinds of faults, each a key with the name of the actor that it strikes. */
export const faultKinds = ['kill', 'crash', 'pause', 'join'] as const;

const actor = z.string().regex(/^(worker-(0|[1-9]\d*)|consensus)$/, {
  error: 'expected an actor such as worker-2, or consensus',
});

interface Problem {
  readonly message: string;
  readonly path?: string[];
}

/** What keys of a fault do not go together. */
function problemOf(plan: Readonly<Record<string, unknown>> & Phased): Problem | undefined {
  const [kind, ...others] = faultKinds.filter((name) => plan[name] !== undefined);
  const { at, every, until, for: lasts, memory } = plan;
  const once = kind === 'kill' || kind === 'join';
  const rules: readonly (readonly [boolean, string, string?])[] = [
    [kind === undefined || others.length > 0, 'expected one of kill, crash, pause, join, with the name of an actor'],
    [(at === undefined) === (every === undefined), 'expected either at or every'],
    [!once && lasts === undefined, `a ${kind!} needs for: how long it lasts`],
    [once && lasts !== undefined, `${kind!} lasts for ever: leave for out`, 'for'],
    [once && every !== undefined, `${kind!} happens once: give at instead of every`, 'every'],
    [every !== undefined && until === undefined, 'every needs until: no fault begins later'],
    [every === undefined && until !== undefined, 'until goes with every', 'until'],
    [isEndless(plan), 'expected every or for above zero'],
    [kind !== 'crash' && memory !== undefined, 'memory goes with crash', 'memory'],
    [plan['join'] === 'consensus', 'expected a worker', 'join'],
    [
      plan['crash'] === 'consensus' && memory === 'lost',
      'the consensus node restarts from its last state: leave memory out',
      'memory',
    ],
  ];
  const broken = rules.find(([isBroken]) => isBroken);
  if (broken === undefined) return undefined;
  const [, message, key] = broken;
  return key === undefined ? { message } : { message, path: [key] };
}

const fault = z
  .strictObject({
    at: duration.optional().describe('When'),
    ...phase,
    until: duration.optional().describe('With every: no fault begins later'),
    kill: actor.optional().describe('Goes down for ever'),
    crash: actor.optional().describe('Goes down and is restarted'),
    pause: actor.optional().describe('Stands still for a while'),
    join: actor.optional().describe('A worker that takes part only from then on'),
    memory: z
      .enum(['kept', 'lost'])
      .optional()
      .describe('What a crashed actor still knows when it is restarted; lost: a worker starts again from u'),
  })
  .superRefine((plan, context) => {
    const problem = problemOf(plan);
    if (problem !== undefined) context.addIssue({ code: 'custom', ...problem });
  });

/** A planned fault. */
export type FaultPlan = z.infer<typeof fault>;

const partition = z
  .strictObject({ workers, at: duration.optional().describe('When'), ...phase })
  .superRefine((plan, context) => {
    const refuse = (message: string): void => {
      context.addIssue({ code: 'custom', message });
    };
    if ((plan.at === undefined) === (plan.every === undefined)) refuse('expected either at or every');
    else if (plan.every !== undefined && plan.for === undefined) refuse('every needs for: how long it lasts');
    else if (plan.at !== undefined && typeof plan.for === 'object') refuse('with at, for is a duration such as 2s');
    else if (plan.every === 0 || isEndless(plan)) refuse('expected every above zero');
  });

export type PartitionPlan = z.infer<typeof partition>;

export const networkSchema = z.strictObject({
  stepTime: changing(delay).default(0).describe('How long a worker step takes: a duration or a distribution'),
  sampleTime: duration.optional().describe('What a step takes longer for each sample of its batch'),
  ...link,
  latency: changing(delay).default(0).describe('The latency of every message: a duration or a distribution'),
  bandwidth: changing(bandwidth)
    .default('unlimited')
    .describe('The rate of every link, for example 1Gbit/s; a copy has 4 bytes a parameter'),
  up: direction.describe('What is different from the workers to the consensus node'),
  down: direction.describe('What is different from the consensus node to the workers'),
  links: z
    .array(z.strictObject({ workers, ...link, up: direction, down: direction }))
    .optional()
    .describe('What is different on the links of some workers'),
  bottleneck: z
    .strictObject({
      up: rate.refine((value) => value > 0, { error: 'expected a rate above zero' }).optional(),
      down: rate.refine((value) => value > 0, { error: 'expected a rate above zero' }).optional(),
    })
    .optional()
    .describe('What all messages to the consensus node (up), or from it (down), share fairly'),
  partitions: z.array(partition).optional().describe('When nothing passes between some workers and the rest'),
  retransmission: z
    .strictObject({
      timeout: duration
        .refine((ns) => ns > 0, { error: 'expected a duration above zero' })
        .describe('How long a sender waits for an acknowledgement'),
      backoff: z.number().min(1).default(2).describe('How many times longer it waits each time'),
      attempts: z.int().min(1).default(10).describe('How often a message is sent at most'),
    })
    .optional()
    .describe('Messages are acknowledged, and sent again where they are not'),
  compression: compressionSchema.optional().describe('Workers and consensus node send less than all that they have'),
  stragglers: z
    .array(
      z
        .strictObject({
          workers: workers.describe('The workers that are slow, counted from 0'),
          slowdown: changing(z.number().positive()).optional().describe('How many times longer their steps take'),
          stepTime: changing(delay).optional().describe('How long their steps take, instead of network.stepTime'),
          ...phase,
        })
        .superRefine(({ slowdown, stepTime, every, for: lasts }, context) => {
          const refuse = (key: string, message: string): void => {
            context.addIssue({ code: 'custom', path: [key], message });
          };
          if (slowdown === undefined && stepTime === undefined) refuse('slowdown', 'expected a number');
          if (slowdown === undefined && every !== undefined) refuse('every', 'goes with slowdown');
          if (every !== undefined && lasts === undefined) refuse('every', 'needs for: how long it lasts');
          if (every === undefined && lasts !== undefined) refuse('for', 'needs every: how long it goes well');
          if (isEndless({ every, for: lasts })) refuse('every', 'expected every or for above zero');
        }),
    )
    .default([])
    .describe('Workers that are slow: always, or with every and for by turns'),
  faults: z.array(fault).optional().describe('Crashes, pauses, late joins'),
});

export type NetworkSettings = z.infer<typeof networkSchema>;
