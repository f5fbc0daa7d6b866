import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { packingOf } from '../../src/compute/packing.js';
import { Session } from '../../src/compute/session.js';
import type { Feed, TensorFunction } from '../../src/compute/tensorFunction.js';
import { trace } from '../../src/compute/trace.js';

const float32 = (...shape: number[]): Feed => ({ shape, dtype: 'float32' });

const size = 2048;

describe('packing', () => {
  it('puts small float32 tensors one behind the other, and leaves whole numbers out', () => {
    const feeds = { z: float32(2, 3), labels: { shape: [4], dtype: 'int32' } as const, tau: float32(1), s: float32() };
    const { places, length } = packingOf(feeds);
    expect(Object.fromEntries(places)).toEqual({
      z: { offset: 0, size: 6 },
      tau: { offset: 6, size: 1 },
      s: { offset: 7, size: 1 },
    });
    expect(length).toBe(8);
  });

  it.each([
    ['one alone', { z: float32(3) }, 0],
    ['4,096 values', { z: float32(4095), tau: float32(1) }, 4096],
    ['more than 4,096 values', { z: float32(4096), tau: float32(1) }, 0],
  ])('packs %s accordingly', (_, feeds, length) => {
    expect(packingOf(feeds).length).toBe(length);
  });

  it('changes no bit of a result', async () => {
    const gradients = tf.grads((x: tf.Tensor, y: tf.Tensor) =>
      x
        .reshape([64, 32])
        .matMul(y.reshape([32, 64]))
        .tanh()
        .sum(),
    );
    const definition: TensorFunction = {
      name: 'packed',
      inputs: { x: float32(size), y: float32(size) },
      evaluate: ({ x, y }) => {
        const [dx, dy] = gradients([x!, y!]);
        return { dx: dx!, dy: dy! };
      },
    };
    // One value more than is packed.
    const alone: TensorFunction = {
      name: 'alone',
      inputs: { ...definition.inputs, more: float32(1) },
      evaluate: ({ more, ...inputs }) => ({ ...definition.evaluate(inputs), more: more! }),
    };
    const [packed, unpacked] = await Promise.all([resultOf(definition), resultOf(alone)]);
    expect(packed.dx).toEqual(unpacked.dx);
    expect(packed.dy).toEqual(unpacked.dy);
    expect(new Set(packed.dx).size).toBeGreaterThan(1000);
  });
});

/** The gradients where x is a ramp and y a wave. */
async function resultOf(definition: TensorFunction): Promise<{ dx: Float32Array; dy: Float32Array }> {
  const shapes = Object.fromEntries(
    Object.entries(definition.inputs).map(([name, { shape }]) => [name, shape as number[]]),
  );
  const session = await Session.open(trace(definition, shapes));
  const ramp = Float32Array.from({ length: size }, (_, index) => index / size - 0.5);
  const wave = Float32Array.from({ length: size }, (_, index) => Math.sin(index));
  const [evaluation] = await session.evaluate([{ x: ramp, y: wave, more: Float32Array.of(1) }], {});
  const { dx, dy } = evaluation!.outputs;
  return { dx: dx!, dy: dy! };
}
