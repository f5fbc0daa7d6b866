import fc from 'fast-check';
import seedrandom from 'seedrandom';
import { describe, expect, it } from 'vitest';
import { Arc4, arc4Bytes } from '../../src/kernel/arc4.js';

describe('ARC4', () => {
  it('gives the numbers of seedrandom for every key', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 100 }), (key) => {
        const wanted = seedrandom(key);
        const generator = new Arc4(new Uint8Array(arc4Bytes), key);
        for (let count = 0; count < 300; count += 1) expect(generator.double()).toBe(wanted.double());
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
