/** Rules for convolutions of images, forward and backward. */
import type { Grid, OnnxGraph, Place, Scattered, Value } from '../onnx.js';
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { fused } from './activations.js';
import { cannotCompile, type Rule, type SingleRule } from './rule.js';
import { integers } from './shapes.js';
import {
  convolutionWindows,
  convolve,
  imagesCNHW,
  imagesNCHW,
  placesWithin,
  refuseOtherWindows,
  type Moves,
  type Operands,
  type Windows,
} from './windows.js';

// Physical orders of TensorFlow.js's [height, width, in, out].
const filtersOIHW = [3, 2, 0, 1];
const filtersIOHW = [2, 3, 0, 1];
const filtersOHWI = [3, 0, 1, 2];

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
  graph.operations += operations;
  const operands = [arrange(graph, x, batchFirst), arrange(graph, filter, filtersOIHW)] as const;
  const value = convolution(graph, operands, windows, physicalDims(windows.outShape, batchFirst));
  return symbolOf(graph, value, windows.outShape, batchFirst);
};

/** A convolution, with what rules may do better than to take its result. */
function convolution(graph: OnnxGraph, operands: Operands, windows: Windows, dims: readonly number[]): Value {
  const { pads, strides, dilations } = windows;
  const [images, filters, bias] = operands;
  const value = convolve(graph, operands, dims, { pads, strides, dilations });
  if (bias === undefined) {
    graph.facts.biased.set(value, (added) => convolution(graph, [images, filters, added], windows, dims));
  }
  if (isPlain(windows) && hasFewChannels(graph, images)) {
    graph.facts.sampled.set(value, (from, grid) => sampledConvolution(graph, operands, from, grid));
  }
  return value;
}

/** Whether windows move by one and have neither border nor gaps. */
const isPlain = ({ strides, dilations, pads }: Windows): boolean =>
  [...strides, ...dilations].every((step) => step === 1) && pads.every((extent) => extent === 0);

// Four smaller convolutions cost as much as the one that they replace only where a filter has few weights: the matrices
// that ONNX Runtime multiplies are then bound by memory. For a LeNet-5's first layer with its pooling they save half of
// the time, for its second none.
const hasFewChannels = (graph: OnnxGraph, images: Value): boolean => graph.dims(images)[1]! <= 4;

/** The part of images (batch, channels, height, width) under windows of `size` on a grid. */
function underWindows(
  graph: OnnxGraph,
  images: Value,
  size: Place,
  { from, grid }: { from: Place; grid: Grid },
): Value {
  const extents = [0, 1].map((axis) => (grid.count[axis]! - 1) * grid.strides[axis]! + size[axis]!);
  const ends = extents.map((extent, axis) => from[axis]! + extent);
  const operands = [from, ends, [2, 3]].map((list) => integers(graph, list));
  return graph.node('Slice', [images, ...operands], [...graph.dims(images).slice(0, 2), ...extents]);
}

/** A plain convolution on a grid alone. */
function sampledConvolution(graph: OnnxGraph, [images, filters, bias]: Operands, from: Place, grid: Grid): Value {
  const [out, , ...size] = graph.dims(filters) as [number, number, number, number];
  const part = underWindows(graph, images, size, { from, grid });
  const dims = [graph.dims(images)[0]!, out, ...grid.count];
  return convolve(graph, [part, filters, bias], dims, { pads: [0, 0, 0, 0], strides: grid.strides, dilations: [1, 1] });
}

/** The gradient of a plain convolution's filters, where what comes back is scattered: the sum over places of a window. */
function gatheredFilterGradient(
  graph: OnnxGraph,
  images: Value,
  { grid, shares }: Scattered,
  dims: readonly [number, number, number, number],
): Value {
  const [channels, out, ...size] = dims;
  const exchanged = (value: Value): Value => graph.transpose(value, [1, 0, 2, 3]);
  const gradients = shares();
  const parts = placesWithin(grid.strides).map((from, place) => {
    const part = underWindows(graph, images, size, { from, grid });
    const attributes = { pads: [0, 0, 0, 0], strides: [1, 1], dilations: grid.strides } as const;
    return convolve(graph, [exchanged(part), exchanged(gradients[place]!)], [channels, out, ...size], attributes);
  });
  return parts.reduce((sum, part) => graph.node('Add', [sum, part], dims));
}

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
  const scattered = dy.order.join() === imagesNCHW.join() ? graph.facts.scattered.get(dy.value ?? '') : undefined;
  const images = arrange(graph, x, imagesNCHW);
  if (
    scattered !== undefined &&
    isPlain(windows) &&
    attributes['dataFormat'] !== 'NCHW' &&
    hasFewChannels(graph, images)
  ) {
    const dims = physicalDims(shape, filtersIOHW) as [number, number, number, number];
    return symbolOf(graph, gatheredFilterGradient(graph, images, scattered, dims), shape, filtersIOHW);
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
