import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/kernel/effects.js';
import { Streams, type Stream } from '../../src/kernel/streams.js';
import { codecSchema, encode, type CodecChoice } from '../../src/network/codecs.js';
import { here } from '../../src/vector.js';
import {
  compression,
  compressionSchema,
  type Compression,
  type CompressionOptions,
} from '../../src/network/compression.js';

const P = 8;
const seed = 7;
const zeros = new Float32Array(P);

function layer(options: Partial<CompressionOptions>): Compression {
  return compression({ sends: 'copies', start: zeros, streams: new Streams(seed), ...options });
}

const upFacts = { worker: 0, step: 1, version: 0 };

/** A message of a worker, and its tensor as the consensus node decodes it. */
function sendUp({ compress }: Compression, z: Float32Array, from = 'worker-0'): Float32Array {
  const message = { kind: 'deliver', facts: upFacts, tensors: { z } };
  return here(compress({ from, to: 'consensus', message }).message.tensors!['z']!);
}

function sendDown({ compress }: Compression, u: Float32Array, to = 'worker-0'): Float32Array {
  const message = { kind: 'reply', facts: { worker: 0, version: 1 }, tensors: { u } };
  return here(compress({ from: 'consensus', to, message }).message.tensors!['u']!);
}

function norm(vector: Iterable<number>): number {
  return Math.hypot(...vector);
}

function distance(a: Float32Array, b: Float32Array): number {
  return norm(a.map((value, index) => value - b[index]!));
}

/** sum of updates - sum of what was decoded, in float64. */
function owed(updates: readonly Float32Array[], decoded: readonly Float32Array[]): Float64Array {
  const total = (list: readonly Float32Array[], index: number): number =>
    list.reduce((sum, values) => sum + values[index]!, 0);
  return Float64Array.from({ length: P }, (_, index) => total(updates, index) - total(decoded, index));
}

const topK: CodecChoice = { codec: 'top-k', share: 0.25 };
const int8: CodecChoice = { codec: 'int8', rounding: 'nearest' };
const sign = codecSchema.parse({ codec: 'sign' });

/**
 * Every codec, and a `rest` r with ||C(x) - x|| <= r ||x|| for all x `[8]`: of the paper's delta it is sqrt(1 - delta).
 * int8 errs by half a scale, or a whole one, an entry, and a scale is at most ||x|| / 127.
 */
const everyCodec: { name: string; codec: CodecChoice; rest: number }[] = [
  { name: 'none', codec: { codec: 'none', threshold: 0 }, rest: 0 },
  { name: 'top-k', codec: topK, rest: Math.sqrt(1 - 2 / P) },
  { name: 'int8', codec: int8, rest: Math.sqrt(P) / 254 },
  { name: 'stochastic int8', codec: { codec: 'int8', rounding: 'stochastic' }, rest: Math.sqrt(P) / 127 },
  { name: 'sign', codec: sign, rest: Math.sqrt(1 - 1 / P) },
];

const entry = fc.float({ noNaN: true, min: -100, max: 100 }).map((x) => (Math.abs(x) < 1e-6 ? 0 : x));
const vectorOf = (entries: fc.Arbitrary<number>): fc.Arbitrary<Float32Array> =>
  fc.array(entries, { minLength: P, maxLength: P }).map((values) => Float32Array.from(values));
const vector = vectorOf(entry);
const sequence = fc.array(vector, { minLength: 1, maxLength: 40 });

describe.each(everyCodec)('$name', ({ codec, rest }) => {
  /** The draws that belong to messages of a kind. */
  const draws = (from: string, purpose: string): Stream => new Streams(seed).stream(from, `compression/${purpose}`);

  it('sends C(d + e) of updates d, and keeps e <- d + e - C(d + e), as a plain loop in float32 does', () => {
    fc.assert(
      fc.property(sequence, (updates) => {
        const up = layer({ up: codec, sends: 'updates' });
        const stream = draws('worker-0', 'consensus/deliver');
        const e = new Float32Array(P);
        for (const update of updates) {
          e.forEach((error, index) => (e[index] = error + update[index]!));
          const { values } = encode(codec, e, stream);
          values.forEach((value, index) => (e[index]! -= value));
          expect(sendUp(up, update)).toEqual(values);
        }
      }),
    );
  });

  it('sends C(x - c) of copies x in both directions, and both ends keep c <- c + C(x - c)', () => {
    fc.assert(
      fc.property(vector, sequence, (start, copies) => {
        const both = layer({ up: codec, down: codec, start });
        const directions = [
          { send: sendUp, stream: draws('worker-0', 'consensus/deliver'), c: Float32Array.from(start) },
          { send: sendDown, stream: draws('consensus', 'worker-0/reply'), c: Float32Array.from(start) },
        ];
        for (const copy of copies) {
          for (const { send, stream, c } of directions) {
            const change = copy.map((value, index) => value - c[index]!);
            encode(codec, change, stream).values.forEach((value, index) => (c[index]! += value));
            expect(send(both, copy)).toEqual(c);
          }
        }
      }),
    );
  });

  it('owes no more of the updates than one of them can leave behind, however many there were', () => {
    fc.assert(
      fc.property(sequence, (updates) => {
        const up = layer({ up: codec, sends: 'updates' });
        const largest = Math.max(...updates.map(norm));
        // ||e'|| <= r (||e|| + ||d||), so that ||e|| <= r / (1 - r) max ||d||; 1e-4 is what float32 rounds away.
        const bound = (rest / (1 - rest)) * largest * (1 + 1e-4) + 1e-4;
        const decoded: Float32Array[] = [];
        updates.forEach((update, index) => {
          decoded.push(sendUp(up, update));
          expect(norm(owed(updates.slice(0, index + 1), decoded))).toBeLessThanOrEqual(bound);
        });
      }),
    );
  });

  it('pays what it owes when no more updates come', () => {
    fc.assert(
      fc.property(sequence, (updates) => {
        const up = layer({ up: codec, sends: 'updates' });
        const all = [...updates, ...Array<Float32Array>(300).fill(zeros)];
        const decoded = all.map((update) => sendUp(up, update));
        // r^300 is 4e-9 for sign, whose r is the largest; sums of 40 updates of 100 are known to about 1e-4.
        expect(norm(owed(all, decoded))).toBeLessThan(1e-3);
      }),
    );
  });

  it('of copies: each message takes the receiver nearer to x, and all together to x', () => {
    fc.assert(
      fc.property(vector, vector, (start, x) => {
        const up = layer({ up: codec, start });
        let left = distance(x, start);
        for (let message = 0; message < 300; message += 1) {
          const next = distance(x, sendUp(up, x));
          // 2e-5 is two units in the last place of 100, in each of eight entries, and more.
          expect(next).toBeLessThanOrEqual(rest * left * (1 + 1e-5) + 5e-5);
          left = next;
        }
        expect(left).toBeLessThan(4e-4);
      }),
      { numRuns: 30 },
    );
  });

  it('decodes zero from the first update and the start from the first copy, when these say nothing new', () => {
    const start = Float32Array.from({ length: P }, (_, index) => index / 3);
    expect(sendUp(layer({ up: codec, start, sends: 'updates' }), zeros)).toEqual(zeros);
    expect(sendUp(layer({ up: codec, start }), start)).toEqual(start);
    expect(sendDown(layer({ down: codec, start }), start)).toEqual(start);
  });

  it('never writes into an array that it was given or has given away', () => {
    for (const sends of ['copies', 'updates'] as const) {
      const start = Float32Array.from({ length: P }, (_, index) => index / 3);
      const both = layer({ up: codec, down: codec, sends, start });
      const seen: { array: Float32Array; asItWas: Float32Array }[] = [];
      const watch = (array: Float32Array): Float32Array => {
        seen.push({ array, asItWas: Float32Array.from(array) });
        return array;
      };
      watch(start);
      for (let message = 0; message < 5; message += 1) {
        for (const send of [sendUp, sendDown]) {
          watch(send(both, watch(Float32Array.from({ length: P }, (_, index) => index * message - 3.3))));
        }
      }
      for (const { array, asItWas } of seen) expect(array).toEqual(asItWas);
    }
  });
});

describe('gradient descent of three workers whose gradients disagree', () => {
  /**
   * Beznosikov, Horvath, Richtarik and Safaryan 2020, On Biased Compression for Distributed Learning, Example 1:
   * f_j(x) = <a_j, x>^2 + ||x||^2 / 4 from x = (t, t, t). The largest entry of every gradient points the wrong way.
   */
  const directions = [
    [-3, 2, 2],
    [2, -3, 2],
    [2, 2, -3],
  ];
  const [gamma, t, moves] = [0.01, 1, 400];
  const one: CodecChoice = { codec: 'top-k', share: 1 / 3 };

  /** What worker `j` wants to add to x: -gamma (2 <a_j, x> a_j + x / 2). */
  function update(worker: number, x: Float64Array): Float32Array {
    const a = directions[worker]!;
    const product = a.reduce((sum, value, index) => sum + value * x[index]!, 0);
    return Float32Array.from(a, (value, index) => -gamma * (2 * product * value + x[index]! / 2));
  }

  function descend(sent: (worker: number, wanted: Float32Array) => Float32Array): Float64Array {
    const x = new Float64Array(3).fill(t);
    for (let move = 0; move < moves; move += 1) {
      const updates = directions.map((_, worker) => sent(worker, update(worker, x)));
      x.forEach((value, index) => (x[index] = value + updates.reduce((sum, entries) => sum + entries[index]!, 0) / 3));
    }
    return x;
  }

  it('runs away with plain top-1, by 1 + 11 gamma / 6 a move', () => {
    const stream = new Streams(seed).stream('any', 'draws');
    const growth = Math.exp(moves * Math.log(1 + (11 * gamma) / 6));
    for (const value of descend((_, wanted) => encode(one, wanted, stream).values)) {
      expect(value / (growth * t)).toBeCloseTo(1, 4);
    }
  });

  it('finds the minimum at 0 with top-1 and error feedback', () => {
    const up = compression({
      up: one,
      sends: 'updates',
      start: new Float32Array(3).fill(t),
      streams: new Streams(seed),
    });
    const found = norm(descend((worker, wanted) => sendUp(up, wanted, `worker-${worker}`)));
    // What no compression leaves: all directions are symmetric, and (1, 1, 1) has the curvature 7/6.
    const uncompressed = Math.sqrt(3) * t * Math.exp(moves * Math.log(1 - (7 * gamma) / 6));
    expect(found).toBeLessThan(1.1 * uncompressed);
  });
});

describe('compression', () => {
  const x = Float32Array.from({ length: P }, (_, index) => index - 3.5);

  it('remembers for every sender, receiver and kind of message on its own', () => {
    const routes = [
      (both: Compression) => sendUp(both, x, 'worker-0'),
      (both: Compression) => sendUp(both, x, 'worker-1'),
      (both: Compression) => sendDown(both, x, 'worker-0'),
      (both: Compression) => sendDown(both, x, 'worker-1'),
    ];
    const options = { up: topK, down: sign, sends: 'updates' } as const;
    const alone = routes.map((route) => {
      const own = layer(options);
      return [route(own), route(own), route(own)];
    });
    const shared = layer(options);
    const inTurns = [0, 1, 2].map(() => routes.map((route) => route(shared)));
    expect(routes.map((_, index) => inTurns.map((turn) => turn[index]))).toEqual(alone);
  });

  it('draws for every sender, receiver and kind of message on its own', () => {
    const codec = { codec: 'int8', rounding: 'stochastic' } as const;
    const both = layer({ up: codec, down: codec });
    const sent = [
      sendUp(both, x, 'worker-0'),
      sendUp(both, x, 'worker-1'),
      sendDown(both, x, 'worker-0'),
      sendDown(both, x, 'worker-1'),
    ];
    expect(new Set(sent.map(String)).size).toBe(4);
  });

  it('takes replies as copies also where workers send updates', () => {
    const both = layer({ up: topK, down: topK, sends: 'updates' });
    // Largest first: the entries -3.5 and 3.5, then -2.5 and 2.5, which are added to a copy, but replace an update.
    expect([...sendDown(both, x)]).toEqual([-3.5, 0, 0, 0, 0, 0, 0, 3.5]);
    expect([...sendDown(both, x)]).toEqual([-3.5, -2.5, 0, 0, 0, 0, 2.5, 3.5]);
    expect([...sendUp(both, x)]).toEqual([-3.5, 0, 0, 0, 0, 0, 0, 3.5]);
    expect([...sendUp(both, zeros)]).toEqual([0, -2.5, 0, 0, 0, 0, 2.5, 0]);
  });

  it('counts the bytes of the codec in place of those of the tensor, and keeps all else', () => {
    const other = Float32Array.of(1, 2);
    const message: Message = { kind: 'deliver', facts: upFacts, tensors: { other, z: x } };
    const parcel = { from: 'worker-0', to: 'consensus', message };
    const bytes = [topK, int8, sign].map((codec) => layer({ up: codec }).compress(parcel).bytes - 8);
    expect(bytes).toEqual([2 * 8, P + 4, 1 + 4]);
    const { message: decoded } = layer({ up: topK }).compress(parcel);
    expect(decoded).toEqual({ ...message, tensors: { other, z: Float32Array.of(-3.5, 0, 0, 0, 0, 0, 0, 3.5) } });
    expect(decoded.tensors!['other']).toBe(other);
  });

  const up = { kind: 'deliver', facts: upFacts, tensors: { z: x } };
  const down = { kind: 'reply', facts: {}, tensors: { u: x } };
  it.each<{ title: string; options: Partial<CompressionOptions>; message: Message; bytes: number }>([
    { title: 'a copy where only replies are compressed', options: { down: sign }, message: up, bytes: 4 * P },
    { title: 'a reply where only copies are', options: { up: sign }, message: down, bytes: 4 * P },
    { title: 'other kinds', options: { up: sign, down: sign }, message: { ...up, kind: 'peer' }, bytes: 4 * P },
    {
      title: 'what has no tensors',
      options: { up: sign, down: sign },
      message: { kind: 'deliver', facts: upFacts },
      bytes: 0,
    },
    {
      title: 'what has other tensors',
      options: { up: sign, down: sign },
      message: { ...up, tensors: { u: x } },
      bytes: 4 * P,
    },
  ])('lets $title pass as it is', ({ options, message, bytes }) => {
    const passed = layer(options).compress({ from: 'worker-0', to: 'consensus', message });
    expect(passed.message).toBe(message);
    expect(passed.bytes).toBe(bytes);
  });

  it('refuses a vector that is not as long as the start', () => {
    expect(() => sendUp(layer({ up: sign }), new Float32Array(3))).toThrow('deliver has 3 entries, not 8');
  });
});

describe('a threshold', () => {
  const codec: CodecChoice = { codec: 'none', threshold: 5 };
  const bytesOf = ({ compress }: Compression, values: Float32Array): number =>
    compress({
      from: 'worker-0',
      to: 'consensus',
      message: { kind: 'deliver', facts: upFacts, tensors: { z: values } },
    }).bytes;
  const along = (length: number): Float32Array =>
    Float32Array.from({ length: P }, (_, index) => (index < 2 ? length : 0));

  it('lets nothing pass that is not above it, and measures from what was sent last', () => {
    const up = layer({ up: codec });
    // Norms are sqrt(2) times these; the last one is 3 away from the second, which was sent.
    expect([3, 4, 7, 3, 8].map((length) => bytesOf(up, along(length)))).toEqual([0, 32, 0, 0, 32]);
    const again = layer({ up: codec });
    expect([3, 4, 7].map((length) => sendUp(again, along(length))[0])).toEqual([0, 4, 4]);
  });

  it('of updates measures what is owed in all', () => {
    const up = layer({ up: codec, sends: 'updates' });
    expect([2, 1, 1, 2].map((length) => sendUp(up, along(length))[0])).toEqual([0, 0, 4, 0]);
  });

  it('hides nothing that is not finite', () => {
    expect(sendUp(layer({ up: codec }), along(NaN))[0]).toBeNaN();
  });
});

describe('the key compression', () => {
  it('gives a codec for each direction, or for one', () => {
    const given = { up: { codec: 'top-k', share: 0.01 }, down: { codec: 'int8' } };
    expect(compressionSchema.parse(given)).toEqual({ ...given, down: { codec: 'int8', rounding: 'nearest' } });
    expect(compressionSchema.parse({ up: given.up })).toEqual({ up: codecSchema.parse(given.up) });
  });

  it('means none, with all bytes, where no codec is named', () => {
    expect(compressionSchema.parse({ up: { threshold: 0.5 } })).toEqual({ up: { codec: 'none', threshold: 0.5 } });
  });

  it.each([
    [{ up: { threshold: -1 } }, ['up', 'threshold']],
    [{ sideways: { codec: 'sign' } }, []],
    [{ up: { codec: 'top-k', share: 2 } }, ['up', 'share']],
  ])('refuses %j', (given, path) => {
    expect(compressionSchema.safeParse(given).error!.issues).toMatchObject([{ path }]);
  });
});
