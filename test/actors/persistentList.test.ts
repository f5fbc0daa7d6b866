import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appended, listOf, valueAt, valuesOf, withValue } from '../../actors/persistentList.js';

/** A list of so many values that it has up to three levels, and replacements in it. */
const histories = fc.integer({ min: 1, max: 2100 }).chain((length) =>
  fc.record({
    length: fc.constant(length),
    changes: fc.array(fc.tuple(fc.nat({ max: length - 1 }), fc.nat()), { maxLength: 40 }),
  }),
);

describe('a persistent list', () => {
  it('holds what an array would hold after the same changes, and every earlier list holds what it held', () => {
    fc.assert(
      fc.property(histories, ({ length, changes }) => {
        const arrays = [Array.from({ length }, (_, index) => -index)];
        const lists = [listOf(arrays[0]!)];
        for (const [index, value] of changes) {
          arrays.push(arrays.at(-1)!.with(index, value));
          lists.push(withValue(lists.at(-1)!, index, value));
        }
        expect(lists.map(valuesOf)).toEqual(arrays);
      }),
      { numRuns: 30 },
    );
  });

  it.each([0, 1, 32, 33, 1024, 1025, 32_769])('finds every one of %i values at its index', (length) => {
    const list = listOf(Array.from({ length }, (_, index) => 3 * index));
    expect(Array.from({ length }, (_, index) => valueAt(list, index))).toEqual(valuesOf(list));
    expect(valuesOf(list)).toEqual(Array.from({ length }, (_, index) => 3 * index));
  });

  it.each([0, 1, 31, 32, 1024, 1055])(
    'of %i values grows at its end, while the shorter ones stay as they were',
    (length) => {
      const array = Array.from({ length }, (_, index) => index);
      const lists = [listOf(array)];
      for (let value = length; value < length + 70; value += 1) lists.push(appended(lists.at(-1)!, value));
      lists.forEach((list, more) => {
        const values = Array.from({ length: length + more }, (_, index) => index);
        expect(list.length).toBe(values.length);
        expect(valuesOf(list)).toEqual(values);
        expect(values.map((index) => valueAt(list, index))).toEqual(values);
      });
    },
  );

  it('that has grown value by value takes other values', () => {
    const grown = Array.from({ length: 1100 }, (_, index) => index).reduce(appended<number>, listOf<number>([]));
    expect(valueAt(withValue(grown, 1030, -1), 1030)).toBe(-1);
    expect(valuesOf(grown)).toEqual(Array.from({ length: 1100 }, (_, index) => index));
  });

  it('holds arrays as they are', () => {
    const pairs = Array.from({ length: 40 }, (_, index) => [index, [index]]);
    expect(valuesOf(listOf(pairs))).toEqual(pairs);
  });

  it('shares with its successor all but the path to the new value', () => {
    const list = listOf(Array.from({ length: 100 }, () => 0));
    const next = withValue(list, 40, 1);
    expect(next.root.map((node, place) => node === list.root[place])).toEqual([true, false, true, true]);
  });

  it.each([-1, 3, NaN])('has no value at index %d of three', (index) => {
    const list = listOf(['a', 'b', 'c']);
    expect(() => valueAt(list, index)).toThrow('is outside a list of 3');
    expect(() => withValue(list, index, 'd')).toThrow('is outside a list of 3');
  });

  it('survives a structured clone, as states do that are saved', () => {
    const list = listOf(Array.from({ length: 100 }, (_, index) => index));
    expect(withValue(structuredClone(list), 7, -1)).toEqual(withValue(list, 7, -1));
  });
});
