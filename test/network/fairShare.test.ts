import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Passage } from '../../src/kernel/effects.js';
import { always, type Course } from '../../src/network/course.js';
import { FairShare } from '../../src/network/fairShare.js';

/** A transfer: `bytes` from `beginsNs` on, at most `limit` bytes a second. */
interface Transfer {
  readonly beginsNs: number;
  readonly bytes: number;
  readonly limit: number;
}

/** The times at which the transfers over a bottleneck are through. */
function endsOf(bytesPerSecond: number, transfers: readonly (Omit<Transfer, 'limit'> & { limit: Course<number> })[]) {
  const share = new FairShare(bytesPerSecond);
  const ends = transfers.map(() => NaN);
  const wakes: { timeNs: number; wakeUp: (timeNs: number) => readonly Passage[] }[] = [];
  const take = (passages: readonly Passage[], nowNs: number): void => {
    for (const passage of passages) {
      if (passage.passage !== 'wake') throw new Error(`a bottleneck does not ${passage.passage}`);
      wakes.push({ timeNs: nowNs + passage.delayNs, wakeUp: passage.wakeUp });
    }
  };
  transfers.forEach(({ beginsNs, bytes, limit }, index) => {
    const done = (timeNs: number): readonly Passage[] => {
      expect(ends[index]).toBeNaN();
      ends[index] = timeNs;
      return [];
    };
    wakes.push({ timeNs: beginsNs, wakeUp: (timeNs) => share.begin({ bytes, limit, done }, timeNs) });
  });
  for (let count = 0; wakes.length > 0; count += 1) {
    if (count > 10_000) throw new Error('the bottleneck wants to be woken for ever');
    // The first of the earliest ones.
    const next = wakes.reduce((first, wake) => (wake.timeNs < first.timeNs ? wake : first));
    wakes.splice(wakes.indexOf(next), 1);
    take(next.wakeUp(next.timeNs), next.timeNs);
  }
  return ends;
}

const limited = (transfers: readonly Transfer[]) =>
  transfers.map(({ limit, ...transfer }) => ({ ...transfer, limit: always(limit) }));

/**
 * The rates of flows with these limits that share `capacity`: all up to one water level, which is found by halving.
 * Max-min fairness, told in another way than by the code under test.
 */
function waterLevel(limits: readonly number[], capacity: number): number[] {
  const filled = (level: number): number => limits.reduce((sum, limit) => sum + Math.min(limit, level), 0);
  let [low, high] = [0, capacity];
  for (let halving = 0; halving < 200; halving += 1) {
    const middle = (low + high) / 2;
    if (filled(middle) < capacity) low = middle;
    else high = middle;
  }
  return limits.map((limit) => Math.min(limit, high));
}

/** The same as `endsOf`, in real numbers instead of nanoseconds: from one arrival or departure to the next. */
function fluidEnds(capacity: number, transfers: readonly Transfer[]): number[] {
  const left = transfers.map(({ bytes }) => bytes);
  const ends = transfers.map(() => Infinity);
  for (let now = 0; ends.some((end) => end === Infinity);) {
    const active = transfers.flatMap(({ beginsNs }, index) =>
      beginsNs <= now && ends[index] === Infinity ? [index] : [],
    );
    const rates = waterLevel(
      active.map((index) => transfers[index]!.limit),
      capacity,
    );
    const nextBegin = Math.min(...transfers.map(({ beginsNs }) => (beginsNs > now ? beginsNs : Infinity)));
    const departures = active.map((index, place) => now + (left[index]! / rates[place]!) * 1e9);
    const next = Math.min(nextBegin, ...departures);
    active.forEach((index, place) => {
      left[index]! -= (rates[place]! * (next - now)) / 1e9;
      if (departures[place] === next) ends[index] = next;
    });
    now = next;
  }
  return ends;
}

const capacity = 1e9;

describe('a bottleneck', () => {
  it('makes M equal transfers that begin together take M times as long', () => {
    for (const count of [1, 2, 3, 7, 100]) {
      const transfers = Array.from({ length: count }, () => ({ beginsNs: 50, bytes: 1000, limit: Infinity }));
      expect(endsOf(capacity, limited(transfers))).toEqual(transfers.map(() => 50 + 1000 * count));
    }
  });

  it('shares anew whenever a transfer begins or ends', () => {
    // 1 B/ns: alone until 1000, halves until the second has its 500 at 2000, then alone again.
    const transfers = [
      { beginsNs: 0, bytes: 2000, limit: Infinity },
      { beginsNs: 1000, bytes: 500, limit: Infinity },
    ];
    expect(endsOf(capacity, limited(transfers))).toEqual([2500, 2000]);
  });

  it('gives what a slow link cannot use to the others', () => {
    // A tenth for the first; the others share the rest, 0.45 B/ns each.
    const transfers = [
      { beginsNs: 0, bytes: 1000, limit: 0.1e9 },
      { beginsNs: 0, bytes: 900, limit: Infinity },
      { beginsNs: 0, bytes: 900, limit: 0.5e9 },
    ];
    expect(endsOf(capacity, limited(transfers))).toEqual([10_000, 2000, 2000]);
  });

  it('does not hold up what its link alone makes slow', () => {
    const transfers = [0, 0, 0].map((beginsNs) => ({ beginsNs, bytes: 600, limit: 0.3e9 }));
    expect(endsOf(capacity, limited(transfers))).toEqual([2000, 2000, 2000]);
  });

  it('follows links whose rate changes', () => {
    // 0.1 B/ns until 1000, then up to 2: 100 bytes, then half of the bottleneck, then all of it.
    const changing: Course<number> = [
      { fromNs: 0, value: 0.1e9 },
      { fromNs: 1000, value: 2e9 },
    ];
    const transfers = [
      { beginsNs: 0, bytes: 1000, limit: changing },
      { beginsNs: 0, bytes: 1500, limit: always(Infinity) },
    ];
    // The other has 900 by 1000, its last 600 by 2200, when the first has 100 + 600; 300 more alone.
    expect(endsOf(capacity, transfers)).toEqual([2500, 2200]);
  });

  it('ends transfers of one moment in the order in which they began', () => {
    const order: number[] = [];
    const share = new FairShare(capacity);
    const begin = (index: number): readonly Passage[] => {
      const done = (): readonly Passage[] => {
        order.push(index);
        return [];
      };
      return share.begin({ bytes: 10, limit: always(Infinity), done }, 0);
    };
    const [last] = [0, 1, 2].flatMap(begin).reverse();
    if (last?.passage === 'wake') last.wakeUp(last.delayNs);
    expect(order).toEqual([0, 1, 2]);
  });
});

const transfer = fc.record({
  beginsNs: fc.nat({ max: 20_000 }),
  bytes: fc.integer({ min: 1, max: 10_000 }),
  limit: fc.constantFrom(0.1e9, 0.25e9, 0.4e9, 1e9, Infinity),
});
const several = fc.array(transfer, { minLength: 1, maxLength: 12 });

describe('whatever the transfers, a bottleneck', () => {
  it('ends them when an exact fluid does, but for whole nanoseconds', () => {
    const property = fc.property(several, (transfers) => {
      const expected = fluidEnds(capacity, transfers);
      const found = endsOf(capacity, limited(transfers));
      expect(found.every(Number.isSafeInteger)).toBe(true);
      // Every beginning and end may shift the capacity of half a nanosecond from one to another, at a tenth of it.
      const tolerance = 0.5 + transfers.length * 5;
      found.forEach((end, index) => expect(Math.abs(end - expected[index]!)).toBeLessThan(tolerance));
    });
    fc.assert(property, { seed: 1, numRuns: 300 });
  });

  it('is busy as long as one transfer of all bytes would be, where links have no limits', () => {
    const property = fc.property(several, (transfers) => {
      const ends = endsOf(capacity, limited(transfers.map((one) => ({ ...one, limit: Infinity }))));
      // Work is conserved: it carries a byte a nanosecond whenever there is one.
      let busyUntil = 0;
      for (const { beginsNs, bytes } of [...transfers].sort((a, b) => a.beginsNs - b.beginsNs)) {
        busyUntil = Math.max(busyUntil, beginsNs) + bytes;
      }
      expect(Math.abs(Math.max(...ends) - busyUntil)).toBeLessThanOrEqual(transfers.length);
    });
    fc.assert(property, { seed: 2, numRuns: 300 });
  });

  it('has carried no more by any end than its rate allows, and every transfer no faster than its link', () => {
    const property = fc.property(several, (transfers) => {
      const ends = endsOf(capacity, limited(transfers));
      transfers.forEach(({ beginsNs, bytes, limit }, index) => {
        expect(ends[index]! - beginsNs).toBeGreaterThanOrEqual((bytes / Math.min(limit, capacity)) * 1e9 - 6);
        // What began at or after this one's beginning and is through by its end has gone through in that time.
        const during = transfers.filter((other, place) => other.beginsNs >= beginsNs && ends[place]! <= ends[index]!);
        const carried = during.reduce((sum, other) => sum + other.bytes, 0);
        expect(carried).toBeLessThanOrEqual(ends[index]! - beginsNs + transfers.length);
      });
    });
    fc.assert(property, { seed: 3, numRuns: 300 });
  });

  it('shares max-min fairly: who gets less than its link allows gets as much as anybody, and nothing is left over', () => {
    const limitsOf = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 10 });
    const property = fc.property(limitsOf, fc.integer({ min: 1, max: 300 }), (percents, total) => {
      const limits = percents.map((percent) => percent * 1e7);
      const rates = limits.map((_, index) => {
        // Its own transfer ends first by far, so that its duration tells its share.
        const transfers = limits.map((limit, other) => ({
          beginsNs: 0,
          bytes: other === index ? 1e7 : 1e12,
          limit: always(limit),
        }));
        return (1e7 / endsOf(total * 1e7, transfers)[index]!) * 1e9;
      });
      const sum = rates.reduce((all, rate) => all + rate, 0);
      const most = Math.max(...rates);
      const same = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-5 * b;
      const constrained = rates.filter((rate, index) => !same(rate, limits[index]!));
      rates.forEach((rate, index) => expect(rate).toBeLessThanOrEqual(limits[index]! * (1 + 1e-5)));
      for (const rate of constrained) expect(same(rate, most)).toBe(true);
      const used = Math.min(
        total * 1e7,
        limits.reduce((all, limit) => all + limit, 0),
      );
      expect(same(sum, used)).toBe(true);
    });
    fc.assert(property, { seed: 4, numRuns: 100 });
  });
});
