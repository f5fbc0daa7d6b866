/** Laws over the table of trace rules, and the calls that rules refuse. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BadInput } from '../../src/conditions.js';
import { openRunner } from '../../src/compute/engines.js';
import { rules } from '../../src/compute/rules.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { trace } from '../../src/compute/trace.js';
import { cases } from './cases.js';
import { spread, row, type CaseInput, type Tensors } from './cases/case.js';
import { feedsOf, gradientsOf, shapesOf, valuesOf } from './cases/functions.js';

const nothing: TensorFunction = { name: 'nothing', inputs: {}, evaluate: () => ({ y: tf.scalar(0) }) };

describe('the table of rules', () => {
  const called = new Set<string>();
  let kernels: tf.KernelConfig[] = [];

  // The kernels of the trace backend, registered by the first trace, are listened to.
  beforeAll(() => {
    trace(nothing, {});
    kernels = tf.getKernelsForBackend('trace').filter(({ kernelName }) => kernelName in rules);
    for (const kernel of kernels) {
      const listening: tf.KernelFunc = (call) => {
        called.add(kernel.kernelName);
        return kernel.kernelFunc(call);
      };
      register({ ...kernel, kernelFunc: listening });
    }
  });
  afterAll(() => {
    for (const kernel of kernels) register(kernel);
  });

  function register(kernel: tf.KernelConfig): void {
    tf.unregisterKernel(kernel.kernelName, kernel.backendName);
    tf.registerKernel(kernel);
  }

  it('has no rule that no case of the conformance suite calls', () => {
    for (const row of cases) {
      trace(valuesOf(row), shapesOf(row));
      if (row.gradients === undefined) trace(gradientsOf(row), shapesOf(row));
    }
    expect(Object.keys(rules).filter((name) => !called.has(name))).toEqual([]);
  });
});

describe('a case without gradients', () => {
  const real = cases.filter(({ gradients, inputs }) => gradients === 'none' && Object.keys(inputs).length > 0);

  it.each(real.filter(({ name }) => !name.startsWith('the worker step')))(
    'has none in TensorFlow.js either: $name',
    async (row) => {
      const reference = await openRunner({ runner: 'eager', device: 'cpu', threads: 1 }, {});
      await expect(reference.call(gradientsOf(row), feedsOf(row))).rejects.toThrow();
    },
  );
});

describe('a call that a rule refuses', () => {
  const image = { x: spread([1, 5, 5, 2]), filter: spread([2, 2, 2, 3]) };
  type Refusal = readonly [kernel: string, Readonly<Record<string, CaseInput>>, (inputs: Tensors) => tf.Tensor];
  const images = (x: tf.Tensor | undefined): tf.Tensor4D => x as tf.Tensor4D;
  const hanging = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2d(images(x), images(filter), 2, 0, 'NHWC', 1, 'ceil');
  const ids = tf.tensor2d([0, 1, 1, 0], [2, 2], 'int32');

  const refusals: readonly Refusal[] = [
    ['MaxPool', { x: spread([1, 6, 7, 2]) }, ({ x }) => tf.maxPool(images(x), 2, 3, 1, 'ceil')],
    ['AvgPool', { x: spread([1, 6, 7, 2]) }, ({ x }) => tf.avgPool(images(x), 2, 3, 1, 'ceil')],
    [
      'FusedConv2D',
      image,
      ({ x, filter }) =>
        tf.fused.conv2d({
          x: images(x!.transpose([0, 3, 1, 2])),
          filter: images(filter),
          strides: 1,
          pad: 'valid',
          dataFormat: 'NCHW',
        }),
    ],
    ['Conv2DBackpropInput', image, ({ x, filter }) => tf.grad((image) => hanging(image, filter!))(x!)],
    ['Conv2DBackpropFilter', image, ({ x, filter }) => tf.grad((weights) => hanging(x!, weights))(filter!)],
    ['MaxPoolGrad', image, ({ x }) => tf.grad((image) => tf.maxPool(images(image), 2, 2, 0, 'ceil'))(x!)],
    ['AvgPoolGrad', image, ({ x }) => tf.grad((image) => tf.avgPool(images(image), 2, 2, 0, 'ceil'))(x!)],
    ['DepthToSpace', { x: spread([1, 4, 2, 2]) }, ({ x }) => tf.depthToSpace(images(x), 2, 'NCHW')],
    ['GatherV2', { x: spread([2, 3]) }, ({ x }) => tf.gather(x!, ids, 1, 1)],
    [
      'UnsortedSegmentSum',
      { x: spread([2, 2, 3]) },
      ({ x }) => tf.unsortedSegmentSum(x!, ids as unknown as tf.Tensor1D, 2),
    ],
    ['Cast', { x: spread([2]) }, ({ x }) => x!.cast('complex64')],
    ['Multinomial', { x: spread([2]) }, ({ x }) => tf.multinomial(x as tf.Tensor1D, 3)],
    ['Unique', { x: spread([2]) }, ({ x }) => tf.unique(x!).values],
    [
      'Conv3D',
      { x: spread([1, 2, 2, 2, 1]), w: spread([1, 1, 1, 1, 1]) },
      ({ x, w }) => tf.conv3d(x as tf.Tensor5D, w as tf.Tensor5D, 1, 'valid'),
    ],
  ];

  it.each(refusals)('is bad input that names the kernel %s and a remedy', (kernel, inputs, evaluate) => {
    const refused = row(kernel, inputs, evaluate);
    const refusal = thrownBy(() => trace(valuesOf(refused), shapesOf(refused)));
    expect(refusal).toBeInstanceOf(BadInput);
    expect(refusal.message).toMatch(new RegExp(`^the TensorFlow.js kernel ${kernel} cannot be compiled to ONNX`));
    expect(refusal.remedy).toMatch(/or choose engine\.runner: eager$/);
  });
});

function thrownBy(run: () => unknown): BadInput {
  try {
    run();
  } catch (error) {
    return error as BadInput;
  }
  throw new Error('nothing was thrown');
}
