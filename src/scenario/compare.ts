/**
 * Paired comparisons: two scenarios with the same seeds, so that both draw the same random numbers. Planning one checks
 * every run and runs none.
 */
import { measures, type MeasureName } from '../../actors/measures.js';
import { BadInput } from '../conditions.js';
import { loadScenario } from './scenario.js';
import type { Settings } from './schema.js';
import { atPlace, planRun, type Sweep, type SweepRun } from './sweep.js';

/** What it takes to get a measure below a value is told in these, beside virtual time and moves. */
export const costs = ['worker_steps', 'bytes_sent'] as const satisfies readonly MeasureName[];

/** A measure to get below a value. */
export interface Target {
  readonly measure: MeasureName;
  readonly below: number;
}

/** One of the two scenarios. */
export interface Side {
  /** Its own name; of two that have the same, the second is `<name>-2`. */
  readonly name: string;
  readonly file: string;
}

/** A sweep of two points, whose runs are in pairs: those of one seed. */
export interface Comparison extends Sweep {
  readonly sides: readonly [Side, Side];
  readonly pairs: readonly (readonly [SweepRun, SweepRun])[];
  /** What both scenarios record. */
  readonly measures: readonly MeasureName[];
  readonly targets: readonly Target[];
  /** Targets of only one of the two, which the other cannot tell: a sentence each. */
  readonly omissions: readonly string[];
}

export interface ComparisonOptions {
  readonly seeds: readonly number[];
  /** Overrides of both scenarios, each `path=value` as for `--set`. */
  readonly set: readonly string[];
  /** By default what `stop.target` of the scenarios names. */
  readonly targets: readonly Target[];
}

/** Checks the scenario files `first` and `second` with every seed. Throws BadInput where one of them is refused. */
export function planComparison([first, second]: readonly [string, string], options: ComparisonOptions): Comparison {
  const { seeds, set } = options;
  const [a, b] = [loadSide(first, set), loadSide(second, set)];
  const sides = [a.side, b.side.name === a.side.name ? { ...b.side, name: `${b.side.name}-2` } : b.side] as const;
  const sets = [a, b].map(({ settings }) => [...set, withCosts(settings)]) as [string[], string[]];
  const planned = (side: 0 | 1, seed: number): SweepRun => plan(sides[side], { seed, set: sets[side] });
  const pairs = seeds.map((seed) => [planned(0, seed), planned(1, seed)] as const);
  const recorded = [recordedBy(a.settings), recordedBy(b.settings)] as const;
  return {
    kind: 'comparison',
    name: `${sides[0].name}-vs-${sides[1].name}`,
    runs: pairs.flat(),
    sides,
    pairs,
    measures: recorded[0].filter((measure) => recorded[1].includes(measure)),
    ...chooseTargets([a.settings, b.settings], { sides, recorded, asked: options.targets }),
  };
}

function loadSide(file: string, set: readonly string[]): { side: Side; settings: Settings } {
  const { settings } = named(file, () => loadScenario(file, { set }));
  return { side: { name: settings.name, file }, settings };
}

/** An override: a run measures the costs whatever its scenario says, so that targets can be asked for later. */
function withCosts({ monitor: { measures: own } }: Settings): string {
  return `monitor.measures=[${[...new Set([...own, ...costs])].join(', ')}]`;
}

function plan({ name: point, file }: Side, { seed, set }: { seed: number; set: readonly string[] }): SweepRun {
  return named(file, () => planRun({ point, scenario: file, set, place: `${file}: ` }, seed));
}

/** Calls `call`, and puts `file` before what it refuses of an override: that is given for both. */
function named<Value>(file: string, call: () => Value): Value {
  try {
    return call();
  } catch (error) {
    throw atPlace(error, (line) => (line.startsWith('--set ') ? `${file}: ${line}` : line));
  }
}

function recordedBy({ monitor, stop }: Settings): MeasureName[] {
  return [...new Set([...monitor.measures, ...(stop.target === undefined ? [] : [stop.target.measure])])];
}

interface TargetContext {
  readonly sides: readonly [Side, Side];
  readonly recorded: readonly [readonly MeasureName[], readonly MeasureName[]];
  readonly asked: readonly Target[];
}

/** The targets that are asked for, or else those of `stop.target` that both record. */
function chooseTargets(
  settings: readonly [Settings, Settings],
  { sides, recorded, asked }: TargetContext,
): Pick<Comparison, 'targets' | 'omissions'> {
  const lacking = ({ measure }: Target): Side | undefined =>
    sides.find((_, side) => !recorded[side]!.includes(measure));
  for (const target of asked) {
    const side = lacking(target);
    if (side !== undefined) throw unrecorded(target, side);
  }
  if (asked.length > 0) return { targets: distinct(asked), omissions: [] };
  const own = distinct(settings.flatMap(({ stop }) => stop.target ?? []));
  const omissions = own.flatMap((target) => {
    const side = lacking(target);
    return side === undefined ? [] : [`${describeTarget(target)} is no target: ${side.name} does not record it`];
  });
  return { targets: own.filter((target) => lacking(target) === undefined), omissions };
}

function unrecorded(target: Target, { file }: Side): BadInput {
  return new BadInput(`--target ${target.measure}<${target.below}: ${file} does not record ${target.measure}`, {
    remedy: 'add it to monitor.measures, in the file or for both with --set',
  });
}

function distinct(targets: readonly Target[]): Target[] {
  return [...new Map(targets.map((target) => [describeTarget(target), target])).values()];
}

/** `test_error < 0.05` */
export function describeTarget({ measure, below }: Target): string {
  return `${measure} < ${below}`;
}

/** Whether a target, which one value a run must meet, is met by the mean over workers. */
export function isMeanOverWorkers({ measure }: Target): boolean {
  return measures[measure].perWorker;
}
