/**
 * Rules for depthwise convolutions: each channel has filters of its own, [height, width, channels, multiplier],
 * and channel c gives the outputs c * multiplier ... c * multiplier + multiplier - 1. ONNX calls that groups.
 */
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { fused } from './activations.js';
import { filterGradient } from './convolution.js';
import { cannotCompile, type Rule, type SingleRule } from './rule.js';
import { convolutionWindows, convolve, imagesCNHW, imagesNCHW, type Moves } from './windows.js';

const filtersByOutput = [2, 3, 0, 1];

function geometry(attributes: Record<string, unknown>, imageShape: readonly number[], filterShape: readonly number[]) {
  if (attributes['dataFormat'] === 'NCHW') {
    throw cannotCompile('DepthwiseConv2dNative', 'in NCHW', 'use the format NHWC');
  }
  const moves = attributes as unknown as Moves;
  const windows = convolutionWindows(moves, imageShape, filterShape, { depthwise: true });
  const [height, width, group, multiplier] = filterShape as [number, number, number, number];
  return {
    windows,
    group,
    filterDims: [group * multiplier, 1, height, width] as const,
    operations: 2 * sizeOf(windows.outShape) * height * width,
  };
}

const depthwiseConv2D: SingleRule = ({ graph, inputs, attributes }) => {
  const { x, filter } = inputs as { x: TraceSymbol; filter: TraceSymbol };
  const { windows, group, filterDims, operations } = geometry(attributes, x.shape, filter.shape);
  const { pads, strides, dilations, outShape: shape } = windows;
  graph.operations += operations;
  const filters = graph.reshape(arrange(graph, filter, filtersByOutput), filterDims);
  const operands = [arrange(graph, x, imagesNCHW), filters] as const;
  const value = convolve(graph, operands, physicalDims(shape, imagesNCHW), { pads, strides, dilations, group });
  return symbolOf(graph, value, shape, imagesNCHW);
};

/**
 * Each output flows back through its own filter; those of one channel are added. (One group a channel would do
 * it at once, but the webgpu device of ONNX Runtime 1.30 computes that wrongly.)
 */
const backpropInput: Rule = ({ graph, inputs, attributes }) => {
  const { dy, filter } = inputs as { dy: TraceSymbol; filter: TraceSymbol };
  const shape = attributes['inputShape'] as number[];
  const { windows, group, filterDims, operations } = geometry(attributes, shape, filter.shape);
  const { pads, strides, dilations, skipped } = windows;
  graph.operations += operations;
  const filters = graph.reshape(arrange(graph, filter, filtersByOutput), filterDims);
  const [outputs] = filterDims;
  const [batch, height, width] = shape as [number, number, number];
  const perOutput = graph.node(
    'ConvTranspose',
    [arrange(graph, dy, imagesNCHW), filters],
    [batch, outputs, height, width],
    {
      attributes: { pads, strides, dilations, output_padding: skipped, group: outputs },
    },
  );
  if (outputs === group) return symbolOf(graph, perOutput, shape, imagesNCHW);
  const apart = graph.reshape(perOutput, [batch, group, outputs / group, height, width]);
  const dims = physicalDims(shape, imagesNCHW);
  const sum = graph.node('ReduceSum', [apart, graph.constant('int64', [1], [2])], dims, {
    attributes: { keepdims: 0 },
  });
  return symbolOf(graph, sum, shape, imagesNCHW);
};

/** As for a full convolution, but the batch of each channel is a group of its own. */
const backpropFilter: Rule = ({ graph, inputs, attributes }) => {
  const { x, dy } = inputs as { x: TraceSymbol; dy: TraceSymbol };
  const shape = attributes['filterShape'] as number[];
  const { windows, group, filterDims, operations } = geometry(attributes, x.shape, shape);
  graph.operations += operations;
  const [batch, height, width] = x.shape as [number, number, number];
  const images = graph.reshape(arrange(graph, x, imagesCNHW), [1, group * batch, height, width]);
  const { extents, ...convolution } = filterGradient(windows);
  const [outputs] = filterDims;
  const operands = [images, arrange(graph, dy, imagesCNHW)] as const;
  const whole = convolve(graph, operands, [1, outputs, ...extents], { ...convolution, group });
  const filters = graph.cropped(whole, [1, outputs, ...windows.size]);
  const value = graph.reshape(filters, physicalDims(shape, filtersByOutput));
  return symbolOf(graph, value, shape, filtersByOutput);
};

export const depthwiseRules: Readonly<Record<string, Rule>> = {
  DepthwiseConv2dNative: depthwiseConv2D,
  DepthwiseConv2dNativeBackpropInput: backpropInput,
  DepthwiseConv2dNativeBackpropFilter: backpropFilter,
  FusedDepthwiseConv2D: fused('FusedDepthwiseConv2D', depthwiseConv2D),
};
