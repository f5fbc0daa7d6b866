import * as tf from '@tensorflow/tfjs';
import protobuf from 'protobufjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { BadInput } from '../../src/conditions.js';
import type { Feeds } from '../../src/compute/feeds.js';
import { Session } from '../../src/compute/session.js';
import type { InputSpec, TensorFunction } from '../../src/compute/tensorFunction.js';
import { trace, type Program } from '../../src/compute/trace.js';
import { modelCases } from './cases/models.js';
import { shapesOf, valuesOf } from './cases/functions.js';

const vector: InputSpec = { shape: [3], dtype: 'float32' };

function ofVector(evaluate: (x: tf.Tensor) => Record<string, tf.Tensor>): TensorFunction {
  return { name: 'test', inputs: { x: vector }, evaluate: ({ x }) => evaluate(x!) };
}

async function evaluate(program: Program, feeds: Feeds): Promise<Readonly<Record<string, Float32Array>>> {
  const session = await Session.open(program);
  return (await session.evaluate([feeds], {}))[0]!.outputs;
}

/** The outputs of a function of x = [1, -2, 3]. */
async function run(definition: TensorFunction): Promise<Record<string, number[]>> {
  const outputs = await evaluate(trace(definition, { x: [3] }), { x: Float32Array.of(1, -2, 3) });
  return Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, [...values]]));
}

beforeEach(() => tf.setBackend('cpu'));

describe('a traced function', () => {
  it('gives float32, whatever the type of its outputs is', async () => {
    const definition = ofVector((x) => ({
      whole: x.toInt(),
      condition: x.greater(0),
      mask: x.greater(0).toFloat(),
      constant: tf.tensor1d([4, 5], 'int32'),
      truth: tf.scalar(true),
      input: x,
    }));
    expect(await run(definition)).toEqual({
      whole: [1, -2, 3],
      condition: [1, 0, 1],
      mask: [1, 0, 1],
      constant: [4, 5],
      truth: [1],
      input: [1, -2, 3],
    });
    const { outputs } = trace(definition, { x: [3] });
    expect(new Set(Object.values(outputs).map(({ dtype }) => dtype))).toEqual(new Set(['float32']));
  });

  it('may leave inputs unused', async () => {
    const definition = { ...ofVector((x) => ({ y: x.neg() })), inputs: { x: vector, unused: vector } };
    const feeds = { x: Float32Array.of(1, -2, 3), unused: Float32Array.of(0, 0, 0) };
    const { y } = await evaluate(trace(definition, { x: [3], unused: [3] }), feeds);
    expect([...y!]).toEqual([-1, 2, -3]);
  });

  it('may use tensors and variables that were made outside, which stay as they are', async () => {
    const weight = tf.tensor1d([10, 20, 30]);
    const variable = tf.variable(tf.tensor1d([1, 2, 3], 'int32'));
    const scale = tf.scalar(2);
    const definition = ofVector((x) => ({ y: x.mul(weight).add(variable).mul(scale) }));
    expect(await run(definition)).toEqual({ y: [22, -76, 186] });
    expect(await run(definition)).toEqual({ y: [22, -76, 186] });
    expect([...(await weight.data())]).toEqual([10, 20, 30]);
    expect([...variable.add(1).dataSync()]).toEqual([2, 3, 4]);
    variable.assign(tf.tensor1d([5, 5, 5], 'int32'));
    expect(await run(definition)).toEqual({ y: [30, -70, 190] });
    weight.dispose();
    variable.dispose();
    expect([...scale.dataSync()]).toEqual([2]);
  });

  it('may read constants, but not what depends on its inputs', async () => {
    expect(await run(ofVector((x) => ({ y: x.mul(tf.scalar(3).dataSync()[0]!) })))).toEqual({ y: [3, -6, 9] });
    const reading = ofVector((x) => ({ y: x.mul(x.sum().dataSync()[0]!) }));
    expect(() => trace(reading, { x: [3] })).toThrow(BadInput);
    expect(() => trace(reading, { x: [3] })).toThrow(/read the value of a tensor/);
  });

  it('may not use strings or complex numbers', () => {
    const strings = ofVector((x) => ({
      y: tf
        .tensor1d(['a'])
        .equal(tf.tensor1d(['b']))
        .toFloat()
        .add(x),
    }));
    expect(() => trace(strings, { x: [3] })).toThrow('a traced function uses a tensor of type string');
    const complex = ofVector((x) => ({ y: tf.real(tf.complex(x, x)) }));
    expect(() => trace(complex, { x: [3] })).toThrow('the TensorFlow.js kernel Complex cannot be compiled to ONNX yet');
  });

  it('may be a model of TensorFlow.js layers, which can be used eagerly before and after', async () => {
    const glorot = (seed: number) => tf.initializers.glorotUniform({ seed });
    const model = tf.sequential({
      layers: [
        tf.layers.conv2d({
          inputShape: [6, 6, 2],
          filters: 4,
          kernelSize: 3,
          padding: 'same',
          activation: 'relu',
          kernelInitializer: glorot(1),
        }),
        tf.layers.batchNormalization(),
        tf.layers.depthwiseConv2d({ kernelSize: 2, depthwiseInitializer: glorot(2) }),
        tf.layers.averagePooling2d({ poolSize: 2, strides: 1, padding: 'same' }),
        tf.layers.upSampling2d({ size: [2, 2] }),
        tf.layers.globalMaxPooling2d({}),
        tf.layers.reshape({ targetShape: [2, 2] }),
        tf.layers.lstm({ units: 3, kernelInitializer: glorot(3), recurrentInitializer: glorot(4) }),
        tf.layers.layerNormalization(),
        tf.layers.dense({ units: 5, activation: 'softmax', kernelInitializer: glorot(5) }),
      ],
    });
    const images = Float32Array.from({ length: 3 * 6 * 6 * 2 }, (_, index) => Math.sin(index));
    const predict = (): number[] =>
      tf.tidy(() => [...(model.predict(tf.tensor4d(images, [3, 6, 6, 2])) as tf.Tensor).dataSync()]);
    const eager = predict();
    const definition: TensorFunction = {
      name: 'layers',
      inputs: { x: { shape: [null, 6, 6, 2], dtype: 'float32' } },
      evaluate: ({ x }) => ({ y: model.apply(x!) as tf.Tensor }),
    };
    const { y } = await evaluate(trace(definition, { x: [3, 6, 6, 2] }), { x: images });
    const compiled = [...y!];
    expect(compiled).toHaveLength(15);
    compiled.forEach((value, index) => {
      expect(value).toBeCloseTo(eager[index]!, 5);
    });
    expect(predict()).toEqual(eager);
  });
});

describe('tracing', () => {
  it('gives back the backend and leaves no tensors behind, also when it fails', () => {
    const good = ofVector((x) => ({ y: tf.grad((v: tf.Tensor) => v.square().sum())(x) }));
    const bad = ofVector((x) => ({ y: tf.unique(x.square()).values }));
    trace(good, { x: [3] });
    const before = tf.memory().numTensors;
    trace(good, { x: [3] });
    expect(() => trace(bad, { x: [3] })).toThrow('Unique');
    expect(tf.getBackend()).toBe('cpu');
    expect(tf.memory().numTensors).toBe(before);
  });

  it('gives the same bytes at each call', () => {
    const row = modelCases[0]!;
    expect(trace(valuesOf(row), shapesOf(row)).bytes).toEqual(trace(valuesOf(row), shapesOf(row)).bytes);
  });

  it('writes equal nodes once, and none that no output needs', () => {
    const definition = ofVector((x) => {
      x.exp();
      return { y: x.square().add(x.square()), z: x.transpose().square() };
    });
    expect(operators(trace(definition, { x: [3] }))).toEqual({ Mul: 1, Add: 1, Concat: 1 });
  });

  // The benchmark lives on this graph: a change of it is a change of speed.
  it('writes the worker step of LeNet-5 in these nodes', () => {
    const row = modelCases[0]!;
    expect(operators(trace(valuesOf(row), shapesOf(row)))).toMatchInlineSnapshot(`
      {
        "Add": 5,
        "Concat": 4,
        "Div": 2,
        "Equal": 8,
        "Exp": 1,
        "Gather": 2,
        "Gemm": 7,
        "Greater": 2,
        "Log": 1,
        "MatMul": 15,
        "Max": 6,
        "Mul": 3,
        "Neg": 2,
        "ReduceMax": 1,
        "ReduceMean": 1,
        "ReduceSum": 5,
        "Relu": 2,
        "Reshape": 49,
        "Slice": 4,
        "Split": 1,
        "Sub": 8,
        "Transpose": 10,
        "Where": 11,
      }
    `);
  });
});

const Model = protobuf
  .parse(
    `syntax = "proto3";
   message Node { string op_type = 4; } message Graph { repeated Node node = 1; } message Model { Graph graph = 7; }`,
    { keepCase: true },
  )
  .root.lookupType('Model');

/** How many nodes of each operator a program has. */
function operators({ bytes }: Program): Record<string, number> {
  const { graph } = Model.decode(bytes) as unknown as { graph: { node: { op_type: string }[] } };
  const counts: Record<string, number> = {};
  for (const { op_type } of graph.node) counts[op_type] = (counts[op_type] ?? 0) + 1;
  return counts;
}
