/** What a comparison prints: who is compared, a row a quantity, and what is not in the rows. */
import Table from 'cli-table3';
import { describeTarget } from '../scenario/compare.js';
import type { Estimate, PairedEstimate } from '../scenario/statistics.js';
import type { ComparisonRecord, PairRecord, QuantityRecord, TargetRecord } from './compareResults.js';
import { significant } from './sweepResults.js';

/** The text of a comparison, without a line feed at its end. */
export function comparisonText(record: ComparisonRecord): string {
  return [...heading(record), ...table(record), ...notes(record)].join('\n');
}

/** `A  mnist-sync   scenarios/mnist-sync.yaml`, and the same of B. */
function heading({ a, b }: ComparisonRecord): string[] {
  const width = Math.max(a.name.length, b.name.length);
  return [`A  ${a.name.padEnd(width)}  ${a.scenario}`, `B  ${b.name.padEnd(width)}  ${b.scenario}`];
}

/** One table, or none where no pair completed. */
function table({ pairs, final, total, targets }: ComparisonRecord): string[] {
  const completed = pairs.filter(isCompleted).length;
  if (completed === 0) return [];
  const rows = new Table({
    head: [completed === 1 ? '1 pair' : `${completed} pairs`, 'mean of A', 'mean of B', 'B - A', 'B lower'],
    style: { head: [], border: [], compact: true },
  });
  const spent = total.filter(({ estimate }) => estimate?.a.mean !== 0 || estimate.b.mean !== 0);
  rows.push(...group('final value', final), ...group('whole run', spent));
  for (const target of targets) rows.push(...group(`until ${targetName(target)}`, target.quantities));
  return [rows.toString()];
}

/** The rows of quantities that some pair has, under a title. */
function group(title: string, quantities: readonly QuantityRecord[]): Table.HorizontalTableRow[] {
  const rows = quantities.flatMap(({ name, estimate }) => (estimate === undefined ? [] : [row(`  ${name}`, estimate)]));
  return rows.length === 0 ? [] : [[{ content: title, colSpan: 5 }], ...rows];
}

function row(name: string, estimate: PairedEstimate): string[] {
  const { a, b } = estimate;
  return [name, formatMean(a.mean), formatMean(b.mean), formatDifference(estimate), formatLower(estimate)];
}

function notes({ pairs, targets }: ComparisonRecord): string[] {
  const completed = pairs.filter(isCompleted).length;
  const incomplete = completed === pairs.length ? [] : [describeIncomplete(pairs)];
  const legend = completed < 2 ? [] : ['B - A is the mean difference of the pairs, with its 95% Student-t interval'];
  return [...targets.map(describeReached), ...incomplete, ...legend];
}

function isCompleted({ a, b }: PairRecord): boolean {
  return a.status === 'completed' && b.status === 'completed';
}

/** `8 of 10 pairs completed; B diverged with seeds 3, 5; A missing with seed 7` */
function describeIncomplete(pairs: readonly PairRecord[]): string {
  const others = new Map<string, number[]>();
  for (const { seed, a, b } of pairs) {
    for (const [side, { status }] of [['A', a] as const, ['B', b] as const]) {
      const key = `${side} ${status}`;
      if (status !== 'completed') others.set(key, [...(others.get(key) ?? []), seed]);
    }
  }
  const reasons = [...others].map(([key, seeds]) => `; ${key} with ${describeSeeds(seeds)}`);
  return `${pairs.filter(isCompleted).length} of ${pairs.length} pairs completed${reasons.join('')}`;
}

/** `test_error < 0.05 was reached in 9 of 10 pairs; not by B with seed 4`, `...; never by A` */
function describeReached(target: TargetRecord): string {
  const { reached, completed, missedBy } = target;
  const sides = [['A', missedBy.a] as const, ['B', missedBy.b] as const].filter(([, seeds]) => seeds.length > 0);
  const missed = sides.map(([side, seeds]) => {
    return seeds.length === completed ? `; never by ${side}` : `; not by ${side} with ${describeSeeds(seeds)}`;
  });
  return `${targetName(target)} was reached in ${reached} of ${completed} pairs${missed.join('')}`;
}

function targetName(target: TargetRecord): string {
  return `${target.meanOverWorkers ? 'mean ' : ''}${describeTarget(target)}`;
}

/** `seed 3`, `seeds 1, 2, 5 to 8` */
function describeSeeds(seeds: readonly number[]): string {
  const ranges: { readonly first: number; last: number }[] = [];
  for (const seed of seeds.toSorted((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range?.last === seed - 1) range.last = seed;
    else ranges.push({ first: seed, last: seed });
  }
  const texts = ranges.map(({ first, last }) => {
    if (last - first > 1) return `${first} to ${last}`;
    return first === last ? `${first}` : `${first}, ${last}`;
  });
  return `seed${seeds.length === 1 ? '' : 's'} ${texts.join(', ')}`;
}

/** From here on numbers are written with an exponent. */
const plainMax = 1e12;

/** Four significant digits, or all digits before the point: `0.04794`, `23,100`. */
function formatMean(value: number): string {
  if (!Number.isFinite(value)) return 'not finite';
  const magnitude = Math.abs(value);
  return magnitude < 1000 || magnitude >= plainMax ? significant(value, 4) : grouped(value, 0);
}

/** `+0.0479 ± 0.0021`: the interval has two significant digits, and the mean as many decimals. */
function formatDifference({ a, b, difference }: PairedEstimate): string {
  const { mean } = difference;
  if (!Number.isFinite(mean)) return 'not finite';
  const sign = mean > 0 ? '+' : '';
  const halfWidth = withoutNoise(difference, Math.max(Math.abs(a.mean), Math.abs(b.mean)));
  if (halfWidth === undefined) return `${sign}${formatMean(mean)}`;
  if (halfWidth === 0) return `${sign}${formatMean(mean)} ± 0`;
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(halfWidth)));
  if (decimals > decimalsMax || Math.max(Math.abs(mean), halfWidth) >= plainMax) {
    return `${sign}${significant(mean, 4)} ± ${significant(halfWidth, 2)}`;
  }
  return `${sign}${grouped(mean, decimals)} ± ${grouped(halfWidth, decimals)}`;
}

/** With more decimals a difference is as short with an exponent. */
const decimalsMax = 6;

/** Half the width of the interval: zero where differences are equal but for the rounding of numbers about `size`. */
function withoutNoise({ halfWidth }: Estimate, size: number): number | undefined {
  return halfWidth !== undefined && halfWidth < 1e-12 * size ? 0 : halfWidth;
}

function grouped(value: number, decimals: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** `7 of 10`, `3 of 10, 2 equal` */
function formatLower({ lower, equal, difference: { count } }: PairedEstimate): string {
  if (equal === count) return 'all equal';
  return `${lower} of ${count}${equal > 0 ? `, ${equal} equal` : ''}`;
}
