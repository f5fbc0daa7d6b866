import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawExponential } from '../../src/kernel/draws.js';
import { Streams, type Stream } from '../../src/kernel/streams.js';
import { phases } from '../../src/network/phases.js';

const streamOf = (): Stream => new Streams(3).stream('network', 'partition/0');
const drawn = (stream: Stream): number => Math.floor(stream.double() * 100);

describe('a process that is on and off in turns', () => {
  it('begins off, and is on from the end of one phase to just before the end of the next', () => {
    const isOn = phases({ offNs: () => 100, onNs: () => 30 }, streamOf());
    const times = [0, 99, 100, 129, 130, 229, 230, 259, 260];
    expect(times.map(isOn)).toEqual([false, false, true, true, false, false, true, true, false]);
  });

  it('is always on, but for nothing, where it is off for no time', () => {
    const isOn = phases({ offNs: () => 0, onNs: () => 7 }, streamOf());
    expect([0, 6, 7, 8, 14, 1000].map(isOn)).toEqual([true, true, true, true, true, true]);
  });

  it('draws the lengths of its phases in turn, off first, whatever it is asked', () => {
    const own = streamOf();
    const ends: number[] = [];
    // Phases of either kind, of 1 to 199 ns: off is the even ones.
    for (let index = 0; index < 40; index += 1)
      ends.push((ends.at(-1) ?? 0) + (index % 2 === 0 ? 100 : 1) + drawn(own));
    const isOnAt = (timeNs: number): boolean => ends.filter((endNs) => endNs <= timeNs).length % 2 === 1;
    const times = fc.uniqueArray(fc.nat({ max: ends.at(-1)! - 1 }), { minLength: 1, maxLength: 30 });
    const property = fc.property(times, (asked) => {
      const options = { offNs: (stream: Stream) => 100 + drawn(stream), onNs: (stream: Stream) => 1 + drawn(stream) };
      const isOn = phases(options, streamOf());
      const inOrder = [...asked].sort((a, b) => a - b);
      expect(inOrder.map(isOn)).toEqual(inOrder.map(isOnAt));
    });
    fc.assert(property, { seed: 1, numRuns: 100 });
  });

  it('is on for the share of time that the means of its phases give', () => {
    // Off for 3 ms and on for 1 ms on average, both exponential: on for a quarter of the time.
    const mean = (ns: number) => (stream: Stream) => ns * drawExponential(stream);
    const isOn = phases({ offNs: mean(3e6), onNs: mean(1e6) }, streamOf());
    const [count, spacingNs] = [20_000, 2e6];
    let on = 0;
    for (let index = 0; index < count; index += 1) on += isOn(index * spacingNs) ? 1 : 0;
    // Samples so far apart have the correlation e^-(2/3 + 2) = 0.07: a variance of p (1 - p) (1.07 / 0.93) / n.
    const error = Math.sqrt((0.25 * 0.75 * (1.0695 / 0.9305)) / count);
    expect(Math.abs(on / count - 0.25)).toBeLessThan(3 * error);
  });
});
