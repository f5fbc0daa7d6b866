/** Rules for pooling, forward and backward. */
import type { OnnxGraph, Place, Value } from '../onnx.js';
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { writerOf } from './elementwise.js';
import { cannotCompile, type Rule, type RuleCall } from './rule.js';
import { integers } from './shapes.js';
import { bordered, imagesNCHW, placesWithin, poolingWindows, refuseOtherWindows, type Windows } from './windows.js';

const geometry = (attributes: RuleCall['attributes'], x: TraceSymbol): Windows =>
  poolingWindows(attributes as unknown as Parameters<typeof poolingWindows>[0], x);

/** Refuses windows that may lie outside of the image as a whole. */
export function refuseWindowsOutside(kernel: string, { pads, size }: Windows): void {
  if (pads.some((extent, side) => extent >= size[side % 2]!)) {
    throw cannotCompile(kernel, 'with windows that lie outside of the image', 'pad by less than a window');
  }
}

function pool(kernel: string, operator: string): Rule {
  return ({ graph, inputs, attributes }) => {
    const x = inputs['x']!;
    const windows = geometry(attributes, x);
    const { outShape: shape, size, strides, pads } = windows;
    refuseWindowsOutside(kernel, windows);
    const images = arrange(graph, x, imagesNCHW);
    const dims = physicalDims(shape, imagesNCHW);
    const apart = sampledOf(graph, images, windows) !== undefined || areSmallTiles(windows);
    const value =
      kernel === 'MaxPool' && apart
        ? graph.node('Max', phases(graph, images, windows), dims)
        : graph.node(operator, [images], dims, { attributes: { kernel_shape: size, strides, pads } });
    graph.operations += sizeOf(x.shape);
    return symbolOf(graph, value, shape, imagesNCHW);
  };
}

/** True for windows without a border that share no pixel. */
const lieApart = ({ strides, size, pads }: Windows): boolean =>
  strides[0] >= size[0] && strides[1] >= size[1] && pads.every((extent) => extent === 0);

/**
 * How to have the elements of an image at one place of every window without computing the rest, if that is known
 * and pays: pixels that several windows share would be computed several times.
 */
function sampledOf(graph: OnnxGraph, images: Value, windows: Windows): ((place: Place) => Value) | undefined {
  const sampled = lieApart(windows) ? graph.facts.sampled.get(images) : undefined;
  return sampled && ((place) => sampled(place, { strides: windows.strides, count: windows.places }));
}

/** True for small windows that cover the image, each pixel once. */
const areSmallTiles = (windows: Windows): boolean => {
  const { image, places, size } = windows;
  return lieApart(windows) && sizeOf(size) <= 4 && [0, 1].every((axis) => places[axis]! * size[axis]! === image[axis]);
};

/**
 * The elements of `x` at each place of windows that cover it. Columns are told apart by a transpose and rows by a split:
 * 0.06 ms for LeNet-5's second pooling, where MaxPool and Slices with steps take 0.13.
 */
function tilePhases(graph: OnnxGraph, x: Value, { places, size: [height, width] }: Windows): Value[] {
  const type = graph.type(x);
  const windows = sizeOf(graph.dims(x)) / (height * width);
  const rows = windows / places[1];
  const columns = graph.transpose(graph.reshape(x, [windows * height, width]), [1, 0]);
  const split = (value: Value, axis: number, dims: readonly number[], count: number): readonly Value[] => {
    const outputs = Array.from({ length: count }, () => ({ dims, type }));
    return graph.nodeOf('Split', [value], outputs, { axis, num_outputs: count });
  };
  const apart = split(graph.reshape(columns, [width, rows, height, places[1]]), 2, [width, rows, 1, places[1]], height);
  return apart
    .flatMap((row) => split(row, 0, [1, rows, 1, places[1]], width))
    .map((part) => graph.reshape(part, [...graph.dims(x).slice(0, 2), ...places]));
}

/** The elements of the padded image `x` (batch, channels, height, width) at each place of every window. */
function phases(graph: OnnxGraph, x: Value, windows: Windows): Value[] {
  if (sampledOf(graph, x, windows) === undefined && areSmallTiles(windows)) return tilePhases(graph, x, windows);
  return placesWithin(windows.size).map((place) => phase(graph, x, place, windows));
}

/** The elements of the padded image `x` (batch, channels, height, width) at one place of every window. */
function phase(graph: OnnxGraph, x: Value, at: Place, windows: Windows): Value {
  const sampled = sampledOf(graph, x, windows);
  if (sampled !== undefined) return sampled(at);
  const { places, strides } = windows;
  const ends = [0, 1].map((axis) => at[axis]! + (places[axis]! - 1) * strides[axis]! + 1);
  const operands = [at, ends, [2, 3], strides].map((list) => integers(graph, list));
  return graph.node('Slice', [x, ...operands], [...graph.dims(x).slice(0, 2), ...places]);
}

/** The images of a pooling, what it made of them, and the gradient by that, all in NCHW. */
interface Pooled {
  readonly x: Value;
  readonly y: Value;
  readonly dy: Value;
  readonly windows: Windows;
}

/**
 * The number (int32) of the place of each window that holds its first largest element. TensorFlow.js sends all of
 * the window's gradient there.
 */
function winners(graph: OnnxGraph, { x, y, windows }: Pooled, numberOf: (place: Place) => number): Value {
  const write = writerOf(graph);
  const elements = phases(graph, x, windows);
  const [last, ...earlier] = placesWithin(windows.size)
    .map((place, index) => ({ place, element: elements[index]! }))
    .reverse();
  const found = earlier.reduce(
    (later, { place, element }) => write('Where', write('Equal', element, y), numberOf(place), later),
    graph.constant('int32', [], [numberOf(last!.place)]),
  );
  return graph.expand(found, graph.dims(y));
}

/**
 * What comes back to each place of every window: all of it to the first largest element. What is left after a place
 * is a difference, because ONNX Runtime subtracts thrice as fast as it chooses.
 */
function shares(graph: OnnxGraph, { x, y, dy, windows }: Pooled): Value[] {
  const write = writerOf(graph);
  let left = dy;
  return phases(graph, x, windows).map((element, index, { length }) => {
    if (index === length - 1) return left;
    const share = write('Where', write('Equal', element, y), left, 0);
    left = write('Sub', left, share);
    return share;
  });
}

const maxPoolGrad: Rule = ({ graph, inputs, attributes }) => {
  const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', TraceSymbol>;
  const windows = geometry(attributes, input);
  refuseOtherWindows('MaxPoolGrad', windows, dy);
  const [x, y, gradient] = [input, output, dy].map((symbol) => arrange(graph, symbol, imagesNCHW));
  const pooled = { x: x!, y: y!, dy: gradient!, windows };
  return symbolOf(graph, (lieApart(windows) ? scattered : added)(graph, pooled), input.shape, imagesNCHW);
};

/** Where windows lie apart, every pixel gets at most one gradient. */
function scattered(graph: OnnxGraph, pooled: Pooled): Value {
  const { x, y, dy, windows } = pooled;
  const { places, strides } = windows;
  const write = writerOf(graph);
  const dims = graph.dims(x);
  const [images, pixels] = [dims[0]! * dims[1]!, dims[2]! * dims[3]!];
  const flat = (value: Value): Value => graph.reshape(value, [images, sizeOf(places)]);
  const pixelOf = ([row, column]: Place): number => row * windows.image[1] + column;
  const corners = Array.from({ length: sizeOf(places) }, (_, window) =>
    pixelOf([Math.floor(window / places[1]) * strides[0], (window % places[1]) * strides[1]]),
  );
  const within = winners(graph, pooled, pixelOf);
  const pixel = flat(write('Add', within, graph.constant('int32', [1, 1, ...places], corners)));
  const zeros = graph.expand(graph.constant('float32', [], [0]), [images, pixels]);
  const scatter = (gradient: Value): Value => {
    const operands = [zeros, pixel, flat(gradient)];
    const value = graph.reshape(
      graph.node('ScatterElements', operands, [images, pixels], { attributes: { axis: 1 } }),
      dims,
    );
    if (strides.join() === windows.size.join()) {
      const grid = { strides, count: places };
      graph.facts.scattered.set(value, { gradient, grid, shares: () => shares(graph, { ...pooled, dy: gradient }) });
    }
    return value;
  };
  const value = scatter(dy);
  // What comes back where x is positive is what comes back for the windows whose maximum is.
  const whereInputIsPositive = (): Value => scatter(write('Where', write('Greater', y, 0), dy, 0));
  graph.facts.pooledGradients.set(value, { input: x, whereInputIsPositive });
  return value;
}

/**
 * Where windows overlap, a transposed convolution adds up what each place of each window gets. (Scattering sums
 * would do it too, but on a GPU in another order at each run.)
 */
function added(graph: OnnxGraph, pooled: Pooled): Value {
  const { windows } = pooled;
  const { places, size, pads } = windows;
  // One channel an image: all channels are treated alike. No maximum lies on the border.
  const [x, y, dy] = [pooled.x, pooled.y, pooled.dy].map((value) =>
    graph.reshape(value, oneChannel(graph.dims(value))),
  );
  const inside = pads.every((extent) => extent === 0) ? x! : bordered(graph, x!, pads, -Infinity);
  const parts = shares(graph, { x: inside, y: y!, dy: dy!, windows });
  const stacked = graph.node('Concat', parts, [graph.dims(x!)[0]!, parts.length, ...places], {
    attributes: { axis: 1 },
  });
  const filter = parts.flatMap((_, place) => parts.map((__, other) => (other === place ? 1 : 0)));
  const filters = graph.constant('float32', [parts.length, 1, ...size], filter);
  return graph.reshape(spread(graph, stacked, filters, windows), graph.dims(pooled.x));
}

const oneChannel = ([batch, channels, ...image]: readonly number[]): number[] => [batch! * channels!, 1, ...image];

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
  refuseOtherWindows('AvgPoolGrad', windows, dy);
  const { places, size } = windows;
  const gradient = arrange(graph, dy, imagesNCHW);
  const dims = oneChannel(graph.dims(gradient));
  const weights = graph.constant('float32', [1, 1, ...places], sharesOfAverage(windows));
  const weighted = graph.node('Mul', [graph.reshape(gradient, dims), weights], dims);
  const ones = graph.expand(graph.constant('float32', [], [1]), [1, 1, ...size]);
  const value = graph.reshape(spread(graph, weighted, ones, windows), physicalDims(input.shape, imagesNCHW));
  return symbolOf(graph, value, input.shape, imagesNCHW);
};

/** One over the number of pixels in each window. */
export function sharesOfAverage({ places, size, strides, pads, image }: Windows): number[] {
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
