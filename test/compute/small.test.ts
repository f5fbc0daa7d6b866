/** What JavaScript evaluates. That it computes as TensorFlow.js does is shown by the conformance suite. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import { Evaluator } from '../../src/compute/small/evaluator.js';
import { operators } from '../../src/compute/small/operators.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { trace } from '../../src/compute/trace.js';
import { cases } from './cases.js';
import { gradientsOf, shapesOf, valuesOf } from './cases/functions.js';

/** The sum of a vector of `size`. */
const sumOf = (size: number): TensorFunction => ({
  name: 'sum',
  inputs: { x: { shape: [size], dtype: 'float32' } },
  evaluate: ({ x }) => ({ sum: x!.sum().reshape([1]) }),
});

describe('the table of operators', () => {
  it('has none that no case of the conformance suite evaluates', () => {
    const evaluated = new Set<string>();
    for (const row of cases) {
      for (const functionOf of [valuesOf, ...(row.gradients === undefined ? [gradientsOf] : [])]) {
        const program = trace(functionOf(row), shapesOf(row));
        if (Evaluator.for(program) === undefined) continue;
        for (const { operator } of program.listing!.nodes) evaluated.add(operator);
      }
    }
    expect(Object.keys(operators).filter((operator) => !evaluated.has(operator))).toEqual([]);
  });
});

describe('a program', () => {
  // float32 forgets the ones, whichever numbers it sums side by side; float64 does not.
  const terms = [1e9, 1, -1e9].flatMap((term) => new Array<number>(64).fill(term));
  const cancelling = (size: number): Float32Array => Float32Array.from({ length: size }, (_, at) => terms[at] ?? 0);

  it.each([
    ['of few operations is evaluated in JavaScript, which sums in float64', 192, true],
    ['of more is left to ONNX Runtime', 10_000, false],
  ])('%s', async (_, size, exact) => {
    const runner = await openRunner({ runner: 'onnx', device: 'cpu', threads: 1 }, {});
    try {
      const { sum } = await runner.call(sumOf(size), { x: cancelling(size) });
      expect(sum![0] === 64).toBe(exact);
    } finally {
      await runner.close();
    }
  });

  it('with an operator that is not in the table is left to ONNX Runtime', () => {
    const definition: TensorFunction = {
      name: 'running sum',
      inputs: { x: { shape: [4], dtype: 'float32' } },
      evaluate: ({ x }) => ({ y: tf.cumsum(x!) }),
    };
    expect(Evaluator.for(trace(definition, { x: [4] }))).toBeUndefined();
  });

  it('gives results of its own: a later call does not change them', () => {
    const evaluator = Evaluator.for(trace(sumOf(3), { x: [3] }))!;
    const [first] = evaluator.evaluate([{ x: Float32Array.of(1, 2, 3) }], {});
    evaluator.evaluate([{ x: Float32Array.of(4, 5, 6) }], {});
    expect([...first!.outputs['sum']!]).toEqual([6]);
    expect(first!.finite).toBe(true);
  });
});
