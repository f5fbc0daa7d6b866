/** The arguments of `straggler compare`: seeds such as `1..10` and targets such as `test_error<0.05`. */
import { measures, type MeasureName } from '../../actors/measures.js';
import { BadInput } from '../conditions.js';
import type { Target } from '../scenario/compare.js';
import { nearMiss } from '../scenario/document.js';

/** More seeds than this are a slip of the fingers. */
const seedsMax = 10_000;

/** The seeds that `text` lists, in its order: numbers and ranges with commas between them. */
export function parseSeeds(text: string): number[] {
  const refuse = (problem: string, remedy: string): BadInput => new BadInput(`--seeds ${text}: ${problem}`, { remedy });
  const seeds: number[] = [];
  for (const part of text.split(',')) {
    const [, start = '', , end = start] = /^\s*(\d+)(\.\.(\d+))?\s*$/.exec(part) ?? [];
    const [first, last] = [Number(start), Number(end)];
    if (start === '') throw refuse('expected whole numbers', 'write a range, 1..10, or a list, 1,2,5');
    if (first > last) throw refuse(`${start} is above ${end}`, `write ${end}..${start}`);
    if (!Number.isSafeInteger(last)) throw refuse(`${end} is too large`, `choose at most ${Number.MAX_SAFE_INTEGER}`);
    if (seeds.length + last - first >= seedsMax) throw refuse('too many seeds', `choose at most ${seedsMax}`);
    for (let seed = first; seed <= last; seed += 1) seeds.push(seed);
  }
  const twice = seeds.find((seed, index) => seeds.indexOf(seed) < index);
  if (twice !== undefined) throw refuse(`the seed ${twice} is there twice`, 'name each once');
  if (seeds.length < 2) throw refuse('an interval needs at least 2 seeds', 'give more, as in --seeds 1..10');
  return seeds;
}

/** The target that `text` names. */
export function parseTarget(text: string): Target {
  const refuse = (problem: string, remedy: string): BadInput =>
    new BadInput(`--target ${text}: ${problem}`, { remedy });
  const [, measure = '', bound = ''] = /^\s*([^<]*?)\s*<\s*(.*?)\s*$/.exec(text) ?? [];
  const below = Number(bound);
  if (measure === '') throw refuse('expected measure<value', "write for example --target 'test_error<0.05'");
  if (!(measure in measures)) {
    const names = Object.keys(measures);
    const near = nearMiss(measure, names);
    throw refuse('unknown measure', near === undefined ? `choose one of ${names.join(', ')}` : `did you mean ${near}?`);
  }
  if (bound === '' || !Number.isFinite(below)) throw refuse('expected a number after <', `write ${measure}<0.05`);
  return { measure: measure as MeasureName, below };
}

/** Throws BadInput where an override gives the seed, which the list of seeds does. */
export function checkOverrides(set: readonly string[]): void {
  const seeded = set.find((override) => override.startsWith('seed='));
  if (seeded === undefined) return;
  throw new BadInput(`--set ${seeded}: the seeds are given by --seeds`, { remedy: 'leave it out' });
}
