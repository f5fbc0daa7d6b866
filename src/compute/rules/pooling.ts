/** Rules for pooling, forward and backward. */
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { writerOf } from './elementwise.js';
import { cannotCompile, type Rule, type RuleCall } from './rule.js';
import { integers } from './shapes.js';
import { bordered, imagesNCHW, poolingWindows, refuseOtherWindows, type Windows } from './windows.js';

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
 * Where in its image, counted row by row, the first largest element of each window lies (int32). TensorFlow.js
 * sends all of the window's gradient there.
 */
function maxima(graph: OnnxGraph, { x, y }: Record<'x' | 'y', Value>, windows: Windows): Value {
  const write = writerOf(graph);
  const { image, strides, pads, places } = windows;
  const index = ([row, column]: readonly [number, number]): number => row * image[1] + column;
  const padded = pads.some((extent) => extent > 0);
  // No maximum lies on the border.
  const whole = padded ? bordered(graph, x, pads, -Infinity) : x;
  const [last, ...earlier] = placesOf(windows).reverse();
  const within = earlier.reduce(
    (later, at) => write('Where', write('Equal', phase(graph, whole, at, windows), y), index(at), later),
    graph.constant('int32', [], [index(last!)]),
  );
  const starts = Array.from({ length: places[0] * places[1] }, (_, window) =>
    index([Math.floor(window / places[1]) * strides[0] - pads[0], (window % places[1]) * strides[1] - pads[1]]),
  );
  const found = write('Add', within, graph.constant('int32', [1, 1, ...places], starts));
  // Where a window holds NaN nothing is found, and its last place may lie on the border.
  const safe = padded ? write('Clip', found, 0, image[0] * image[1] - 1) : found;
  return graph.expand(safe, graph.dims(y));
}

const maxPoolGrad: Rule = ({ graph, inputs, attributes }) => {
  const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', TraceSymbol>;
  const windows = geometry(attributes, input);
  refuseOtherWindows('MaxPoolGrad', windows, dy);
  const [x, y, gradient] = [input, output, dy].map((symbol) => arrange(graph, symbol, imagesNCHW)) as [
    Value,
    Value,
    Value,
  ];
  const dims = graph.dims(x);
  const [images, pixels] = [dims[0]! * dims[1]!, dims[2]! * dims[3]!];
  const flat = (value: Value): Value => graph.reshape(value, [images, sizeOf(windows.places)]);
  const zeros = graph.expand(graph.constant('float32', [], [0]), [images, pixels]);
  const places = flat(maxima(graph, { x, y }, windows));
  const overlap = [0, 1].some((axis) => windows.strides[axis]! < windows.size[axis]!);
  const scattered = (values: Value): Value => {
    const whole = graph.node('ScatterElements', [zeros, places, flat(values)], [images, pixels], {
      attributes: { axis: 1, reduction: overlap ? 'add' : 'none' },
    });
    return graph.reshape(whole, dims);
  };
  const value = scattered(gradient);
  // What comes back where x is positive is what comes back for the windows whose maximum is.
  graph.facts.pooledGradients.set(value, {
    input: x,
    whereInputIsPositive: () => scattered(writerOf(graph)('Where', writerOf(graph)('Greater', y, 0), gradient, 0)),
  });
  return symbolOf(graph, value, input.shape, imagesNCHW);
};

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
