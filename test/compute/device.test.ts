/** What stays on a device between calls; on every device that this machine has beside the processor. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import type { Runner } from '../../src/compute/runner.js';
import type { Table } from '../../src/compute/table.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { isHere, valuesOf, type Vector } from '../../src/vector.js';
import { findDevices } from './devices.js';

const P = 5000;

const vector = { shape: [P], dtype: 'float32' } as const;
const number = { shape: [1], dtype: 'float32' } as const;

/** x + by, and its first value. */
const plus: TensorFunction = {
  name: 'plus',
  inputs: { x: vector, by: number },
  evaluate: ({ x, by }) => ({ y: x!.add(by!), first: x!.slice([0], [1]) }),
};

/** A weighted sum that tells the order of its rows. */
const weigh: TensorFunction = {
  name: 'weigh',
  inputs: { rows: { shape: [null, P], dtype: 'float32' } },
  evaluate: ({ rows }) => ({
    sum: tf
      .range(1, rows!.shape[0] + 1)
      .reshape([-1, 1])
      .mul(rows!)
      .sum(0),
  }),
};

const rowsOfTable: TensorFunction = {
  name: 'rows of tables',
  inputs: { inputs: { shape: [null, 3], dtype: 'float32' }, targets: { shape: [null], dtype: 'int32' } },
  evaluate: ({ inputs, targets }) => ({ y: inputs!.add(targets!.reshape([-1, 1])) }),
};

const tables: Record<string, Table> = {
  inputs: { values: Uint8Array.from({ length: 30 }, (_, i) => i), rowShape: [3], dtype: 'float32', scale: 0.5 },
  targets: { values: Int32Array.from({ length: 10 }, (_, i) => 100 * i), rowShape: [], dtype: 'int32', scale: 1 },
};

const filled = (value: number): Float32Array => new Float32Array(P).fill(value);

async function withRunner(device: string, use: (runner: Runner) => Promise<void>, stays = true): Promise<void> {
  const runner = await openRunner({ runner: 'onnx', device, threads: 1, stays }, tables);
  try {
    await use(runner);
  } finally {
    await runner.close();
  }
}

/** Vectors of one value each: `from`, `from` + 1, ..., computed together. */
async function computed(runner: Runner, from: number, count: number): Promise<Vector[]> {
  const results = Array.from({ length: count }, (_, index) =>
    runner.join(plus, { x: filled(from + index - 1), by: Float32Array.of(1) }),
  );
  const vectors = await Promise.all(results.map((result) => runner.wait(result)));
  return vectors.map(({ y }) => y!);
}

async function firstOf(vector: Vector): Promise<number> {
  const values = await valuesOf(vector);
  expect(values.length).toBe(P);
  expect(new Set(values).size).toBe(1);
  return values[0]!;
}

const weighed = (values: readonly number[]): number =>
  values.reduce((sum, value, index) => sum + (index + 1) * value, 0);

const devices = await findDevices();

describe.skipIf(devices.length === 0)('where there is a device beside the processor', () => {
  describe.each(devices)('the device $device', ({ device }) => {
    it('keeps large results, and brings small ones', async () => {
      await withRunner(device, async (runner) => {
        const { y, first } = await runner.keep(plus, { x: filled(4), by: Float32Array.of(3) });
        expect([isHere(y!), isHere(first!)]).toEqual([false, true]);
        expect([y!.length, y!.byteLength]).toEqual([P, 4 * P]);
        expect(await firstOf(y!)).toBe(7);
        expect([...(await valuesOf(first!))]).toEqual([4]);
        const again = await runner.call(plus, { x: y!, by: Float32Array.of(1) });
        expect(again['y']![17]).toBe(8);
      });
    });

    it('keeps nothing where that is not wanted', async () => {
      await withRunner(
        device,
        async (runner) => {
          const { y } = await runner.keep(plus, { x: filled(4), by: Float32Array.of(3) });
          expect(isHere(y!)).toBe(true);
          expect(await firstOf(y!)).toBe(7);
        },
        false,
      );
    });

    it.each([
      ['as they lie', [0, 1, 2, 3]],
      ['in another order', [2, 0, 3, 1]],
      ['some of them, some twice', [3, 3, 1]],
      ['of several calls', [0, 5, 1, 9, 4]],
      ['of more calls than are gathered', [0, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]],
    ])('takes rows %s', async (_, order) => {
      await withRunner(device, async (runner) => {
        const rows = [...(await computed(runner, 0, 4)), ...(await computed(runner, 4, 4))];
        for (let single = 8; single < 18; single += 1) rows.push(...(await computed(runner, single, 1)));
        const { sum } = await runner.keep(weigh, { rows: order.map((row) => rows[row]!) });
        expect(await firstOf(sum!)).toBe(weighed(order));
      });
    });

    it('takes vectors from here and from there in one call', async () => {
      await withRunner(device, async (runner) => {
        const [there] = await computed(runner, 5, 1);
        const { sum } = await runner.keep(weigh, { rows: [filled(2), there!] });
        expect(await firstOf(sum!)).toBe(2 + 2 * 5);
      });
    });

    it('knows numbers that come again, and those that do not', async () => {
      await withRunner(device, async (runner) => {
        for (const by of [1, 1, 1, 2, 1, 2, 2]) {
          const { y } = await runner.call(plus, { x: filled(10), by: Float32Array.of(by) });
          expect(y![3]).toBe(10 + by);
        }
      });
    });

    it('has tables, of which a call takes rows', async () => {
      await withRunner(device, async (runner) => {
        const take = async (inputs: Int32Array, targets: Int32Array): Promise<number[]> => {
          const rows = {
            inputs: { table: 'inputs', indices: inputs },
            targets: { table: 'targets', indices: targets },
          };
          return [...(await runner.call(rowsOfTable, rows))['y']!];
        };
        const same = Int32Array.of(9, 2);
        expect(await take(same, same)).toEqual([913.5, 914, 914.5, 203, 203.5, 204]);
        expect(await take(Int32Array.of(1), Int32Array.of(4))).toEqual([401.5, 402, 402.5]);
      });
    });

    it.each([NaN, Infinity, -Infinity])('finds out that a result holds %d', async (bad) => {
      await withRunner(device, async (runner) => {
        const x = filled(1);
        const good = await runner.keep(plus, { x, by: Float32Array.of(1) });
        expect(runner.knownFinite(good)).toBe(true);
        x[4321] = bad;
        const result = await runner.keep(plus, { x, by: Float32Array.of(2) });
        expect(runner.knownFinite(result)).toBe(false);
        expect((await valuesOf(result['y']!))[4321]).toBe(bad);
      });
    });
  });
});
