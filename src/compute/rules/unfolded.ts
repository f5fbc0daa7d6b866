/**
 * Rules for windows over images where a device is quick at large matrices and slow at many calls: the pixels under all
 * windows are gathered into one matrix, and what comes back to a pixel is gathered and summed. Images may have further
 * axes in front, as the replicas of a function are; these are products of matrices in one call.
 */
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, logicalOrder, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { fused } from './activations.js';
import { writerOf } from './elementwise.js';
import { product } from './matmul.js';
import { refuseWindowsOutside, sharesOfAverage } from './pooling.js';
import { summed } from './reductions.js';
import type { RuleCall, SingleRule } from './rule.js';
import {
  convolutionWindows,
  pixelAt,
  placesWithin,
  poolingWindows,
  refuseOtherWindows,
  type Windows,
} from './windows.js';

type Attributes = RuleCall['attributes'];

/** The axes before those of the images, or of a filter. */
const leading = ({ shape }: TraceSymbol): readonly number[] => shape.slice(0, -4);
const lastFour = ({ shape }: TraceSymbol): number[] => shape.slice(-4);

/** Logical order of `rank` axes, with the last four in `order`. */
const ordered = (rank: number, order: readonly number[]): number[] => [
  ...logicalOrder(rank - 4),
  ...order.map((axis) => axis + rank - 4),
];

/** For every window and every place in it the pixel, counted row by row; the one behind the last for the border. */
function pixelsUnder(windows: Windows): number[] {
  const within = placesWithin(windows.size);
  return placesWithin(windows.places).flatMap((window) => within.map((place) => pixelAt(windows, window, place)));
}

/** One more row behind those of values (images, rows, channels). */
const bordered = (graph: OnnxGraph, values: Value, filling: number): Value =>
  graph.padded(values, [0, 0, 0, 0, 1, 0], filling);

/** Rows of values (images, rows, channels). */
function rowsOf(graph: OnnxGraph, values: Value, indices: readonly number[]): Value {
  const [images, , channels] = graph.dims(values) as [number, number, number];
  const operands = [values, graph.constant('int32', [indices.length], indices)];
  return graph.node('Gather', operands, [images, indices.length, channels], { attributes: { axis: 1 } });
}

/** The pixels under every window, `(images, windows, places of a window, channels)`; `filling` on the border. */
function unfolded(graph: OnnxGraph, x: TraceSymbol, windows: Windows, filling: number): Value {
  const channels = x.shape.at(-1)!;
  const images = sizeOf(x.shape.slice(0, -3));
  const pixels = graph.reshape(arrange(graph, x), [images, sizeOf(windows.image), channels]);
  const indices = pixelsUnder(windows);
  const whole = indices.includes(sizeOf(windows.image)) ? bordered(graph, pixels, filling) : pixels;
  const dims = [images, sizeOf(windows.places), sizeOf(windows.size), channels];
  return graph.reshape(rowsOf(graph, whole, indices), dims);
}

/** For every pixel the rows (window, place) over it. Those of pixels that have fewer than others are filled with the row behind the last. */
function rowsOver(windows: Windows): { indices: number[]; most: number; hasBorder: boolean } {
  const over = Array.from({ length: sizeOf(windows.image) + 1 }, (): number[] => []);
  const under = pixelsUnder(windows);
  for (const [row, pixel] of under.entries()) over[pixel]!.push(row);
  over.pop();
  const most = Math.max(1, ...over.map((rows) => rows.length));
  const filled = over.flatMap((rows) => [...rows, ...new Array<number>(most - rows.length).fill(under.length)]);
  return { indices: filled, most, hasBorder: filled.includes(under.length) };
}

/** What comes back to every pixel, `(images, pixels, channels)`, of rows (window, place). */
function folded(graph: OnnxGraph, rows: Value, windows: Windows): Value {
  const { indices, most, hasBorder } = rowsOver(windows);
  const count = sizeOf(windows.places) * sizeOf(windows.size);
  const [images, present, channels] = graph.dims(rows) as [number, number, number];
  const whole = hasBorder && present === count ? bordered(graph, rows, 0) : rows;
  return summedWithin(graph, rowsOf(graph, whole, indices), [images, sizeOf(windows.image), most, channels]);
}

/** `values` seen as (images, rows, most, channels), summed over the third. */
function summedWithin(graph: OnnxGraph, values: Value, [images, rows, most, channels]: readonly number[]): Value {
  return most === 1 ? values : summed(graph, graph.reshape(values, [images!, rows!, most!, channels!]), 2);
}

const convolutionOf = (attributes: Attributes, image: readonly number[], filter: readonly number[]): Windows =>
  convolutionWindows(attributes as Parameters<typeof convolutionWindows>[0], image, filter);

/** The pixels under the windows as a matrix (image and window; place and channel). */
function columns(graph: OnnxGraph, x: TraceSymbol, windows: Windows): Value {
  const [batch, , , channels] = lastFour(x) as [number, number, number, number];
  const dims = [...leading(x), batch * sizeOf(windows.places), sizeOf(windows.size) * channels];
  return graph.reshape(unfolded(graph, x, windows, 0), dims);
}

const conv2D: SingleRule = ({ graph, inputs, attributes }) => {
  const { x, filter } = inputs as { x: TraceSymbol; filter: TraceSymbol };
  const windows = convolutionOf(attributes, lastFour(x), lastFour(filter));
  const [height, width, channels, out] = lastFour(filter) as [number, number, number, number];
  const weights = graph.reshape(arrange(graph, filter), [...leading(filter), height * width * channels, out]);
  const value = product(graph, columns(graph, x, windows), weights);
  const shape = [...graph.dims(value).slice(0, -2), ...windows.outShape];
  return symbolOf(graph, graph.reshape(value, shape), shape);
};

const conv2DBackpropInput: SingleRule = ({ graph, inputs, attributes }) => {
  const { dy, filter } = inputs as { dy: TraceSymbol; filter: TraceSymbol };
  const shape = attributes['inputShape'] as number[];
  const windows = convolutionOf(attributes, shape, lastFour(filter));
  refuseOtherWindows('Conv2DBackpropInput', windows, { ...dy, shape: lastFour(dy) });
  const [height, width, channels, out] = lastFour(filter) as [number, number, number, number];
  const places = height * width;
  const order = ordered(filter.shape.length, [3, 0, 1, 2]);
  const weights = graph.reshape(arrange(graph, filter, order), [...leading(filter), out, places * channels]);
  const images = sizeOf(dy.shape.slice(0, -3));
  let rows = sizeOf(windows.places);
  let gradient = graph.reshape(arrange(graph, dy), [images, rows, out]);
  if (rowsOver(windows).hasBorder) {
    // Cheaper here than behind the product.
    gradient = bordered(graph, gradient, 0);
    rows += 1;
  }
  const value = product(graph, graph.reshape(gradient, [...leading(dy), dy.shape.at(-4)! * rows, out]), weights);
  const lead = graph.dims(value).slice(0, -2);
  const back = folded(graph, graph.reshape(value, [sizeOf(lead) * shape[0]!, rows * places, channels]), windows);
  return symbolOf(graph, graph.reshape(back, [...lead, ...shape]), [...lead, ...shape]);
};

const conv2DBackpropFilter: SingleRule = ({ graph, inputs, attributes }) => {
  const { x, dy } = inputs as { x: TraceSymbol; dy: TraceSymbol };
  const filter = attributes['filterShape'] as number[];
  const windows = convolutionOf(attributes, lastFour(x), filter);
  refuseOtherWindows('Conv2DBackpropFilter', windows, { ...dy, shape: lastFour(dy) });
  const [height, width, channels, out] = filter as [number, number, number, number];
  const value = filterProduct(graph, { x, dy, windows });
  const lead = graph.dims(value).slice(0, -2);
  const shape = [...lead, ...filter];
  const outFirst = graph.reshape(value, [...lead, out, height, width, channels]);
  return symbolOf(graph, outFirst, shape, ordered(shape.length, [3, 0, 1, 2]));
};

// A filter of fewer weights is one tile of a product: summing over all images in it would leave the device idle.
const tileMax = 1024;

/** dy as a matrix (out; image and window) times the columns of x, `(..., out, place and channel)`. */
function filterProduct(
  graph: OnnxGraph,
  { x, dy, windows }: { x: TraceSymbol; dy: TraceSymbol; windows: Windows },
): Value {
  const [batch, , , out] = lastFour(dy) as [number, number, number, number];
  const count = sizeOf(windows.places);
  const under = columns(graph, x, windows);
  const rank = dy.shape.length;
  if (out * graph.dims(under).at(-1)! > tileMax) {
    const gradients = arrange(graph, dy, ordered(rank, [3, 0, 1, 2]));
    return product(graph, graph.reshape(gradients, [...leading(dy), out, batch * count]), under);
  }
  const gradients = graph.reshape(arrange(graph, dy, ordered(rank, [0, 3, 1, 2])), [...leading(dy), batch, out, count]);
  const images = graph.reshape(under, [...leading(x), batch, count, graph.dims(under).at(-1)!]);
  const apart = product(graph, gradients, images);
  return summed(graph, apart, graph.dims(apart).length - 3);
}

const poolingOf = (attributes: Attributes, x: TraceSymbol): Windows =>
  poolingWindows(attributes as Parameters<typeof poolingWindows>[0], { ...x, shape: lastFour(x) });

const shapeBehind = (x: TraceSymbol, shape: readonly number[]): number[] => [...leading(x), ...shape];

// Less than every number on an image.
const lowest = { float32: -Infinity, int32: -(2 ** 31), bool: 0 } as const;

const maxPool: SingleRule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const windows = poolingOf(attributes, x);
  refuseWindowsOutside('MaxPool', windows);
  const under = unfolded(graph, x, windows, lowest[x.dtype]);
  const shape = shapeBehind(x, windows.outShape);
  return symbolOf(graph, graph.reshape(largest(graph, under), shape), shape);
};

/** The largest of each window, `(images, windows, 1, channels)`. */
function largest(graph: OnnxGraph, under: Value): Value {
  const [images, windows, , channels] = graph.dims(under) as [number, number, number, number];
  const operands = [under, graph.constant('int64', [1], [2])];
  return graph.node('ReduceMax', operands, [images, windows, 1, channels], { attributes: { keepdims: 1 } });
}

/** All of a window's gradient goes to its first largest element. */
const maxPoolGrad: SingleRule = ({ graph, inputs, attributes }) => {
  const { dy, input } = inputs as { dy: TraceSymbol; input: TraceSymbol };
  const windows = poolingOf(attributes, input);
  refuseOtherWindows('MaxPoolGrad', windows, { ...dy, shape: lastFour(dy) });
  const write = writerOf(graph);
  const under = unfolded(graph, input, windows, lowest[input.dtype]);
  const [images, count, places, channels] = graph.dims(under) as [number, number, number, number];
  // The earlier in the window, the larger.
  const earliness = graph.constant(
    'float32',
    [places, 1],
    Array.from({ length: places }, (_, place) => places - place),
  );
  const candidates = write('Where', write('Equal', under, largest(graph, under)), earliness, 0);
  const gradient = graph.reshape(arrange(graph, dy), [images, count, 1, channels]);
  const shares = write('Where', write('Equal', candidates, largest(graph, candidates)), gradient, 0);
  const back = folded(graph, graph.reshape(shares, [images, count * places, channels]), windows);
  return symbolOf(graph, graph.reshape(back, input.shape), input.shape);
};

/** `rows` (images, windows, channels), each divided by the number of pixels in its window. */
function divided(graph: OnnxGraph, rows: Value, windows: Windows): Value {
  const weights = graph.constant('float32', [sizeOf(windows.places), 1], sharesOfAverage(windows));
  return writerOf(graph)('Mul', rows, weights);
}

const avgPool: SingleRule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const windows = poolingOf(attributes, x);
  refuseWindowsOutside('AvgPool', windows);
  const under = unfolded(graph, x, windows, 0);
  const value = divided(graph, summedWithin(graph, under, graph.dims(under)), windows);
  const shape = shapeBehind(x, windows.outShape);
  return symbolOf(graph, graph.reshape(value, shape), shape);
};

const avgPoolGrad: SingleRule = ({ graph, inputs, attributes }) => {
  const { dy, input } = inputs as { dy: TraceSymbol; input: TraceSymbol };
  const windows = poolingOf(attributes, input);
  refuseOtherWindows('AvgPoolGrad', windows, { ...dy, shape: lastFour(dy) });
  const [images, channels] = [sizeOf(dy.shape.slice(0, -3)), dy.shape.at(-1)!];
  const count = sizeOf(windows.places);
  const shares = divided(graph, graph.reshape(arrange(graph, dy), [images, count, channels]), windows);
  // Every place of a window gets the same.
  const { indices, most, hasBorder } = rowsOver(windows);
  const rows = rowsOf(
    graph,
    hasBorder ? bordered(graph, shares, 0) : shares,
    indices.map((row) => Math.floor(row / sizeOf(windows.size))),
  );
  const back = summedWithin(graph, rows, [images, sizeOf(windows.image), most, channels]);
  return symbolOf(graph, graph.reshape(back, input.shape), input.shape);
};

/** The same rules for images that have their channels before their pixels. */
const eitherFormat =
  (rule: SingleRule, images: readonly string[]): SingleRule =>
  (call) => {
    if (call.attributes['dataFormat'] !== 'NCHW') return rule(call);
    const inputs = Object.fromEntries(
      Object.entries(call.inputs).map(([name, x]) => [name, images.includes(name) ? moved(x, [0, 2, 3, 1]) : x]),
    );
    const [batch, channels, height, width] = (call.attributes['inputShape'] as number[] | undefined) ?? [];
    const attributes = { ...call.attributes, dataFormat: 'NHWC', inputShape: [batch, height, width, channels] };
    const result = rule({ ...call, inputs, attributes });
    return images.length === 2 ? result : moved(result, [0, 3, 1, 2]);
  };

/** The last four axes in another logical order; nothing moves. */
function moved(x: TraceSymbol, permutation: readonly number[]): TraceSymbol {
  const axes = ordered(x.shape.length, permutation);
  return { ...x, shape: axes.map((axis) => x.shape[axis]!), order: x.order.map((axis) => axes.indexOf(axis)) };
}

export const unfoldedRules: Readonly<Record<string, SingleRule>> = {
  Conv2D: eitherFormat(conv2D, ['x']),
  Conv2DBackpropInput: eitherFormat(conv2DBackpropInput, ['dy']),
  Conv2DBackpropFilter: eitherFormat(conv2DBackpropFilter, ['x', 'dy']),
  FusedConv2D: fused('FusedConv2D', conv2D),
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGrad,
  AvgPool: avgPool,
  AvgPoolGrad: avgPoolGrad,
};
