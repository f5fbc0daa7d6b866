/** What the pairs of runs of a comparison found: all of comparison.json, from which its table is made. */
import type { MeasureName } from '../../actors/measures.js';
import type { Manifest } from '../record/manifest.js';
import { isMeanOverWorkers, type Comparison, type Target } from '../scenario/compare.js';
import { unpairedStreams, type Unpaired } from '../scenario/pairing.js';
import { pairedEstimate, type PairedEstimate } from '../scenario/statistics.js';
import type { SweepRun } from '../scenario/sweep.js';
import { timeToTarget, type Reached } from './compareTargets.js';
import { version } from './package.js';
import type { SweepDirectory } from './sweepDirectory.js';
import { finalMean, finalValues, readMeasurements, type Final } from './sweepMeasurements.js';

export interface ComparisonRecord {
  readonly straggler: string;
  readonly comparison: string;
  readonly a: SideRecord;
  readonly b: SideRecord;
  /** What is not paired by the seed. */
  readonly unpaired: readonly Unpaired[];
  readonly omissions: readonly string[];
  readonly pairs: readonly PairRecord[];
  /** The last values of measures, averaged over workers. */
  readonly final: readonly QuantityRecord[];
  /** What the whole runs took. */
  readonly total: readonly QuantityRecord[];
  readonly targets: readonly TargetRecord[];
}

interface SideRecord {
  readonly name: string;
  readonly scenario: string;
}

/** The two runs of one seed. */
export interface PairRecord {
  readonly seed: number;
  readonly a: RunEnd;
  readonly b: RunEnd;
}

interface RunEnd {
  /** The run directory, within that of the comparison. */
  readonly directory: string;
  readonly status: Manifest['status'] | 'missing';
}

/** One row of the table. */
export interface QuantityRecord {
  readonly name: string;
  /** Over the pairs in which both runs have it; absent where there is none, null where a value is not finite. */
  readonly estimate?: PairedEstimate;
  /** Null where a run did not complete, does not have it, or has a value that is not finite. */
  readonly perSeed: readonly { readonly seed: number; readonly a: number | null; readonly b: number | null }[];
}

export interface TargetRecord extends Target {
  readonly meanOverWorkers: boolean;
  /** In how many of the pairs that completed both runs reached it. */
  readonly reached: number;
  readonly completed: number;
  /** The seeds with which a run completed and did not reach it. */
  readonly missedBy: { readonly a: readonly number[]; readonly b: readonly number[] };
  /** What it took to reach it. */
  readonly quantities: readonly QuantityRecord[];
}

/** What a run that completed gives to the table. */
interface RunValues {
  readonly manifest: Manifest;
  readonly final: Readonly<Record<string, Final>>;
  /** By target; undefined where it was not reached. */
  readonly reached: readonly (Reached | undefined)[];
}

interface ReadRun {
  readonly end: RunEnd;
  readonly values?: RunValues;
}

interface ReadPair {
  readonly seed: number;
  readonly a: ReadRun;
  readonly b: ReadRun;
}

/** Reads what is in the run directories of `comparison`, which lie in `directory`. */
export function readComparison(comparison: Comparison, directory: SweepDirectory): ComparisonRecord {
  const { name, sides, measures, targets, omissions } = comparison;
  const [a, b] = sides.map((side): SideRecord => ({ name: side.name, scenario: side.file })) as [
    SideRecord,
    SideRecord,
  ];
  const read = (run: SweepRun): ReadRun => readRun(run, directory, targets);
  const pairs = comparison.pairs.map(([first, second]) => ({ seed: first.seed, a: read(first), b: read(second) }));
  return {
    straggler: version,
    comparison: name,
    a,
    b,
    unpaired: unpairedIn(comparison, directory),
    omissions,
    pairs: pairs.map((pair) => ({ seed: pair.seed, a: pair.a.end, b: pair.b.end })),
    final: measures.filter((measure) => !totaled.includes(measure)).map((measure) => compareFinal(measure, pairs)),
    total: totals.map(({ name, of }) => compareQuantity(name, of, pairs)),
    targets: targets.map((target, index) => compareTarget(target, index, pairs)),
  };
}

/** What is not paired between the scenarios as manifests have them: with what the data give. */
function unpairedIn({ pairs }: Comparison, directory: SweepDirectory): Unpaired[] {
  const [a, b] = pairs.find((pair) => pair.every((run) => directory.isDone(run))) ?? pairs[0]!;
  const scenarioOf = (run: SweepRun): unknown => directory.manifest(run)?.scenario ?? run.resolved;
  return unpairedStreams(scenarioOf(a), scenarioOf(b));
}

function readRun(run: SweepRun, directory: SweepDirectory, targets: readonly Target[]): ReadRun {
  const manifest = directory.manifest(run);
  const end: RunEnd = { directory: run.name, status: manifest?.status ?? 'missing' };
  // What diverged stopped somewhere on its way: its values are no result.
  if (manifest?.status !== 'completed') return { end };
  const measurements = readMeasurements(directory.at(run));
  const reached = targets.map((target) => timeToTarget(measurements, target));
  return { end, values: { manifest, final: finalValues(measurements), reached } };
}

function compareFinal(measure: string, pairs: readonly ReadPair[]): QuantityRecord {
  const of = ({ final }: RunValues): number | undefined =>
    final[measure] === undefined ? undefined : finalMean(final[measure]);
  return compareQuantity(measure, of, pairs);
}

/** Undefined where the run does not have it. */
type Reading = (values: RunValues) => number | undefined;

const totals: readonly { readonly name: string; readonly of: Reading }[] = [
  { name: 'virtual seconds', of: ({ manifest }) => manifest.virtualSeconds },
  { name: 'moves of u', of: ({ manifest }) => manifest.counts?.moves },
  { name: 'worker steps', of: ({ manifest }) => manifest.counts?.steps },
  { name: 'bytes sent', of: ({ manifest }) => manifest.counts?.bytes },
  { name: 'messages lost', of: ({ manifest }) => manifest.counts?.lost },
];

/** Measures whose last values the totals have. */
const totaled: readonly MeasureName[] = ['worker_steps', 'bytes_sent', 'messages_lost'];

function compareTarget(target: Target, index: number, pairs: readonly ReadPair[]): TargetRecord {
  const completed = pairs.filter(({ a, b }) => a.values !== undefined && b.values !== undefined);
  const missed = (side: 'a' | 'b'): number[] =>
    completed.filter((pair) => pair[side].values!.reached[index] === undefined).map(({ seed }) => seed);
  const missedBy = { a: missed('a'), b: missed('b') };
  const compare = (name: string, of: (reached: Reached) => number | undefined): QuantityRecord =>
    compareQuantity(name, ({ reached }) => reached[index] && of(reached[index]), pairs);
  return {
    ...target,
    meanOverWorkers: isMeanOverWorkers(target),
    reached: completed.length - new Set([...missedBy.a, ...missedBy.b]).size,
    completed: completed.length,
    missedBy,
    quantities: [
      compare('virtual seconds', ({ virtualSeconds }) => virtualSeconds),
      compare('moves of u', ({ moves }) => moves),
      compare('worker steps', ({ steps }) => steps),
      compare('bytes sent', ({ bytes }) => bytes),
    ],
  };
}

function compareQuantity(name: string, of: Reading, pairs: readonly ReadPair[]): QuantityRecord {
  const read = ({ values }: ReadRun): number | undefined => values && of(values);
  const values = pairs.map(({ seed, a, b }) => ({ seed, a: read(a), b: read(b) }));
  const both = values.flatMap(({ a, b }) => (a === undefined || b === undefined ? [] : [[a, b] as const]));
  const perSeed = values.map(({ seed, a, b }) => ({ seed, a: a ?? null, b: b ?? null }));
  return { name, ...(both.length === 0 ? {} : { estimate: pairedEstimate(both) }), perSeed };
}
