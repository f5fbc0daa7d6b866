/** Whether results are finite, as told by the function that gives them. */
import { describe, expect, it } from 'vitest';
import { allFinite } from '../../src/finite.js';
import { checked, countNotFinite } from '../../src/compute/checked.js';
import type { Evaluation } from '../../src/compute/ports.js';
import { Session } from '../../src/compute/session.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { trace } from '../../src/compute/trace.js';

const large = 5000;

const definition: TensorFunction = {
  name: 'twice',
  inputs: { x: { shape: [large], dtype: 'float32' }, s: { shape: [3], dtype: 'float32' } },
  evaluate: ({ x, s }) => ({ x: x!.mul(1), s: s!.mul(1) }),
};

const ones = (length: number, changes: Record<number, number> = {}): Float32Array =>
  Object.assign(new Float32Array(length).fill(1), changes);

interface Call {
  readonly x: Float32Array;
  readonly s: Float32Array;
}
type Evaluate = (calls: readonly Call[]) => Promise<Evaluation[]>;

async function evaluate(function_: TensorFunction, calls: readonly Call[]): Promise<Evaluation[]> {
  const session = await Session.open(trace(function_, { x: [large], s: [3] }, { replicas: calls.length }));
  return session.evaluate(
    calls.map((call) => ({ ...call })),
    {},
  );
}

/** What devices evaluate, evaluated here. */
const asOnDevices: Evaluate = async (calls) =>
  (await evaluate(checked(definition, countNotFinite), calls)).map(({ outputs: { check, ...outputs } }) => ({
    outputs,
    finite: check![0] === 0 && allFinite(outputs['s']!),
  }));

describe.each<[string, Evaluate]>([
  ['on the processor', (calls) => evaluate(definition, calls)],
  ['on devices', asOnDevices],
])('a function that is checked as %s', (_, evaluated) => {
  it('gives what it gave, and is finite', async () => {
    const [evaluation] = await evaluated([{ x: ones(large, { 7: -2 }), s: ones(3) }]);
    expect(Object.keys(evaluation!.outputs)).toEqual(['x', 's']);
    expect(evaluation!.outputs['x']).toEqual(ones(large, { 7: -2 }));
    expect(evaluation!.finite).toBe(true);
  });

  it.each([NaN, Infinity, -Infinity])('tells of %d in large results and in small ones', async (bad) => {
    const inLarge = { x: ones(large, { 4321: bad }), s: ones(3) };
    const inSmall = { x: ones(large), s: ones(3, { 1: bad }) };
    const both = { x: ones(large, { 0: bad, 4999: -bad }), s: ones(3) };
    const good = { x: ones(large), s: ones(3) };
    const told = await evaluated([inLarge, good, inSmall, both]);
    expect(told.map(({ finite }) => finite)).toEqual([false, true, false, false]);
  });

  it('never takes for finite what is not, whatever the sum is', async () => {
    const huge = new Float32Array(large).fill(3e38);
    const [evaluation] = await evaluated([{ x: huge, s: ones(3) }]);
    expect(evaluation!.outputs['x']).toEqual(huge);
    huge[17] = -Infinity;
    const [infinite] = await evaluated([{ x: huge, s: ones(3) }]);
    expect(infinite!.finite).toBe(false);
  });
});
