/** Rules for convolutions of images, forward and backward. */
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { fused } from './activations.js';
import { cannotCompile, type Rule, type SingleRule } from './rule.js';
import {
  convolutionWindows,
  convolve,
  imagesCNHW,
  imagesNCHW,
  refuseOtherWindows,
  type Moves,
  type Windows,
} from './windows.js';

// Physical orders of TensorFlow.js's [height, width, in, out].
const filtersOIHW = [3, 2, 0, 1];
const filtersIOHW = [2, 3, 0, 1];

/** The windows of a convolution, and the orders of its images as ONNX wants them. */
function geometry(attributes: Record<string, unknown>, imageShape: readonly number[], filterShape: readonly number[]) {
  const channelsFirst = attributes['dataFormat'] === 'NCHW';
  const windows = convolutionWindows(attributes as unknown as Moves, imageShape, filterShape, { channelsFirst });
  return {
    windows,
    batchFirst: channelsFirst ? [0, 1, 2, 3] : imagesNCHW,
    channelsFirst: channelsFirst ? [1, 0, 2, 3] : imagesCNHW,
    operations: 2 * sizeOf(windows.outShape) * sizeOf(filterShape.slice(0, 3)),
  };
}

const conv2D: SingleRule = ({ graph, inputs, attributes }) => {
  const { x, filter } = inputs as { x: TraceSymbol; filter: TraceSymbol };
  const { windows, batchFirst, operations } = geometry(attributes, x.shape, filter.shape);
  const { pads, strides, dilations, outShape: shape } = windows;
  graph.operations += operations;
  const operands = [arrange(graph, x, batchFirst), arrange(graph, filter, filtersOIHW)] as const;
  const value = convolve(graph, operands, physicalDims(shape, batchFirst), { pads, strides, dilations });
  return symbolOf(graph, value, shape, batchFirst);
};

/** The transpose of a convolution; rows and columns that it skipped get zero. */
const conv2DBackpropInput: Rule = ({ graph, inputs, attributes }) => {
  const { dy, filter } = inputs as { dy: TraceSymbol; filter: TraceSymbol };
  const shape = attributes['inputShape'] as number[];
  const { windows, batchFirst, operations } = geometry(attributes, shape, filter.shape);
  refuseOtherWindows('Conv2DBackpropInput', windows, dy);
  const { pads, strides, dilations, skipped } = windows;
  graph.operations += operations;
  const operands = [arrange(graph, dy, batchFirst), arrange(graph, filter, filtersOIHW)];
  const value = graph.node('ConvTranspose', operands, physicalDims(shape, batchFirst), {
    attributes: { pads, strides, dilations, output_padding: skipped },
  });
  return symbolOf(graph, value, shape, batchFirst);
};

/**
 * What the filter's gradient asks of ONNX: a convolution of x with dy in which steps and gaps change places.
 * Rows and columns that the windows skipped make the result larger than the filter.
 */
export function filterGradient({ pads, strides, dilations, skipped, size }: Windows) {
  return {
    pads,
    strides: dilations,
    dilations: strides,
    extents: [0, 1].map((axis) => size[axis]! + Math.floor(skipped[axis]! / dilations[axis]!)),
  };
}

/** dL/dfilter is a convolution with batch and channels exchanged: sum over images of x shifted times dy. */
const conv2DBackpropFilter: Rule = ({ graph, inputs, attributes }) => {
  const { x, dy } = inputs as { x: TraceSymbol; dy: TraceSymbol };
  const shape = attributes['filterShape'] as number[];
  const { windows, channelsFirst, operations } = geometry(attributes, x.shape, shape);
  refuseOtherWindows('Conv2DBackpropFilter', windows, dy);
  graph.operations += operations;
  const { extents, ...convolution } = filterGradient(windows);
  const dims = [shape[2]!, shape[3]!, ...extents];
  const operands = [arrange(graph, x, channelsFirst), arrange(graph, dy, channelsFirst)] as const;
  const whole = convolve(graph, operands, dims, convolution);
  return symbolOf(graph, graph.cropped(whole, physicalDims(shape, filtersIOHW)), shape, filtersIOHW);
};

const fusedConv2D: Rule = (call) => {
  if (call.attributes['dataFormat'] === 'NCHW') {
    throw cannotCompile('FusedConv2D', 'in NCHW', 'use the format NHWC, or tf.conv2d');
  }
  return fused('FusedConv2D', conv2D)(call);
};

export const convolutionRules: Readonly<Record<string, Rule>> = {
  Conv2D: conv2D,
  Conv2DBackpropInput: conv2DBackpropInput,
  Conv2DBackpropFilter: conv2DBackpropFilter,
  FusedConv2D: fusedConv2D,
};
