/**
 * One suite for every engine of this machine: it must agree with the eager `cpu` backend of TensorFlow.js (plain
 * JavaScript, the reference) on every case and on whole worker steps, in values and in gradients.
 */
import { describe, expect, it, type TestContext } from 'vitest';
import { findEngines, openRunner, type EngineRow } from '../../src/compute/engines.js';
import { DeviceMemory } from '../../src/compute/device/memory.js';
import { DeviceSession } from '../../src/compute/device/session.js';
import { bytesOf, loopsOf } from '../../src/compute/loops/loops.js';
import { Session } from '../../src/compute/session.js';
import { Evaluator } from '../../src/compute/small/evaluator.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { sizeOf } from '../../src/compute/table.js';
import { trace, type Program } from '../../src/compute/trace.js';
import { valuesOfAll } from '../../src/vector.js';
import { cases } from './cases.js';
import type { Case } from './cases/case.js';
import { defects } from './cases/defects.js';
import { feedsOf, gradientsOf, shapesOf, valuesOf } from './cases/functions.js';

const relativeTolerance = 1e-4;
const absoluteTolerance = 1e-5;

interface Engine extends Pick<EngineRow, 'runner' | 'device'> {
  /** Whether functions are compiled by the rules for devices. */
  readonly onDevice: boolean;
  /** Whether programs are evaluated in JavaScript, as small ones are. */
  readonly small?: boolean;
  /** Whether they have loops, as those with large outputs do. */
  readonly loops?: boolean;
}
type Results = Record<string, Float32Array>;

/** A program has operators that only ONNX Runtime evaluates, or is too large to be asked for as a list. */
class NotSmall extends Error {}

/** The least that a vector of a loop can have: it goes through them by fours. */
const loopElements = 4;

/** What evaluates a program on an engine. */
async function openProgram({ device, small, loops }: Engine, program: Program) {
  if (device !== 'cpu') return DeviceSession.open(program, await DeviceMemory.open(device, {}), true);
  if (loops === true) return Session.open(withLoops(program));
  if (small !== true) return Session.open(program);
  const evaluator = Evaluator.for(program);
  if (evaluator === undefined) throw new NotSmall('ONNX Runtime evaluates this');
  return evaluator;
}

/** The program as it would be if its outputs were large. */
function withLoops(program: Program): Program {
  if (program.listing === undefined) throw new NotSmall('it is not known as a list');
  const { core, loops } = loopsOf(program.listing, loopElements);
  return { ...program, bytes: loops === undefined ? program.bytes : bytesOf(program.name, core), loops };
}

/** Evaluates on an engine. Compiled functions run in a session on this thread: the pool has tests of its own. */
async function evaluate(engine: Engine, definition: TensorFunction, row: Case): Promise<Results> {
  const { runner, device } = engine;
  if (runner === 'eager') return (await openRunner({ runner, device, threads: 1 }, {})).call(definition, feedsOf(row));
  return (await evaluateReplicas(engine, definition, [row], []))[0]!;
}

/** Evaluates the inputs of all `rows` in one call. Of the inputs `shared` those of the first count for all. */
async function evaluateReplicas(
  engine: Engine,
  definition: TensorFunction,
  rows: readonly Case[],
  shared: readonly string[],
): Promise<Results[]> {
  const target = { replicas: rows.length, shared: new Set(shared), onDevice: engine.onDevice };
  const session = await openProgram(engine, trace(definition, shapesOf(rows[0]!), target));
  const evaluations = await session.evaluate(rows.map(feedsOf), {});
  return Promise.all(evaluations.map(({ outputs }) => valuesOfAll(outputs)));
}

/** The case, and the same with its inputs, but for those that are `shared`, turned by one and by two places. */
const turned = (row: Case, shared: readonly string[]): Case[] =>
  [0, 1, 2].map((places) => ({
    ...row,
    inputs: Object.fromEntries(
      Object.entries(row.inputs).map(([name, input]) => {
        const { values, shape, dtype } = input;
        // Whole numbers may be places in other tensors: rows of them stay what they are.
        const step = dtype === 'int32' ? sizeOf(shape.slice(1)) : 1;
        const at = values.length === 0 || shared.includes(name) ? 0 : (places * step) % values.length;
        return [name, { ...input, values: [...values.slice(at), ...values.slice(0, at)] }];
      }),
    ),
  }));

/** Which inputs replicas may share: none, or any one of several. */
const sharings = ({ inputs }: Case): string[][] => {
  const names = Object.keys(inputs);
  return [[], ...(names.length < 2 ? [] : names.map((name) => [name]))];
};

const reference: Engine = { runner: 'eager', device: 'cpu', onDevice: false };
const answers = new Map<string, Promise<Results>>();

/** What the reference says; it is slow, so that it is asked once for all engines. */
function wanted(definition: TensorFunction, row: Case): Promise<Results> {
  let answer = answers.get(definition.name);
  if (answer === undefined) answers.set(definition.name, (answer = evaluate(reference, definition, row)));
  return answer;
}

function expectAgreement(actual: Results, answer: Results): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(answer).sort());
  for (const [name, values] of Object.entries(answer)) {
    expect(actual[name]!.length, `the size of ${name}`).toBe(values.length);
    const wrong = values.findIndex((value, index) => !near(actual[name]![index]!, value));
    if (wrong >= 0) expect.fail(`${name}[${wrong}] is ${actual[name]![wrong]!}, not ${values[wrong]!}`);
  }
}

const near = (actual: number, value: number): boolean =>
  Object.is(actual, value) || Math.abs(actual - value) <= absoluteTolerance + relativeTolerance * Math.abs(value);

/** Runs a test, or skips it where TensorFlow.js says that its backend lacks a kernel, or is known to be wrong. */
async function whereSupported({ runner, device }: Engine, context: TestContext, test: () => Promise<void>) {
  const defect = defects[`${runner} ${device}`]?.[context.task.name];
  if (defect !== undefined) context.skip(defect);
  try {
    await test();
  } catch (error) {
    const { message } = error as Error;
    const missing = new RegExp(`^Kernel '\\w+' not registered for backend '${device}'$`);
    const isLacking = error instanceof NotSmall || (runner === 'eager' && missing.test(message));
    if (!isLacking) throw error;
    context.skip(message);
  }
}

const found = (await findEngines()).filter(({ library }) => library !== undefined);
const others = found
  .filter(({ runner, device }) => runner !== reference.runner || device !== reference.device)
  .map(({ runner, device }) => ({
    title: `${runner} ${device}`,
    runner,
    device,
    onDevice: runner === 'onnx' && device !== 'cpu',
  }));
// The rules for devices hold on the processor too, which every machine has.
const processor = {
  title: 'onnx cpu by the rules for devices',
  runner: 'onnx',
  device: 'cpu',
  onDevice: true,
} as const;
const small = { title: 'onnx cpu in JavaScript', runner: 'onnx', device: 'cpu', onDevice: false, small: true } as const;
const loops = { title: 'onnx cpu with loops', runner: 'onnx', device: 'cpu', onDevice: false, loops: true } as const;
const engines = [...others, processor, small, loops];

describe.each(engines)('$title', (engine) => {
  const rows = cases.filter(({ only }) => only === undefined || only === engine.device);

  for (const row of rows) {
    it(`agrees on the values of ${row.name}`, async (context) => {
      await whereSupported(engine, context, async () => {
        expectAgreement(await evaluate(engine, valuesOf(row), row), await wanted(valuesOf(row), row));
      });
    });
  }

  for (const row of rows.filter(({ gradients }) => gradients === undefined)) {
    it(`agrees on the gradients of ${row.name}`, async (context) => {
      const oracle = { ...row, evaluate: row.gradientOracle ?? row.evaluate };
      await whereSupported(engine, context, async () => {
        expectAgreement(await evaluate(engine, gradientsOf(row), row), await wanted(gradientsOf(oracle), row));
      });
    });
  }
});

describe.each(engines.filter(({ runner }) => runner === 'onnx'))('$title, several replicas at once', (engine) => {
  const rows = cases.filter(({ only }) => only === undefined || only === engine.device);
  const both = rows.flatMap((row) => [
    { name: `the values of ${row.name}`, row, functionOf: valuesOf },
    ...(row.gradients === undefined ? [{ name: `the gradients of ${row.name}`, row, functionOf: gradientsOf }] : []),
  ]);

  for (const { name, row, functionOf } of both) {
    it(`agrees on ${name}`, async (context) => {
      await whereSupported(engine, context, async () => {
        for (const shared of sharings(row)) {
          const replicas = turned(row, shared);
          const together = await evaluateReplicas(engine, functionOf(row), replicas, shared);
          for (const [index, replica] of replicas.entries()) {
            expectAgreement(together[index]!, await evaluate(engine, functionOf(replica), replica));
          }
        }
      });
    });
  }
});
