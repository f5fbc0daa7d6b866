import { describe, expect, it } from 'vitest';
import { Streams, type Stream } from '../../src/kernel/streams.js';
import { always, type Course } from '../../src/network/course.js';
import { stepTimes, type Moment, type Straggler } from '../../src/network/stepTime.js';

const drawNs = (stream: Stream): number => Math.floor(stream.double() * 1e6);
const streamOf = (worker: number): Stream => new Streams(1).stream(`worker-${worker}`, 'stepTime');

/** Moments of one worker, whose streams go on from one to the next. */
function momentsOf(worker: number): (timeNs?: number) => Moment {
  const streams = new Streams(1);
  return (timeNs = 0) => ({ timeNs, random: (purpose) => streams.stream(`worker-${worker}`, purpose) });
}

const slow = (workers: number[], slowdown: number): Straggler => ({ workers, slowdown: always(slowdown) });
const times = (worker: number, stragglers: readonly Straggler[], draw = drawNs, samplesNs = 0) =>
  stepTimes(worker, { stepTime: always(draw), samplesNs, stragglers });

describe('step times', () => {
  it('are the drawn durations for workers that are no stragglers', () => {
    expect(times(0, [slow([1], 5)])(momentsOf(0)())).toBe(drawNs(streamOf(0)));
  });

  it('of a straggler are the same draws, each so many times longer, in whole nanoseconds', () => {
    const [straggler, moment, same] = [times(1, [slow([2, 1], 2.5)]), momentsOf(1), streamOf(1)];
    const found = Array.from({ length: 20 }, () => straggler(moment()));
    expect(found).toEqual(Array.from({ length: 20 }, () => Math.round(2.5 * drawNs(same))));
    expect(found.every(Number.isSafeInteger)).toBe(true);
  });

  it('of a worker in two lists are slowed down by both, whatever their order', () => {
    const lists = [slow([0, 1], 2), slow([1], 3)];
    for (const stragglers of [lists, [...lists].reverse()]) {
      expect([0, 1, 2].map((worker) => times(worker, stragglers, () => 10)(momentsOf(worker)()))).toEqual([20, 60, 10]);
    }
  });

  it('grow with the samples of a batch, before a straggler multiplies them', () => {
    expect(times(0, [slow([0], 3)], () => 10, 20 * 7)(momentsOf(0)())).toBe(3 * (10 + 140));
  });

  it('of a straggler with a step time of its own are drawn from that', () => {
    const own: Straggler = { workers: [1], slowdown: always(2), stepTime: always(() => 1000) };
    expect([0, 1].map((worker) => times(worker, [own], () => 10)(momentsOf(worker)()))).toEqual([10, 2000]);
  });

  it('follow a course: what holds when a step starts', () => {
    const slowdown: Course<number> = [
      { fromNs: 0, value: 1 },
      { fromNs: 100, value: 4 },
      { fromNs: 200, value: 0.5 },
    ];
    const [draw, moment] = [times(0, [{ workers: [0], slowdown }], () => 10), momentsOf(0)];
    expect([0, 99, 100, 199, 200, 1e9].map((timeNs) => draw(moment(timeNs)))).toEqual([10, 10, 40, 40, 5, 5]);
  });

  it('of a straggler by turns are longer just while it is its turn', () => {
    const turns = { offNs: () => 100, onNs: () => 50 };
    const [draw, moment] = [times(0, [{ ...slow([0], 4), turns }], () => 10), momentsOf(0)];
    // Off until 100, on until 150, off until 250.
    expect([0, 99, 100, 149, 150, 249, 250].map((timeNs) => draw(moment(timeNs)))).toEqual([
      10, 10, 40, 40, 10, 10, 40,
    ]);
  });

  it('by turns leave the draws of durations as they were', () => {
    const turns = { offNs: drawNs, onNs: drawNs };
    const [draw, moment, same] = [times(0, [{ ...slow([0], 1), turns }]), momentsOf(0), streamOf(0)];
    const found = Array.from({ length: 20 }, (_, step) => draw(moment(step * 1e6)));
    expect(found).toEqual(Array.from({ length: 20 }, () => drawNs(same)));
  });
});
