import { backend_util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import type { Rule } from './rule.js';

const imagesNCHW = [0, 3, 1, 2];

function geometry(attributes: Record<string, unknown>, shape: readonly number[]) {
  const info = backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    attributes['filterSize'] as number,
    attributes['strides'] as number,
    1,
    attributes['pad'] as 'valid',
    attributes['dimRoundingMode'] as 'floor',
  );
  const { top, bottom, left, right } = info.padInfo;
  return {
    info,
    window: [info.filterHeight, info.filterWidth] as const,
    attributes: {
      kernel_shape: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      pads: [top, left, bottom, right],
    },
  };
}

function pool(operator: string): Rule {
  return ({ graph, inputs, attributes }) => {
    const x = inputs['x']!;
    const { info, attributes: written } = geometry(attributes, x.shape);
    const shape = info.outShape;
    const dims = physicalDims(shape, imagesNCHW);
    const value = graph.node(operator, [arrange(graph, x, imagesNCHW)], dims, { attributes: written });
    graph.operations += x.shape.reduce((product, extent) => product * extent, 1);
    return symbolOf(graph, value, shape, imagesNCHW);
  };
}

/** The elements of `x` (batch, channels, height, width) at one place of every 2-D window. */
function phase(graph: OnnxGraph, x: Value, at: readonly [number, number], window: readonly number[], out: readonly number[]): Value {
  const starts = graph.constant('int64', [2], at);
  const ends = graph.constant('int64', [2], [at[0] + (out[0]! - 1) * window[0]! + 1, at[1] + (out[1]! - 1) * window[1]! + 1]);
  const axes = graph.constant('int64', [2], [2, 3]);
  const steps = graph.constant('int64', [2], window);
  const dims = [...graph.dims(x).slice(0, 2), ...out];
  return graph.node('Slice', [x, starts, ends, axes, steps], dims);
}

/**
 * The gradient of max pooling over windows that do not overlap: each window's gradient goes to its first
 * largest element in row-major order, as TensorFlow.js does.
 */
const maxPoolGrad: Rule = ({ graph, inputs, attributes }) => {
  const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', TraceSymbol>;
  const { info, window } = geometry(attributes, input.shape);
  const tiles =
    info.strideHeight === window[0] &&
    info.strideWidth === window[1] &&
    window[0] === window[1] &&
    info.inHeight === info.outHeight * window[0] &&
    info.inWidth === info.outWidth * window[1];
  if (!tiles) throw new Error('the gradient of max pooling is compiled only for windows that tile the image');
  const x = arrange(graph, input, imagesNCHW);
  const y = arrange(graph, output, imagesNCHW);
  const out = [info.outHeight, info.outWidth];
  const dims = graph.dims(y);
  const zero = graph.constant('float32', [], [0]);
  let remaining = arrange(graph, dy, imagesNCHW);
  const parts: Value[] = [];
  const places = window[0] * window[1];
  for (let place = 0; place < places; place += 1) {
    // What no earlier place of the window took belongs to the last one.
    if (place === places - 1) {
      parts.push(remaining);
      break;
    }
    const at = [Math.floor(place / window[1]), place % window[1]] as const;
    const hit = graph.node('Equal', [phase(graph, x, at, window, out), y], dims, { type: 'bool' });
    parts.push(graph.node('Where', [hit, remaining, zero], dims, { type: 'float32' }));
    remaining = graph.node('Where', [hit, zero, remaining], dims, { type: 'float32' });
  }
  const [batch, channels] = dims as [number, number];
  const stacked = graph.node('Concat', parts, [batch, places * channels, ...out], { attributes: { axis: 1 } });
  const value = graph.node('DepthToSpace', [stacked], graph.dims(x), { attributes: { blocksize: window[0], mode: 'DCR' } });
  return symbolOf(graph, value, input.shape, imagesNCHW);
};

export const poolingRules: Readonly<Record<string, Rule>> = {
  MaxPool: pool('MaxPool'),
  AvgPool: pool('AveragePool'),
  MaxPoolGrad: maxPoolGrad,
};
