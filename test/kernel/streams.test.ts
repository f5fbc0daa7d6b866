import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawIndex, Streams, type Stream } from '../../src/kernel/streams.js';

function draw(stream: Stream, count: number): number[] {
  return Array.from({ length: count }, () => stream.double());
}

describe('streams', () => {
  it('give the numbers of seedrandom for the hashed text seed/actor/purpose', () => {
    // node -e "const r = require('seedrandom')(require('crypto').createHash('sha256')
    //   .update('7/worker-0/samples').digest('hex')); console.log(r.double(), r.double())"   (seedrandom 3.0.5)
    expect(draw(new Streams(7).stream('worker-0', 'samples'), 2)).toEqual([0.6552067244229208, 0.08713694346899836]);
  });

  it('give the same numbers for the same seed, actor and purpose', () => {
    const [first, second] = [new Streams(3), new Streams(3)];
    expect(draw(first.stream('consensus', 'a'), 5)).toEqual(draw(second.stream('consensus', 'a'), 5));
  });

  it('go on where they were when asked for again', () => {
    const streams = new Streams(3);
    const inPieces = [...draw(streams.stream('worker-1', 'a'), 2), ...draw(streams.stream('worker-1', 'a'), 3)];
    expect(inPieces).toEqual(draw(new Streams(3).stream('worker-1', 'a'), 5));
  });

  it('differ when the seed, the actor or the purpose differs', () => {
    const first = [
      new Streams(1).stream('worker-1', 'a'),
      new Streams(2).stream('worker-1', 'a'),
      new Streams(1).stream('worker-2', 'a'),
      new Streams(1).stream('worker-1', 'b'),
      // Without separators these two would have one text.
      new Streams(11).stream('x', 'a'),
      new Streams(1).stream('1x', 'a'),
    ].map((stream) => stream.double());
    expect(new Set(first).size).toBe(first.length);
  });

  it('leave each other untouched, however much is drawn from one and in whatever order they are made', () => {
    const names = ['worker-0', 'worker-1', 'consensus'];
    const untouched = new Streams(5);
    const expected = names.map((name) => draw(untouched.stream(name, 'p'), 4));
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2 }), { maxLength: 30 }), (draws) => {
        const streams = new Streams(5);
        const found: number[][] = names.map(() => []);
        for (const actor of [...draws, 2, 1, 0, 0, 1, 2, 0, 1, 2, 0, 1, 2]) {
          found[actor]!.push(streams.stream(names[actor]!, 'p').double());
        }
        found.forEach((numbers, actor) => {
          expect(numbers.slice(0, 4)).toEqual(expected[actor]);
        });
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  it('draw whole numbers 0 ... below - 1, all of them', () => {
    const stream = new Streams(5).stream('worker-0', 'index');
    const counts = [0, 0, 0];
    for (let draws = 0; draws < 3000; draws += 1) counts[drawIndex(stream, 3)]! += 1;
    // Five standard deviations of a count: sqrt(3000 * 1/3 * 2/3) = 26.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(130);
    expect(counts).toHaveLength(3);
  });
});
