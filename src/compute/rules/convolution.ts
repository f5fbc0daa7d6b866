import { backend_util } from '@tensorflow/tfjs';
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import type { Rule } from './rule.js';

// Physical orders over TensorFlow.js's logical axes: images are [batch, height, width, channels] and
// filters [height, width, in, out]; ONNX wants batch, channels, height, width.
const imagesNCHW = [0, 3, 1, 2];
const imagesCNHW = [3, 0, 1, 2];
const filtersOIHW = [3, 2, 0, 1];
const filtersIOHW = [2, 3, 0, 1];

type Shape4 = [number, number, number, number];

/** The geometry of a convolution in TensorFlow.js's terms. */
function geometry(attributes: Record<string, unknown>, imageShape: readonly number[], filterShape: readonly number[]) {
  if ((attributes['dataFormat'] ?? 'NHWC') !== 'NHWC') throw new Error('convolutions in NCHW cannot be compiled to ONNX yet');
  const info = backend_util.computeConv2DInfo(
    imageShape as Shape4,
    filterShape as Shape4,
    attributes['strides'] as number,
    (attributes['dilations'] as number | undefined) ?? 1,
    attributes['pad'] as 'valid',
    attributes['dimRoundingMode'] as 'floor',
  );
  const { top, bottom, left, right } = info.padInfo;
  return {
    info,
    pads: [top, left, bottom, right],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
  };
}

const conv2D: Rule = ({ graph, inputs, attributes }) => {
  const { x, filter } = inputs as { x: TraceSymbol; filter: TraceSymbol };
  const { info, pads, strides, dilations } = geometry(attributes, x.shape, filter.shape);
  const shape = info.outShape;
  graph.operations += 2 * sizeOf(shape) * sizeOf(filter.shape.slice(0, 3));
  const operands = [arrange(graph, x, imagesNCHW), arrange(graph, filter, filtersOIHW)];
  const value = graph.node('Conv', operands, physicalDims(shape, imagesNCHW), { attributes: { pads, strides, dilations } });
  return symbolOf(graph, value, shape, imagesNCHW);
};

const conv2DBackpropInput: Rule = ({ graph, inputs, attributes }) => {
  const { dy, filter } = inputs as { dy: TraceSymbol; filter: TraceSymbol };
  const shape = attributes['inputShape'] as number[];
  const { info, pads, strides, dilations } = geometry(attributes, shape, filter.shape);
  graph.operations += 2 * sizeOf(info.outShape) * sizeOf(filter.shape.slice(0, 3));
  // The convolution may have skipped the last rows and columns; they get a zero gradient.
  const skipped = (axis: 0 | 1): number => {
    const [input, output] = axis === 0 ? [info.inHeight, info.outHeight] : [info.inWidth, info.outWidth];
    const reach = (filter.shape[axis]! - 1) * dilations[axis]! + 1;
    return input + pads[axis]! + pads[axis + 2]! - ((output - 1) * strides[axis]! + reach);
  };
  const output_padding = [skipped(0), skipped(1)];
  const operands = [arrange(graph, dy, imagesNCHW), arrange(graph, filter, filtersOIHW)];
  const value = graph.node('ConvTranspose', operands, physicalDims(shape, imagesNCHW), {
    attributes: { pads, strides, dilations, output_padding },
  });
  return symbolOf(graph, value, shape, imagesNCHW);
};

/** dL/dfilter is a convolution with batch and channels exchanged: sum over images of x shifted times dy. */
const conv2DBackpropFilter: Rule = ({ graph, inputs, attributes }) => {
  const { x, dy } = inputs as { x: TraceSymbol; dy: TraceSymbol };
  const shape = attributes['filterShape'] as number[];
  const { info, pads, strides, dilations } = geometry(attributes, x.shape, shape);
  graph.operations += 2 * sizeOf(info.outShape) * sizeOf(shape.slice(0, 3));
  const extent = (axis: 0 | 1): number => {
    const [input, output] = axis === 0 ? [info.inHeight, info.outHeight] : [info.inWidth, info.outWidth];
    const reach = (output - 1) * strides[axis]! + 1;
    return Math.floor((input + pads[axis]! + pads[axis + 2]! - reach) / dilations[axis]!) + 1;
  };
  const found = [extent(0), extent(1), shape[2]!, shape[3]!];
  const operands = [arrange(graph, x, imagesCNHW), arrange(graph, dy, imagesCNHW)];
  const whole = graph.node('Conv', operands, physicalDims(found, filtersIOHW), {
    // Steps and gaps change places.
    attributes: { pads, strides: dilations, dilations: strides },
  });
  if (found[0] === shape[0] && found[1] === shape[1]) return symbolOf(graph, whole, shape, filtersIOHW);
  const [zero, size, axes] = [[0, 0], [shape[0]!, shape[1]!], [2, 3]].map((list) => graph.constant('int64', [2], list));
  const value = graph.node('Slice', [whole, zero!, size!, axes!], physicalDims(shape, filtersIOHW));
  return symbolOf(graph, value, shape, filtersIOHW);
};

export const convolutionRules: Readonly<Record<string, Rule>> = {
  Conv2D: conv2D,
  Conv2DBackpropInput: conv2DBackpropInput,
  Conv2DBackpropFilter: conv2DBackpropFilter,
};
