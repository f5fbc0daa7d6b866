import { describe, expect, it } from 'vitest';
import { Streams, type Stream } from '../../src/kernel/streams.js';
import { stepTimes } from '../../src/network/stepTime.js';

const drawNs = (stream: Stream): number => Math.floor(stream.double() * 1e6);
const streamOf = (worker: number): Stream => new Streams(1).stream(`worker-${worker}`, 'stepTime');

describe('step times', () => {
  it('are the drawn durations for workers that are no stragglers', () => {
    const times = stepTimes(drawNs, [{ workers: [1], slowdown: 5 }]);
    expect(times(0)(streamOf(0))).toBe(drawNs(streamOf(0)));
  });

  it('of a straggler are the same draws, each so many times longer, in whole nanoseconds', () => {
    const straggler = stepTimes(drawNs, [{ workers: [2, 1], slowdown: 2.5 }])(1);
    const [stream, same] = [streamOf(1), streamOf(1)];
    const found = Array.from({ length: 20 }, () => straggler(stream));
    expect(found).toEqual(Array.from({ length: 20 }, () => Math.round(2.5 * drawNs(same))));
    expect(found.every(Number.isSafeInteger)).toBe(true);
  });

  it('of a worker in two lists are slowed down by both, whatever their order', () => {
    const lists = [
      { workers: [0, 1], slowdown: 2 },
      { workers: [1], slowdown: 3 },
    ];
    for (const stragglers of [lists, [...lists].reverse()]) {
      const times = stepTimes(() => 10, stragglers);
      expect([0, 1, 2].map((worker) => times(worker)(streamOf(worker)))).toEqual([20, 60, 10]);
    }
  });
});
