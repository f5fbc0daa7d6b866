/** Rules for convolutions of images, forward and backward. */
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, converted, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { fused } from './activations.js';
import { factsOf } from './facts.js';
import { filterGradientOfPhases, imagesCHWN, isOfFewChannels, phasesOfConvolution } from './fewChannels.js';
import { cannotCompile, type Rule, type SingleRule } from './rule.js';
import { convolutionByTiles, filterGradientByTiles, imageGradientByTiles, tilingOf } from './tiles.js';
import {
  convolutionWindows,
  convolve,
  imagesCNHW,
  imagesHWNC,
  imagesNCHW,
  refuseOtherWindows,
  type Moves,
  type Windows,
} from './windows.js';

// Physical orders of TensorFlow.js's [height, width, in, out].
const filtersOIHW = [3, 2, 0, 1];
const filtersIOHW = [2, 3, 0, 1];
const filtersOHWI = [3, 0, 1, 2];

/** The windows of a convolution, its tiles if it pays to have some, and the orders of its images. */
function geometry(attributes: Record<string, unknown>, imageShape: readonly number[], filterShape: readonly number[]) {
  const channelsFirst = attributes['dataFormat'] === 'NCHW';
  const windows = convolutionWindows(attributes as unknown as Moves, imageShape, filterShape, { channelsFirst });
  return {
    windows,
    tiling: tilingOf(windows, imageShape[0]!, filterShape),
    batchFirst: channelsFirst ? [0, 1, 2, 3] : imagesNCHW,
    channelsFirst: channelsFirst ? [1, 0, 2, 3] : imagesCNHW,
    pixelsFirst: channelsFirst ? [2, 3, 0, 1] : imagesHWNC,
    operations: 2 * sizeOf(windows.outShape) * sizeOf(filterShape.slice(0, 3)),
  };
}

const conv2D: SingleRule = ({ graph, inputs, attributes }) => {
  const { x, filter } = inputs as { x: TraceSymbol; filter: TraceSymbol };
  const { windows, tiling, batchFirst, pixelsFirst, operations } = geometry(attributes, x.shape, filter.shape);
  if (tiling !== undefined) {
    const value = convolutionByTiles(graph, arrange(graph, x, pixelsFirst), arrange(graph, filter), tiling);
    return symbolOf(graph, value, windows.outShape, pixelsFirst);
  }
  graph.operations += operations;
  const operands = [arrange(graph, x, batchFirst), arrange(graph, filter, filtersOIHW)] as const;
  const { outShape, pads, strides, dilations } = windows;
  const convolved = (bias?: Value): TraceSymbol => {
    const dims = physicalDims(outShape, batchFirst);
    const value = convolve(graph, [...operands, bias], dims, { pads, strides, dilations });
    return symbolOf(graph, value, outShape, batchFirst);
  };
  const result = convolved();
  if (attributes['dataFormat'] === 'NCHW') return result;
  const facts = factsOf(graph);
  facts.biased.set(result, (bias) => convolved(arrange(graph, converted(graph, bias, 'float32'))));
  facts.phased.set(result, (pooling) => {
    const pooled = { convolution: windows, pooling, filterShape: filter.shape };
    return isOfFewChannels(pooled) ? phasesOfConvolution(graph, x, arrange(graph, filter), pooled) : undefined;
  });
  return result;
};

/** The transpose of a convolution; rows and columns that it skipped get zero. */
const conv2DBackpropInput: Rule = ({ graph, inputs, attributes }) => {
  const { dy, filter } = inputs as { dy: TraceSymbol; filter: TraceSymbol };
  const shape = attributes['inputShape'] as number[];
  const { windows, tiling, batchFirst, pixelsFirst, operations } = geometry(attributes, shape, filter.shape);
  refuseOtherWindows('Conv2DBackpropInput', windows, dy);
  if (tiling !== undefined) {
    const value = imageGradientByTiles(graph, arrange(graph, dy, pixelsFirst), arrange(graph, filter), tiling);
    return symbolOf(graph, value, shape, pixelsFirst);
  }
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
  const { windows, tiling, channelsFirst, pixelsFirst, operations } = geometry(attributes, x.shape, shape);
  refuseOtherWindows('Conv2DBackpropFilter', windows, dy);
  if (tiling !== undefined) {
    const [images, gradient] = [arrange(graph, x, pixelsFirst), arrange(graph, dy, pixelsFirst)];
    return symbolOf(graph, filterGradientByTiles(graph, images, gradient, tiling), shape);
  }
  graph.operations += operations;
  const scattered = factsOf(graph).scattered.get(dy);
  if (scattered?.order.join() === imagesCHWN.join()) {
    const pooled = { convolution: windows, pooling: scattered.windows, filterShape: shape };
    if (isOfFewChannels(pooled)) {
      return symbolOf(graph, filterGradientOfPhases(graph, x, scattered.shares(), pooled), shape);
    }
  }
  if (windows.dilations[1] === 1) {
    const value = interleavedFilterGradient(graph, { x, dy }, { windows, channelsFirst, channels: shape[2]! });
    return symbolOf(graph, value, shape, filtersOHWI);
  }
  const { extents, ...convolution } = filterGradient(windows);
  const dims = [shape[2]!, shape[3]!, ...extents];
  const operands = [arrange(graph, x, channelsFirst), arrange(graph, dy, channelsFirst)] as const;
  const whole = convolve(graph, operands, dims, convolution);
  return symbolOf(graph, graph.cropped(whole, physicalDims(shape, filtersIOHW)), shape, filtersIOHW);
};

/**
 * The same where windows have no gaps between columns: the channels of a pixel become neighbours in a row, and the
 * result's columns are (column, channel). One product of large matrices then replaces a small one for each channel
 * (LeNet-5's second layer: 0.8 instead of 1.3 ms). Gives (out, height, width, in).
 */
function interleavedFilterGradient(
  graph: OnnxGraph,
  { x, dy }: { x: TraceSymbol; dy: TraceSymbol },
  { windows, channelsFirst, channels }: { windows: Windows; channelsFirst: readonly number[]; channels: number },
): Value {
  const { extents, pads, strides, dilations } = filterGradient(windows);
  const [channelAxis, ...others] = channelsFirst;
  const [batch, height, width] = others.map((axis) => x.shape[axis]!) as [number, number, number];
  const images = graph.reshape(arrange(graph, x, [...others, channelAxis!]), [1, batch, height, width * channels]);
  const gradients = arrange(graph, dy, channelsFirst);
  const out = graph.dims(gradients)[0]!;
  const whole = convolve(graph, [images, gradients], [1, out, extents[0]!, extents[1]! * channels], {
    pads: [pads[0], pads[1] * channels, pads[2], pads[3] * channels],
    strides,
    dilations: [dilations[0], dilations[1] * channels],
  });
  const cropped = graph.cropped(whole, [1, out, windows.size[0], windows.size[1] * channels]);
  return graph.reshape(cropped, [out, ...windows.size, channels]);
}

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
