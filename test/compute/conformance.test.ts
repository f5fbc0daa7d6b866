/**
 * One suite for every engine of this machine: it must agree with the eager `cpu` backend of TensorFlow.js (plain
 * JavaScript, the reference) on every case and on whole worker steps, in values and in gradients.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, type TestContext } from 'vitest';
import { findEngines, openRunner, type EngineRow } from '../../src/compute/engines.js';
import type { Feeds } from '../../src/compute/feeds.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { rules } from '../../src/compute/rules.js';
import { Session } from '../../src/compute/session.js';
import { sizeOf } from '../../src/compute/table.js';
import { trace } from '../../src/compute/trace.js';
import { cases } from './cases.js';
import { spread, type Case, type Tensors } from './cases/case.js';
import { modelCases } from './cases/models.js';

const relativeTolerance = 1e-4;
const absoluteTolerance = 1e-5;

type Results = Record<string, Float32Array>;

const shapesOf = ({ inputs }: Case) =>
  Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));

const feedsOf = ({ inputs }: Case): Feeds =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, values }]) => [
      name,
      dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values),
    ]),
  );

const valueOf = (row: Case): TensorFunction => ({ name: row.name, inputs: row.inputs, evaluate: row.evaluate });

/** The gradients, by every float32 input, of a sum of the outputs in which every element has a weight of its own. */
const gradientOf = (row: Case, evaluate = row.evaluate): TensorFunction => {
  const names = Object.keys(row.inputs).filter((name) => row.inputs[name]!.dtype === 'float32');
  return {
    name: `gradients of ${row.name}`,
    inputs: row.inputs,
    evaluate: (inputs) => {
      const total = (...values: tf.Tensor[]): tf.Scalar => {
        const variables = Object.fromEntries(values.map((value, index) => [names[index]!, value]));
        return weightedSum(evaluate({ ...inputs, ...variables }));
      };
      const gradients = tf.grads(total)(names.map((name) => inputs[name]!));
      return Object.fromEntries(gradients.map((gradient, index) => [names[index]!, gradient]));
    },
  };
};

function weightedSum(outputs: Tensors): tf.Scalar {
  const real = Object.values(outputs).filter(({ dtype }) => dtype === 'float32');
  const parts = real.map((output, index) => {
    const { values } = spread(output.shape, 0.5, 2, index);
    return output.mul<tf.Tensor>(tf.tensor([...values], output.shape)).sum<tf.Scalar>();
  });
  return parts.reduce((sum, part) => sum.add(part));
}

/** Evaluates on an engine. Compiled functions run in a session on this thread: the pool has tests of its own. */
async function evaluate(
  { runner, device }: Pick<EngineRow, 'runner' | 'device'>,
  definition: TensorFunction,
  row: Case,
): Promise<Results> {
  if (runner === 'eager') return (await openRunner({ runner, device, threads: 1 }, {})).call(definition, feedsOf(row));
  const session = await Session.open(trace(definition, shapesOf(row)), device);
  for (const [name, values] of Object.entries(feedsOf(row))) session.inputs[name]!.set(values as Float32Array);
  await session.run();
  return Object.fromEntries(Object.entries(session.outputs).map(([name, values]) => [name, values.slice()]));
}

const reference = { runner: 'eager', device: 'cpu' } as const;
const expectedResults = new Map<string, Promise<Results>>();

/** What the reference says; asked once for all engines. */
function expected(definition: TensorFunction, row: Case): Promise<Results> {
  let results = expectedResults.get(definition.name);
  if (results === undefined) expectedResults.set(definition.name, (results = evaluate(reference, definition, row)));
  return results;
}

function expectAgreement(actual: Results, wanted: Results): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(wanted).sort());
  for (const [name, values] of Object.entries(wanted)) {
    expect(actual[name]!.length, name).toBe(values.length);
    const wrong = values.findIndex((value, index) => !near(actual[name]![index]!, value));
    if (wrong >= 0) expect.fail(`${name}[${wrong}] is ${actual[name]![wrong]!}, not ${values[wrong]!}`);
  }
}

const near = (actual: number, wanted: number): boolean =>
  Object.is(actual, wanted) || Math.abs(actual - wanted) <= absoluteTolerance + relativeTolerance * Math.abs(wanted);

/** Runs a test, or skips it where a backend of TensorFlow.js lacks a kernel: that says so, and nothing else may. */
async function whereKernelsExist(
  { runner, device }: EngineRow,
  context: TestContext,
  test: () => Promise<void>,
): Promise<void> {
  try {
    await test();
  } catch (error) {
    const missing = new RegExp(`^Kernel '\\w+' not registered for backend '${device}'$`);
    if (runner !== 'eager' || !missing.test((error as Error).message)) throw error;
    context.skip((error as Error).message);
  }
}

const found = (await findEngines()).filter(({ library }) => library !== undefined);
const others = found.filter(({ runner, device }) => runner !== reference.runner || device !== reference.device);

describe.each(others)('$runner $device', (engine) => {
  const skip = (process.env['SKIPROWS'] ?? '').split('|');
  const rows = [...cases, ...modelCases].filter(({ only, name }) => (only === undefined || only === engine.device) && !(engine.device === 'wasm' && skip.includes(name)));

  it.for(rows)('agrees on the values of $name', async (row, context) => {
    await whereKernelsExist(engine, context, async () => {
      const definition = valueOf(row);
      expectAgreement(await evaluate(engine, definition, row), await expected(definition, row));
    });
  });

  it.for(rows.filter(({ gradients }) => gradients !== 'none'))(
    'agrees on the gradients of $name',
    async (row, context) => {
      await whereKernelsExist(engine, context, async () => {
        const wanted = gradientOf(row, row.gradientOracle);
        expectAgreement(await evaluate(engine, gradientOf(row), row), await expected(wanted, row));
      });
    },
  );
});
