import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duration, rate } from '../../src/scenario/units.js';

describe('durations', () => {
  it.each([
    ['10ms', 10_000_000],
    ['2us', 2_000],
    ['2µs', 2_000],
    ['1.5s', 1_500_000_000],
    ['1min', 60_000_000_000],
    ['1h', 3_600_000_000_000],
    ['0.4ns', 0],
    ['0.6ns', 1],
    ['1e3 ms', 1_000_000_000],
    [' .5s ', 500_000_000],
    ['0', 0],
    [0, 0],
  ])('%j is %d ns', (text, nanoseconds) => {
    expect(duration.decode(text)).toBe(nanoseconds);
  });

  it.each([
    [0, '0ns'],
    [1, '1ns'],
    [1_500, '1.5us'],
    [2_000_000, '2ms'],
    [90_000_000_000, '1.5min'],
    // One third of a minute has no short decimals, but they are the same nanosecond.
    [20_000_000_001, '20.000000001s'],
  ])('%d ns is written %s', (nanoseconds, text) => {
    expect(duration.encode(nanoseconds)).toBe(text);
  });

  it('any whole number of nanoseconds comes back from its text', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (nanoseconds) => {
        expect(duration.decode(duration.encode(nanoseconds))).toBe(nanoseconds);
      }),
    );
  });

  it('any text with a unit is a duration, or is refused; it never is a fraction of a nanosecond', () => {
    const units = fc.constantFrom('ns', 'us', 'ms', 's', 'min', 'h');
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), units, (number, unit) => {
        const { success, data } = duration.safeDecode(`${number}${unit}`);
        if (success) expect(Number.isSafeInteger(data) && data >= 0).toBe(true);
      }),
    );
  });
});

describe('rates', () => {
  it.each([
    ['1Gbit/s', 125_000_000],
    ['134kB/s', 134_000],
    ['8bit/s', 1],
    ['1.5MB/s', 1_500_000],
  ])('%s is %d bytes a second', (text, bytes) => {
    expect(rate.decode(text)).toBe(bytes);
  });

  it('1Gbit/s is written as it is read', () => {
    expect(rate.encode(rate.decode('1Gbit/s'))).toBe('1Gbit/s');
  });

  it('any rate comes back from its text', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: Number.MAX_SAFE_INTEGER, noNaN: true }), (bytes) => {
        expect(rate.decode(rate.encode(bytes))).toBe(bytes);
      }),
    );
  });
});
