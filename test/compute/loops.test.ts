/**
 * Loops: what they compute is, bit for bit, what ONNX Runtime computes. That graphs fall into the right parts is shown by the
 * conformance suite, too.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Feeds, InputValue } from '../../src/compute/feeds.js';
import type { Loops } from '../../src/compute/loops/loops.js';
import { instructions } from '../../src/compute/loops/instructions.js';
import { Session } from '../../src/compute/session.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { trace } from '../../src/compute/trace.js';

type Vectors = Readonly<Record<string, tf.Tensor>>;

// No multiple of four: the last step of a loop goes beyond the end.
const long = 4099;
const count = 300;

const wave = (length: number, shift: number): Float32Array =>
  Float32Array.from({ length }, (_, index) => Math.sin(index * 0.7 + shift) * 10 ** (index % 7) * 1e-3);

/** A function of vectors x, y, a matrix z and a number s, for vectors of any length. */
const functionOf = (evaluate: (inputs: Vectors) => Record<string, tf.Tensor>): TensorFunction => ({
  name: 'function',
  inputs: {
    x: { shape: [null], dtype: 'float32' },
    y: { shape: [null], dtype: 'float32' },
    z: { shape: [count, null], dtype: 'float32' },
    s: { shape: [1], dtype: 'float32' },
  },
  evaluate,
});

const rows = Array.from({ length: count }, (_, row) => wave(long, row + 2));
const feeds: Feeds = { x: wave(long, 0), y: wave(long, 1), z: rows, s: Float32Array.of(0.3) };

/** The program for vectors of `length`, and what it gives. */
async function evaluated(definition: TensorFunction, given: Feeds, length: number) {
  const program = trace(definition, { x: [length], y: [length], z: [count, length], s: [1] });
  const [evaluation] = await (await Session.open(program)).evaluate([given], {});
  return { program, ...evaluation! };
}

/** Elements `from` to `to` of every vector. */
const part = (from: number, to: number): Feeds =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, value]): [string, InputValue] => [
      name,
      name === 's'
        ? value
        : Array.isArray(value)
          ? (value as Float32Array[]).map((row) => row.subarray(from, to))
          : (value as Float32Array).subarray(from, to),
    ]),
  );

/** Evaluates with loops, and in two halves, which are too short for them: they must agree in every bit. */
async function expectSameBits(evaluate: (inputs: Vectors) => Record<string, tf.Tensor>): Promise<Loops> {
  const { program, outputs } = await evaluated(functionOf(evaluate), feeds, long);
  const half = Math.ceil(long / 2);
  const halves = [
    await evaluated(functionOf(evaluate), part(0, half), half),
    await evaluated(functionOf(evaluate), part(half, long), long - half),
  ];
  expect(halves.map((each) => each.program.loops)).toEqual([undefined, undefined]);
  for (const [name, values] of Object.entries(outputs)) {
    const expected = halves.flatMap((each) => [...each.outputs[name]!]);
    expect(values.length).toBe(long);
    expect(values.findIndex((value, index) => !Object.is(value, expected[index]))).toBe(-1);
  }
  return program.loops!;
}

describe('loops', () => {
  it.each(
    Object.entries({
      Abs: ({ x }: Vectors) => x!.abs(),
      Add: ({ x, y }: Vectors) => x!.add(y!),
      Div: ({ x, y }: Vectors) => x!.div(y!),
      Mul: ({ x, s }: Vectors) => x!.mul(s!),
      Neg: ({ x }: Vectors) => x!.neg(),
      Sqrt: ({ x }: Vectors) => x!.abs().sqrt(),
      Sub: ({ x, y }: Vectors) => x!.sub(y!),
    }),
  )('have %s', async (operator, evaluate) => {
    expect(operator in instructions).toBe(true);
    const loops = await expectSameBits((inputs) => ({ result: evaluate(inputs) }));
    expect(Object.keys(loops.outputs)).toEqual([]);
  });

  it('come before the rest and after it', async () => {
    const loops = await expectSameBits(({ x, y, s }) => {
      const point = x!.add(y!.mul(0.9));
      const gradient = point.tanh().mul(2);
      return { next: x!.sub(gradient.mul(s!)), velocity: y!.mul(0.9).sub(gradient) };
    });
    expect(loops.before).toBeDefined();
    expect(loops.after).toBeDefined();
    expect(Object.keys(loops.inputs)).toHaveLength(1);
    expect(Object.keys(loops.outputs)).toHaveLength(1);
  });

  it('take the pieces of a vector from where the rest left them, and give it pieces of theirs', async () => {
    const cut = 1000;
    const { program, outputs } = await evaluated(
      functionOf(({ x, y, s }) => {
        const point = x!.add(y!);
        const pieces = [point.slice([0], [cut]).sin(), point.slice([cut], [long - cut]).cos()] as const;
        return { result: pieces[0].concat(pieces[1]).mul(s!) };
      }),
      feeds,
      long,
    );
    const { x, y } = feeds as Record<string, Float32Array>;
    const point = x!.map((value, index) => Math.fround(value + y![index]!));
    for (const index of [0, cut - 1, cut, long - 1]) {
      const expected = 0.3 * (index < cut ? Math.sin(point[index]!) : Math.cos(point[index]!));
      expect(outputs['result']![index]).toBeCloseTo(expected, 5);
    }
    const { inputs, outputs: given, between } = program.loops!;
    expect(
      [inputs, given].map((pieces) =>
        Object.values(pieces)
          .map(({ from }) => from)
          .sort(),
      ),
    ).toEqual([
      [0, cut],
      [0, cut],
    ]);
    expect(Object.keys(between)).toHaveLength(2);
  });

  it('add up the rows of a matrix of which nothing else is needed', async () => {
    const loops = await expectSameBits(({ x, z, s }) => ({
      mean: z!.mean(0),
      moved: x!.sub(x!.expandDims(0).sub(z!).mul(2).sum(0).mul(s!)),
    }));
    expect(loops.rows).toBe('in_z');
    expect(Object.keys(loops.inputs)).toEqual([]);
  });

  it('take rows one after the other from a matrix in one piece, too', async () => {
    const definition = functionOf(({ z }) => ({ mean: z!.mean(0) }));
    const { outputs } = await evaluated(definition, feeds, long);
    const whole = Float32Array.from(rows.flatMap((row) => [...row]));
    expect((await evaluated(definition, { ...feeds, z: whole }, long)).outputs).toEqual(outputs);
  });

  it.each<[string, (inputs: Vectors) => Record<string, tf.Tensor>]>([
    ['is needed whole', ({ z }) => ({ y: z!.mean(0), z: z!.mul(2).reshape([-1]) })],
    ['is summed up along another axis', ({ z }) => ({ y: z!.mean(0), sums: z!.sum(1) })],
    ['goes through what loops have not', ({ z }) => ({ y: z!.tanh().mean(0) })],
  ])('leave a matrix alone that %s', async (_, evaluate) => {
    const { program, outputs } = await evaluated(functionOf(evaluate), feeds, long);
    expect(program.loops!.rows).toBeUndefined();
    const expected = tf.tidy(() => {
      const z = tf.tensor2d(
        rows.flatMap((row) => [...row]),
        [count, long],
      );
      return Object.entries(evaluate({ z })).map(([name, tensor]) => [name, tensor.dataSync()] as const);
    });
    for (const [name, values] of expected) {
      for (const at of [0, 1, count - 1]) expect(outputs[name]![at]! / values[at]!).toBeCloseTo(1, 4);
    }
  });

  // Each of these was wrong once.
  it.each<[string, (inputs: Vectors) => tf.Tensor]>([
    ['a mean over all of a matrix', ({ x, z }) => x!.sub(z!.mean())],
    [
      'a piece of a vector that is a factor, too',
      ({ x, s }) => {
        const piece = s!.tanh();
        return x!
          .slice([0], [long - 1])
          .tanh()
          .concat(piece)
          .mul(piece);
      },
    ],
    ['a constant vector of another shape', ({ x }) => x!.expandDims(0).add(tf.tensor1d(wave(long, 5)))],
    ['a constant vector beside a matrix', ({ z }) => z!.sub(tf.tensor1d(wave(long, 5))).mean(0)],
    ['a division by -0', ({ x }) => x!.div(tf.scalar(-0))],
    ['a slice that begins anywhere', ({ x, s }) => x!.concat(s!).slice([1], [long]).sum().mul(x!)],
  ])('are right with %s', async (_, evaluate) => {
    const { outputs } = await evaluated(
      functionOf((inputs) => ({ result: evaluate(inputs) })),
      feeds,
      long,
    );
    const expected = tf.tidy(() => {
      const { x, y, s } = feeds as Record<string, Float32Array>;
      const z = tf.stack(rows.map((row) => tf.tensor1d(row)));
      return evaluate({ x: tf.tensor1d(x!), y: tf.tensor1d(y!), z, s: tf.tensor1d(s!) }).dataSync();
    });
    const isNear = (value: number, at: number): boolean =>
      Object.is(value, expected[at]) || Math.abs(value - expected[at]!) < 1e-4 * Math.abs(expected[at]!) + 1e-5;
    expect(outputs['result']!.length).toBe(long);
    expect(outputs['result']!.findIndex((value, at) => !isNear(value, at))).toBe(-1);
  });

  it('are right with a matrix beside inputs that could be packed without it', async () => {
    const definition: TensorFunction = {
      name: 'function',
      inputs: {
        a: { shape: [2000], dtype: 'float32' },
        s: { shape: [1], dtype: 'float32' },
        z: { shape: [count, long], dtype: 'float32' },
      },
      evaluate: ({ a, s, z }) => ({ y: z!.mean(0).mul(a!.sum()).mul(s!) }),
    };
    const session = await Session.open(trace(definition, { a: [2000], s: [1], z: [count, long] }));
    const given = { a: new Float32Array(2000).fill(0.5), s: Float32Array.of(2), z: rows };
    const [evaluation] = await session.evaluate([given], {});
    const mean = rows.reduce((sum, row) => sum + row[0]!, 0) / count;
    expect(evaluation!.outputs['y']![0]! / (mean * 2000)).toBeCloseTo(1, 4);
  });

  it('take a column for what it is, where a matrix is square', async () => {
    const side = 4097;
    const definition: TensorFunction = {
      name: 'function',
      inputs: { x: { shape: [side], dtype: 'float32' }, z: { shape: [side, side], dtype: 'float32' } },
      evaluate: ({ x, z }) => ({ y: z!.mul(x!.reshape([side, 1])).sum(0) }),
    };
    const session = await Session.open(trace(definition, { x: [side], z: [side, side] }));
    const ones = new Float32Array(side).fill(1);
    const x = Float32Array.from(ones, (_, at) => (at === 3 ? 1 : 0));
    const [evaluation] = await session.evaluate([{ x, z: Array.from({ length: side }, () => ones) }], {});
    expect([...evaluation!.outputs['y']!.subarray(0, 5)]).toEqual([1, 1, 1, 1, 1]);
  });

  it('leave inputs as they were, and what they gave before', async () => {
    const program = trace(
      functionOf(({ x, y }) => ({ x: x!.add(1), y: y!.mul(2), same: x! })),
      {
        ...{ x: [long], y: [long], z: [count, long], s: [1] },
      },
    );
    const session = await Session.open(program);
    const { x } = feeds as Record<string, Float32Array>;
    const before = x!.slice();
    const [first] = await session.evaluate([feeds], {});
    const kept = first!.outputs['x']!.slice();
    const [second] = await session.evaluate([feeds], {});
    expect(x).toEqual(before);
    expect(first!.outputs['x']).toEqual(kept);
    expect(second!.outputs).toEqual(first!.outputs);
    expect(first!.outputs['same']).toEqual(before);
  });

  it('come before a tail that sums up what they gave, where that makes them longer', async () => {
    const length = 40_000;
    const definition = (withTail: boolean): TensorFunction => ({
      name: 'function',
      inputs: { x: { shape: [length], dtype: 'float32' }, y: { shape: [length], dtype: 'float32' } },
      evaluate: ({ x, y }) => {
        const gradient = x!.add(y!).tanh();
        const velocity = y!.mul(0.9).sub(gradient.mul(0.1));
        const next = x!.add(velocity);
        const loss = gradient.slice([0], [10]).sum();
        const square = next.sub(x!).square();
        // The tail takes a result of the core, and an input of the program, as it was.
        const sums = [square.slice([0], [1000]), square.slice([1000], [length - 1000])].map((part) => part.sum());
        return {
          ...{ next, velocity },
          ...(withTail ? { sum: sums[0]!.add(sums[1]!).add(loss), scaled: next.sum().mul(x!.slice([7], [1])) } : {}),
        };
      },
    });
    const x = wave(length, 0);
    const y = wave(length, 1);
    const [alone, tailed] = await Promise.all(
      [false, true].map(async (withTail) => {
        const program = trace(definition(withTail), { x: [length], y: [length] });
        const [evaluation] = await (await Session.open(program)).evaluate([{ x, y }], {});
        return { loops: program.loops!, outputs: evaluation!.outputs };
      }),
    );
    expect(alone!.loops.tail).toBeUndefined();
    expect(Object.keys(tailed!.loops.outputs)).toHaveLength(2);
    const { next, velocity, sum, scaled } = tailed!.outputs;
    expect({ next, velocity }).toEqual(alone!.outputs);
    const total = (of: (value: number, at: number) => number): number =>
      next!.reduce((before, value, at) => before + of(value, at), 0);
    const loss = x.subarray(0, 10).reduce((before, value, at) => before + Math.tanh(value + y[at]!), 0);
    expect(sum![0]! / (total((value, at) => (value - x[at]!) ** 2) + loss)).toBeCloseTo(1, 4);
    expect(scaled![0]! / (total((value) => value) * x[7]!)).toBeCloseTo(1, 3);
  });

  it('give the same bits wherever in the memory of a thread their programs lie, one beside the other', async () => {
    const evaluate = ({ x, y }: Vectors) => {
      const point = x!.add(y!);
      // ONNX Runtime adds up in another order where a slice begins at another place.
      return { sum: point.slice([1], [4001]).sum().reshape([1]), point };
    };
    const shapes = { x: [long], y: [long], z: [count, long], s: [1] };
    const sessions = await Promise.all(
      Array.from({ length: 5 }, () => Session.open(trace(functionOf(evaluate), shapes))),
    );
    const other = { ...feeds, x: wave(long, 9) };
    const [first, ...more] = await Promise.all(sessions.map((session) => session.evaluate([feeds], {})));
    await Promise.all(sessions.map((session) => session.evaluate([other], {})));
    for (const [evaluation] of more) expect(evaluation!.outputs).toEqual(first![0]!.outputs);
    const [again] = await sessions[0]!.evaluate([feeds], {});
    expect(again!.outputs).toEqual(first![0]!.outputs);
  });

  it('have room in one memory after the other', async () => {
    const large = 12_000_000; // of which no two vectors share what V8 was asked for first
    const definition: TensorFunction = {
      name: 'function',
      inputs: { x: { shape: [large], dtype: 'float32' } },
      evaluate: ({ x }) => ({ y: x!.mul(2), z: x!.add(1) }),
    };
    const x = new Float32Array(large).fill(3);
    for (let round = 0; round < 2; round += 1) {
      const [evaluation] = await (await Session.open(trace(definition, { x: [large] }))).evaluate([{ x }], {});
      expect([evaluation!.outputs['y']!.at(-1), evaluation!.outputs['z']!.at(-1)]).toEqual([6, 4]);
    }
  });
});
