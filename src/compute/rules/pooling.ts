/** Rules for pooling, forward and backward. */
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { writerOf } from './elementwise.js';
import { cannotCompile, type Rule, type RuleCall } from './rule.js';
import { integers } from './shapes.js';
import { imagesNCHW, poolingWindows, type Windows } from './windows.js';

const geometry = (attributes: RuleCall['attributes'], x: TraceSymbol): Windows =>
  poolingWindows(attributes as unknown as Parameters<typeof poolingWindows>[0], x);

function pool(kernel: string, operator: string): Rule {
  return ({ graph, inputs, attributes }) => {
    const x = inputs['x']!;
    const { outShape: shape, size, strides, pads } = geometry(attributes, x);
    if (pads.some((extent, side) => extent >= size[side % 2]!)) {
      throw cannotCompile(kernel, 'with windows that lie outside of the image', 'pad by less than a window');
    }
    const value = graph.node(operator, [arrange(graph, x, imagesNCHW)], physicalDims(shape, imagesNCHW), {
      attributes: { kernel_shape: size, strides, pads },
    });
    graph.operations += sizeOf(x.shape);
    return symbolOf(graph, value, shape, imagesNCHW);
  };
}

/** Every place of a window, row by row. */
const placesOf = ({ size: [height, width] }: Windows): [number, number][] =>
  Array.from({ length: height * width }, (_, index) => [Math.floor(index / width), index % width]);

/** The elements of the padded image `x` (batch, channels, height, width) at one place of every window. */
function phase(graph: OnnxGraph, x: Value, at: readonly [number, number], { places, strides }: Windows): Value {
  const ends = [0, 1].map((axis) => at[axis]! + (places[axis]! - 1) * strides[axis]! + 1);
  const operands = [at, ends, [2, 3], strides].map((list) => integers(graph, list));
  return graph.node('Slice', [x, ...operands], [...graph.dims(x).slice(0, 2), ...places]);
}

/**
 * What flows back to every place of the windows: all of a window's gradient to its first largest element in
 * row-major order, as TensorFlow.js has it.
 */
function shares(graph: OnnxGraph, { x, y, dy }: Record<'x' | 'y' | 'dy', Value>, windows: Windows): Value[] {
  const write = writerOf(graph);
  let remaining = dy;
  return placesOf(windows).map((at, index, all) => {
    // What no earlier place took belongs to the last one.
    if (index === all.length - 1) return remaining;
    const hit = write('Equal', phase(graph, x, at, windows), y);
    const share = write('Where', hit, remaining, 0);
    remaining = write('Where', hit, 0, remaining);
    return share;
  });
}

const maxPoolGrad: Rule = ({ graph, inputs, attributes }) => {
  const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', TraceSymbol>;
  const windows = geometry(attributes, input);
  const [x, y, gradient] = [input, output, dy].map((symbol) => arrange(graph, symbol, imagesNCHW));
  const images = { x: x!, y: y!, dy: gradient! };
  const value = tiles(windows) ? tiled(graph, images, windows) : overlapping(graph, images, windows);
  return symbolOf(graph, value, input.shape, imagesNCHW);
};

/** True for square windows that cover the image once. */
function tiles({ size, strides, places, image }: Windows): boolean {
  const once = [0, 1].every((axis) => strides[axis] === size[axis] && image[axis] === places[axis]! * size[axis]!);
  return once && size[0] === size[1];
}

/** The shares of the places become pixels. */
function tiled(graph: OnnxGraph, images: Record<'x' | 'y' | 'dy', Value>, windows: Windows): Value {
  const parts = shares(graph, images, windows);
  const [batch, channels] = graph.dims(images.x) as [number, number];
  const stacked = graph.node('Concat', parts, [batch, parts.length * channels, ...windows.places], {
    attributes: { axis: 1 },
  });
  const attributes = { blocksize: windows.size[0], mode: 'DCR' };
  return graph.node('DepthToSpace', [stacked], graph.dims(images.x), { attributes });
}

/** A transposed convolution adds the shares of the places where they belong. */
function overlapping(graph: OnnxGraph, images: Record<'x' | 'y' | 'dy', Value>, windows: Windows): Value {
  const dims = graph.dims(images.x);
  // One channel an image: all channels are treated alike.
  const [x, y, dy] = [images.x, images.y, images.dy].map((value) =>
    graph.reshape(value, oneChannel(graph.dims(value))),
  );
  const parts = shares(graph, { x: bordered(graph, x!, windows), y: y!, dy: dy! }, windows);
  const { places, size } = windows;
  const stacked = graph.node('Concat', parts, [graph.dims(x!)[0]!, parts.length, ...places], {
    attributes: { axis: 1 },
  });
  const filter = placesOf(windows).flatMap((_, place) => parts.map((__, other) => (other === place ? 1 : 0)));
  return graph.reshape(
    spread(graph, stacked, graph.constant('float32', [parts.length, 1, ...size], filter), windows),
    dims,
  );
}

const oneChannel = ([batch, channels, ...image]: readonly number[]): number[] => [batch! * channels!, 1, ...image];

/** The image inside a border that no maximum lies on. */
function bordered(graph: OnnxGraph, x: Value, { image, pads }: Windows): Value {
  if (pads.every((extent) => extent === 0)) return x;
  const [top, left, bottom, right] = pads;
  const operands = [
    x,
    integers(graph, [0, 0, top, left, 0, 0, bottom, right]),
    graph.constant('float32', [], [-Infinity]),
  ];
  return graph.node('Pad', operands, [graph.dims(x)[0]!, 1, top + image[0] + bottom, left + image[1] + right]);
}

/** `filter` times every element of `values`, added where its window lies in the image. */
function spread(graph: OnnxGraph, values: Value, filter: Value, { image, pads, strides, skipped }: Windows): Value {
  const dims = [graph.dims(values)[0]!, 1, ...image];
  graph.operations += 2 * sizeOf(graph.dims(values)) * sizeOf(graph.dims(filter).slice(2));
  return graph.node('ConvTranspose', [values, filter], dims, {
    attributes: { pads, strides, output_padding: skipped },
  });
}

/**
 * An average's gradient is shared equally among the pixels of the window, without the border. (The `cpu` backend
 * of TensorFlow.js counts the border here, though not in the average itself.)
 */
const avgPoolGrad: Rule = ({ graph, inputs, attributes }) => {
  const { dy, input } = inputs as { dy: TraceSymbol; input: TraceSymbol };
  const windows = geometry(attributes, input);
  const { places, size } = windows;
  const gradient = arrange(graph, dy, imagesNCHW);
  const weights = graph.constant('float32', [1, 1, ...places], sharesOfAverage(windows));
  const weighted = graph.node(
    'Mul',
    [graph.reshape(gradient, oneChannel(graph.dims(gradient))), weights],
    oneChannel(graph.dims(gradient)),
  );
  const ones = graph.constant(
    'float32',
    [1, 1, ...size],
    Array.from({ length: size[0] * size[1] }, () => 1),
  );
  const value = graph.reshape(spread(graph, weighted, ones, windows), physicalDims(input.shape, imagesNCHW));
  return symbolOf(graph, value, input.shape, imagesNCHW);
};

/** One over the number of pixels in each window. */
function sharesOfAverage({ places, size, strides, pads, image }: Windows): number[] {
  const [rows, columns] = [0, 1].map((axis) =>
    Array.from({ length: places[axis]! }, (_, place) => {
      const start = place * strides[axis]! - pads[axis]!;
      return Math.min(start + size[axis]!, image[axis]!) - Math.max(start, 0);
    }),
  );
  return rows!.flatMap((height) => columns!.map((width) => 1 / (height * width)));
}

export const poolingRules: Readonly<Record<string, Rule>> = {
  MaxPool: pool('MaxPool', 'MaxPool'),
  AvgPool: pool('AvgPool', 'AveragePool'),
  MaxPoolGrad: maxPoolGrad,
  AvgPoolGrad: avgPoolGrad,
};
