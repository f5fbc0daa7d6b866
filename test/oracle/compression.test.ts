/** Whole runs with compressed messages: against plain loops in float64, and with the bytes that a codec takes. */
import { describe, expect, it } from 'vitest';
import type { RunStart } from '../../src/scenario/simulate.js';
import { moveConsensus, start, stepWorker, type Steps } from './quadratic.js';
import { record, type Log } from './recorded.js';

const [workers, n, moves] = [3, 5, 60];

const base = {
  seed: 4,
  data: { dataset: 'quadratic', dimension: n, condition: 10, spread: 2 },
  workers,
  algorithm: { lambda: 0.5, workerStep: 0.05, consensusStep: 0.05, momentum: 0.5 },
  monitor: { measures: [] },
  engine: { threads: 1 },
} as const;
const steps: Steps = { lambda: 0.5, eta: 1, sigma: 0.05, tau: 0.05, kappa: 0.5, nu: 0, scaling: 'literal' };

const runOf = (input: object): Promise<Log> => record({ ...base, stop: { iterations: moves }, ...input });

/** C(x) by the definition, and the bytes that it takes. */
type Codec = (x: readonly number[]) => { values: number[]; bytes: number };

const norm = (x: readonly number[]): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
const all: Codec = (x) => ({ values: [...x], bytes: 4 * n });
const top2: Codec = (x) => {
  const order = [...x.keys()].sort((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!)).slice(0, 2);
  return { values: x.map((value, index) => (order.includes(index) ? value : 0)), bytes: 16 };
};
const signs: Codec = (x) => {
  const mean = x.reduce((sum, value) => sum + Math.abs(value), 0) / n;
  return { values: x.map((value) => (value < 0 ? -mean : mean)), bytes: 5 };
};
const above =
  (threshold: number, codec: Codec): Codec =>
  (x) =>
    norm(x) > threshold ? codec(x) : { values: x.map(() => 0), bytes: 0 };

/** Synchronous Algorithm 1 where copies go up by `up`, and u goes down by `down`, each with its memory c. */
function loop({ problem, initial }: RunStart, up: Codec, down: Codec) {
  const quadratics = { workers, n, D: problem!['D']!.values, c: problem!['c']!.values };
  const point = start(initial['u/vector/weight']!.values, workers);
  const copies = point.z.map((z) => [...z]);
  const known = point.z.map((z) => [...z]);
  let bytes = 0;
  const pass = (codec: Codec, c: number[], x: readonly number[]): void => {
    const sent = codec(x.map((value, index) => value - c[index]!));
    bytes += sent.bytes;
    sent.values.forEach((value, index) => (c[index]! += value));
  };
  for (let move = 1; move <= moves; move += 1) {
    copies.forEach((c, j) => {
      pass(up, c, point.z[j]!);
    });
    point.u = moveConsensus(steps, point.u, copies);
    known.forEach((c, j) => {
      pass(down, c, point.u);
      if (move < moves) stepWorker(quadratics, steps, point, j, c);
    });
  }
  return { point, bytes };
}

describe('compressed messages', () => {
  it.each<[string, object, Codec, Codec]>([
    ['all of a copy', {}, all, all],
    ['top-k up', { up: { codec: 'top-k', share: 0.4 } }, top2, all],
    ['signs down', { down: { codec: 'sign' } }, all, signs],
    ['both', { up: { codec: 'top-k', share: 0.4 }, down: { codec: 'sign' } }, top2, signs],
    ['copies that have changed', { up: { threshold: 0.1 } }, above(0.1, all), all],
    [
      'u by top-k where it has moved',
      { down: { codec: 'top-k', share: 0.4, threshold: 0.05 } },
      all,
      above(0.05, top2),
    ],
  ])('%s: the iterates and the bytes of plain loops', async (_, compression, up, down) => {
    const { start: begin, result } = await runOf({ network: { stepTime: '10ms', latency: '1ms', compression } });
    const { point, bytes } = loop(begin, up, down);
    expect(result.counts.bytes).toBe(bytes);
    const expected = { u: point.u, z0: point.z[0]!, z2: point.z[2]!, v1: point.v[1]! };
    for (const [name, values] of Object.entries(expected)) {
      const found = Array.from(result.final.tensors[`${name}/vector/weight`]!.values);
      const size = Math.max(1, norm(values));
      expect(norm(found.map((value, index) => value - values[index]!)) / size, name).toBeLessThan(1e-5);
    }
  });

  it('take their own bytes on a link: a synchronous round lasts s + 2d + b up + b down', async () => {
    // 20 bytes a copy at 1 kB/s: 20 ms; signs of 5 entries: 5 ms.
    const network = { stepTime: '10ms', latency: '1ms', bandwidth: '1kB/s' };
    const rounds = async (compression?: object): Promise<number[]> => {
      const { events } = await runOf({ network: compression ? { ...network, compression } : network });
      const timesMs = events.filter(({ kind }) => kind === 'move').map(({ timeNs }) => timeNs / 1e6);
      return timesMs.slice(1).map((time, index) => time - timesMs[index]!);
    };
    expect(new Set(await rounds())).toEqual(new Set([10 + 2 + 40]));
    expect(new Set(await rounds({ up: { codec: 'sign' } }))).toEqual(new Set([10 + 2 + 5 + 20]));
    expect(new Set(await rounds({ up: { codec: 'sign' }, down: { codec: 'sign' } }))).toEqual(new Set([10 + 2 + 10]));
  });

  it('leave a run as it is where they leave nothing out of it', async () => {
    const plain = await runOf({});
    const given = await runOf({ network: { compression: { up: {}, down: { codec: 'none' } } } });
    expect(given.result.digests).toEqual(plain.result.digests);
  });

  it('that are lost and sent again are encoded once', async () => {
    const compression = { up: { codec: 'top-k', share: 0.4 }, down: { codec: 'sign' } };
    const network = { stepTime: '10ms', latency: '1ms', compression };
    const lossy = { ...network, loss: 0.2, duplication: 0.1, retransmission: { timeout: '5ms' } };
    const [whole, repaired] = [await runOf({ network }), await runOf({ network: lossy })];
    expect(repaired.result.counts.lost).toBeGreaterThan(10);
    expect(repaired.result.digests.state).toBe(whole.result.digests.state);
  });

  it('of updates owe what they leave out, and pay it later', async () => {
    // DOWNPOUR, whose center is u^0 and all that was sent: in the end all but what is still owed.
    const input = {
      algorithm: { method: 'downpour', workerStep: 0.02 },
      network: { stepTime: '10ms', latency: '1ms', compression: { up: { codec: 'top-k', share: 0.2 } } },
      stop: { iterations: 600 },
    };
    const [compressed, plain] = [
      await runOf(input),
      await runOf({ ...input, network: { stepTime: '10ms', latency: '1ms' } }),
    ];
    const u = ({ result }: typeof plain): number[] => Array.from(result.final.tensors['u/vector/weight']!.values);
    const apart = norm(u(compressed).map((value, index) => value - u(plain)[index]!));
    expect(apart / norm(u(plain))).toBeLessThan(0.05);
    // Every copy of u, and 8 bytes for the largest entry of an update in place of 20.
    expect(compressed.result.counts.bytes / plain.result.counts.bytes).toBeCloseTo(28 / 40, 2);
  });
});
