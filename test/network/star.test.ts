import { describe, expect, it } from 'vitest';
import { Streams } from '../../src/kernel/streams.js';
import { star } from '../../src/network/star.js';

const transfer = { from: 'worker-0', to: 'consensus', kind: 'deliver', bytes: 134_320, departNs: 7 };

describe('a star of links', () => {
  it('delivers after the bytes over the rate, and the latency', () => {
    // LeNet-5 over 1 Gbit/s: 134,320 bytes * 8 / 1e9 = 1.07456 ms, and 2 ms of latency.
    const network = star({ latencyNs: () => 2_000_000, bytesPerSecond: 125_000_000, streams: new Streams(1) });
    expect(network.transitNs(transfer)).toBe(3_074_560);
  });

  it('delivers at whole nanoseconds', () => {
    const network = star({ latencyNs: () => 5, bytesPerSecond: 3e9, streams: new Streams(1) });
    // 1/3 ns and 2/3 ns.
    expect([1, 2].map((bytes) => network.transitNs({ ...transfer, bytes }))).toEqual([5, 6]);
  });

  it('takes the latency alone where bandwidth is unlimited, or where there are no bytes', () => {
    const unlimited = star({ latencyNs: () => 5, bytesPerSecond: Infinity, streams: new Streams(1) });
    expect(unlimited.transitNs(transfer)).toBe(5);
    const limited = star({ latencyNs: () => 5, bytesPerSecond: 1, streams: new Streams(1) });
    expect(limited.transitNs({ ...transfer, bytes: 0 })).toBe(5);
  });

  it('does not depend on when a message departs: links do not queue', () => {
    const network = star({ latencyNs: () => 5, bytesPerSecond: 1e9, streams: new Streams(1) });
    expect(network.transitNs({ ...transfer, departNs: 0 })).toBe(network.transitNs({ ...transfer, departNs: 1e12 }));
  });

  it('draws the latency of each link from a stream of its own, that of its sender for its receiver', () => {
    const drawn = (stream: { double(): number }): number => Math.floor(stream.double() * 1e9);
    const network = star({ latencyNs: drawn, bytesPerSecond: Infinity, streams: new Streams(1) });
    const links = [
      { from: 'worker-0', to: 'consensus' },
      { from: 'worker-1', to: 'consensus' },
      { from: 'consensus', to: 'worker-0' },
      { from: 'consensus', to: 'worker-1' },
    ];
    const expected = links.map(({ from, to }) => {
      const stream = new Streams(1).stream(from, `latency/${to}/deliver`);
      return [drawn(stream), drawn(stream)];
    });
    // Much traffic on the first link leaves the others untouched.
    const busy = [0, 0, 1, 2, 0, 3, 3, 0, 2, 1];
    const found: number[][] = links.map(() => []);
    for (const link of busy)
      found[link]!.push(network.transitNs({ ...links[link]!, kind: 'deliver', bytes: 8, departNs: 0 }));
    expect(found.map((delays) => delays.slice(0, 2))).toEqual(expected);
    expect(new Set(found.flat()).size).toBe(busy.length);
  });

  it('draws the latencies of each kind of message apart, so that telling progress leaves those of copies as they were', () => {
    const drawn = (stream: { double(): number }): number => Math.floor(stream.double() * 1e9);
    const latencies = (kinds: readonly string[]): number[] => {
      const network = star({ latencyNs: drawn, bytesPerSecond: Infinity, streams: new Streams(1) });
      const all = kinds.map((kind) => ({ kind, delay: network.transitNs({ ...transfer, kind }) }));
      return all.filter(({ kind }) => kind === 'deliver').map(({ delay }) => delay);
    };
    expect(latencies(['progress', 'deliver', 'progress', 'deliver'])).toEqual(latencies(['deliver', 'deliver']));
  });
});
