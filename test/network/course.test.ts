import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { always, transferNs, valueAt, type Course } from '../../src/network/course.js';

/** Courses with at most six pieces. The numbers are odd, so that no quotient is half a nanosecond. */
const courses = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 40 }), value: fc.constantFrom(1, 3, 5) }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((pieces): Course<number> => {
    let fromNs = 0;
    return pieces.map(({ gap, value }, index) => ({ fromNs: index === 0 ? 0 : (fromNs += gap), value }));
  });

describe('a course', () => {
  const course: Course<string> = [
    { fromNs: 0, value: 'a' },
    { fromNs: 10, value: 'b' },
    { fromNs: 11, value: 'c' },
  ];

  it('holds each value from its time on, until the next one', () => {
    const found = [0, 9, 10, 11, 12, 1e15].map((timeNs) => valueAt(course, timeNs));
    expect(found.map(({ value }) => value)).toEqual(['a', 'a', 'b', 'c', 'c', 'c']);
    expect(found.map(({ untilNs }) => untilNs)).toEqual([10, 10, 11, Infinity, Infinity, Infinity]);
  });

  it('that always holds one value never changes', () => {
    expect(valueAt(always('x'), 1e15)).toEqual({ value: 'x', untilNs: Infinity });
  });

  it('holds what a walk through its pieces finds', () => {
    const property = fc.property(courses, fc.nat({ max: 250 }), (pieces, timeNs) => {
      let [value, untilNs] = [NaN, Infinity];
      for (const piece of pieces) {
        if (piece.fromNs <= timeNs) ({ value } = piece);
        else untilNs = Math.min(untilNs, piece.fromNs);
      }
      expect(valueAt(pieces, timeNs)).toEqual({ value, untilNs });
    });
    fc.assert(property, { seed: 1, numRuns: 300 });
  });
});

describe('a transfer', () => {
  it('takes its bytes over the rate, in whole nanoseconds', () => {
    // LeNet-5 over 1 Gbit/s: 134,320 bytes * 8 / 1e9 = 1.07456 ms; 1/3 ns and 2/3 ns.
    expect(transferNs(always(125_000_000), 134_320, 7)).toBe(1_074_560);
    expect([1, 2].map((bytes) => transferNs(always(3e9), bytes, 0))).toEqual([0, 1]);
  });

  it('takes no time where the rate has no limit', () => {
    expect(transferNs(always(Infinity), 1e9, 5)).toBe(0);
  });

  it('goes on at the new rate where the rate changes', () => {
    // 40 bytes in the first 40 ns at 1 B/ns, the other 60 at 2 B/ns; from 30 on, 10 bytes and 90.
    const rate: Course<number> = [
      { fromNs: 0, value: 1e9 },
      { fromNs: 40, value: 2e9 },
    ];
    expect(transferNs(rate, 100, 0)).toBe(40 + 30);
    expect(transferNs(rate, 100, 30)).toBe(10 + 45);
    expect(transferNs(rate, 100, 40)).toBe(50);
    // At the very time of the change it is through.
    expect(transferNs(rate, 40, 0)).toBe(40);
  });

  it('ends where a limit is lifted', () => {
    const rate: Course<number> = [
      { fromNs: 0, value: 1e9 },
      { fromNs: 40, value: Infinity },
    ];
    expect(transferNs(rate, 100, 0)).toBe(40);
    expect(transferNs(rate, 30, 0)).toBe(30);
  });

  it('takes as long as a loop over nanoseconds needs to carry it', () => {
    const property = fc.property(
      courses,
      fc.integer({ min: 1, max: 400 }),
      fc.nat({ max: 100 }),
      (pieces, bytes, startNs) => {
        // Whole bytes a nanosecond.
        const rateAt = (timeNs: number): number => pieces.filter(({ fromNs }) => fromNs <= timeNs).at(-1)!.value;
        let [left, timeNs] = [bytes, startNs];
        while (left > rateAt(timeNs)) {
          left -= rateAt(timeNs);
          timeNs += 1;
        }
        const expected = Math.round(timeNs - startNs + left / rateAt(timeNs));
        const rate = pieces.map(({ fromNs, value }) => ({ fromNs, value: value * 1e9 }));
        expect(transferNs(rate, bytes, startNs)).toBe(expected);
      },
    );
    fc.assert(property, { seed: 1, numRuns: 300 });
  });
});
