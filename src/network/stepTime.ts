/** How long a step takes: a drawn duration, and stragglers that multiply it, always or by turns. */
import type { Stream } from '../kernel/streams.js';
import { valueAt, type Course } from './course.js';
import type { Draw } from './link.js';
import { phases, type PhaseOptions } from './phases.js';

export interface Straggler {
  readonly workers: readonly number[];
  /** How many times slower these workers are. */
  readonly slowdown: Course<number>;
  /** What their steps take before that; by default what others do. */
  readonly stepTime?: Course<Draw> | undefined;
  /** Slow only while on; always without it. */
  readonly turns?: PhaseOptions | undefined;
}

export interface StepTimeOptions {
  readonly stepTime: Course<Draw>;
  /** What a step takes longer for its samples. */
  readonly samplesNs: number;
  readonly stragglers: readonly Straggler[];
}

/** What a worker knows when it starts a step. */
export interface Moment {
  readonly timeNs: number;
  /** The stream of this worker for `purpose`. */
  readonly random: (purpose: string) => Stream;
}

/**
 * Returns what draws the duration of a step of `worker` in nanoseconds, by what holds when it starts. Durations come from
 * the stream `stepTime`, and the turns of the straggler at `index` from `straggler/<index>`.
 */
export function stepTimes(
  worker: number,
  { stepTime, samplesNs, stragglers }: StepTimeOptions,
): (moment: Moment) => number {
  const own = stragglers.flatMap((straggler, index) => {
    if (!straggler.workers.includes(worker)) return [];
    return [{ ...straggler, isOn: byTurns(straggler, index) }];
  });
  const drawn = own.findLast((straggler) => straggler.stepTime !== undefined)?.stepTime ?? stepTime;
  return (moment) => {
    const { timeNs, random } = moment;
    const slowdown = own.reduce(
      (product, straggler) => (straggler.isOn(moment) ? product * valueAt(straggler.slowdown, timeNs).value : product),
      1,
    );
    return Math.round((valueAt(drawn, timeNs).value(random('stepTime')) + samplesNs) * slowdown);
  };
}

function byTurns({ turns }: Straggler, index: number): (moment: Moment) => boolean {
  if (turns === undefined) return () => true;
  let isOn: ((timeNs: number) => boolean) | undefined;
  return ({ timeNs, random }) => (isOn ??= phases(turns, random(`straggler/${index}`)))(timeNs);
}
