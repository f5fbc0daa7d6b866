import { describe, expect, it } from 'vitest';
import { Crossing } from '../../src/compute/crossing.js';
import { openRunner } from '../../src/compute/engines.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';

const side = 128;
const size = side * side;

/** Work enough for a thread, and a feed large enough to cross in shared memory. */
const square: TensorFunction = {
  name: 'square',
  inputs: { x: { shape: [size], dtype: 'float32' }, by: { shape: [1], dtype: 'float32' } },
  evaluate: ({ x, by }) => {
    const matrix = x!.reshape([side, side]);
    return { y: matrix.matMul(matrix).mul(by!).reshape([size]), twice: by!.mul(2) };
  },
};

const ramp = Float32Array.from({ length: size }, (_, index) => index / size);
const feeds = { x: ramp, by: Float32Array.of(3) };

describe('a crossing', () => {
  it('carries large vectors in shared memory, and small ones as they are', () => {
    const [crossing] = new Crossing().load([feeds]);
    const { x, by } = crossing as { x: Float32Array; by: Float32Array };
    expect(x).toEqual(ramp);
    expect(x.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(by).toBe(feeds.by);
  });

  it('carries lists of vectors, and each of these once', () => {
    const other = ramp.map((value) => -value);
    const [crossing] = new Crossing().load([{ z: [ramp, other, ramp] }]);
    const [first, second, third] = crossing!['z'] as [Float32Array, Float32Array, Float32Array];
    expect([first, second, third]).toEqual([ramp, other, ramp]);
    expect(third).toBe(first);
  });

  it('uses its memory again', () => {
    const crossing = new Crossing();
    const bufferOf = () => (crossing.load([feeds])[0]!['x'] as Float32Array).buffer;
    expect(bufferOf()).toBe(bufferOf());
  });
});

describe('results', () => {
  it('are the same on any number of threads, and never lie in shared memory', async () => {
    const given = await Promise.all(
      [1, 3].map(async (threads) => {
        const runner = await openRunner({ runner: 'onnx', device: 'cpu', threads }, {});
        try {
          const calls = [1, 2, 3, 4, 5, 6].map((by) => runner.call(square, { x: ramp, by: Float32Array.of(by) }));
          return await Promise.all(calls.map((call) => runner.wait(call)));
        } finally {
          await runner.close();
        }
      }),
    );
    expect(given[1]).toEqual(given[0]);
    expect(new Set(given[0]!.map(({ twice }) => twice![0]))).toEqual(new Set([2, 4, 6, 8, 10, 12]));
    for (const { y } of given.flat()) expect(y!.buffer).toBeInstanceOf(ArrayBuffer);
  });
});
