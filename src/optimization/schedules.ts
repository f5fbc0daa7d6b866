/** The table of step-size schedules, and the step sizes they give. */
import { z } from 'zod';
import { choice } from '../choice.js';

const positive = z.number().positive();

/** One row: its keys beside `schedule`, and the step size at `step`, counted from 1. */
function row<Options extends z.ZodObject>(options: Options, at: (options: z.infer<Options>, step: number) => number) {
  return { options, at };
}

const schedules = {
  constant: row(z.object({ value: positive.describe('The step size') }), ({ value }) => value),
  'inverse-sqrt': row(
    z.object({ value: positive.describe('The first step size; step k takes value / sqrt(k)') }),
    ({ value }, step) => value / Math.sqrt(step),
  ),
  piecewise: row(
    z
      .object({
        values: z.array(positive).min(1).describe('Step sizes, one more than boundaries'),
        boundaries: z.array(z.int().min(1)).describe('The last step of every value but the last one, increasing'),
      })
      .refine(({ values, boundaries }) => values.length === boundaries.length + 1, {
        error: 'expected one value more than boundaries',
        path: ['values'],
      })
      .refine(({ boundaries }) => boundaries.every((step, index) => index === 0 || step > boundaries[index - 1]!), {
        error: 'expected boundaries in increasing order',
        path: ['boundaries'],
      }),
    ({ values, boundaries }, step) => values[boundaries.filter((boundary) => step > boundary).length]!,
  ),
} as const;

/** A step size as a scenario gives it. A number stands for `constant`. */
export const scheduleSchema = z.union([positive, choice('schedule', schedules)]);
export type Schedule = z.infer<typeof scheduleSchema>;

/** The step size of a schedule that never changes it; undefined of any other. */
export function constantStep(schedule: Schedule): number | undefined {
  if (typeof schedule === 'number') return schedule;
  return schedule.schedule === 'constant' ? schedule.value : undefined;
}

/** The step size of `schedule` at `step`, counted from 1. */
export function stepSize(schedule: Schedule, step: number): number {
  if (typeof schedule === 'number') return schedule;
  return schedules[schedule.schedule].at(schedule as never, step);
}
