/** Rules for pooling, forward and backward. */
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, physicalDims, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import { writerOf } from './elementwise.js';
import { beforeMonotone, factsOf, type Phases } from './facts.js';
import { cannotCompile, type Rule, type RuleCall, type SingleRule } from './rule.js';
import { integers } from './shapes.js';
import {
  bordered,
  imagesHWNC,
  imagesNCHW,
  placesWithin,
  poolingWindows,
  refuseOtherWindows,
  type Place,
  type Windows,
} from './windows.js';

const geometry = (attributes: RuleCall['attributes'], x: TraceSymbol): Windows =>
  poolingWindows(attributes as unknown as Parameters<typeof poolingWindows>[0], x);

/** Refuses windows that may lie outside of the image as a whole. */
export function refuseWindowsOutside(kernel: string, { pads, size }: Windows): void {
  if (pads.some((extent, side) => extent >= size[side % 2]!)) {
    throw cannotCompile(kernel, 'with windows that lie outside of the image', 'pad by less than a window');
  }
}

const pool =
  (kernel: string, operator: string): SingleRule =>
  ({ graph, inputs, attributes }) => {
    const x = inputs['x']!;
    const windows = geometry(attributes, x);
    const { outShape: shape, size, strides, pads } = windows;
    refuseWindowsOutside(kernel, windows);
    graph.operations += sizeOf(x.shape);
    const value = graph.node(operator, [arrange(graph, x, imagesNCHW)], physicalDims(shape, imagesNCHW), {
      attributes: { kernel_shape: size, strides, pads },
    });
    return symbolOf(graph, value, shape, imagesNCHW);
  };

/** True for windows without a border that share no pixel. */
const lieApart = ({ strides, size, pads }: Windows): boolean =>
  strides[0] >= size[0] && strides[1] >= size[1] && pads.every((extent) => extent === 0);

/** Where windows lie apart, the pixels at each place of theirs are compared. */
const maxPool: SingleRule = (call) => {
  const { graph, inputs, attributes } = call;
  const windows = geometry(attributes, inputs['x']!);
  if (!lieApart(windows)) return pool('MaxPool', 'MaxPool')(call);
  graph.operations += sizeOf(inputs['x']!.shape);
  // The largest of what a monotone function gives is what it gives for the largest.
  const { of, apply } = beforeMonotone(graph, inputs['x']!);
  const phases = phasesOf(graph, of, windows);
  return apply(symbolOf(graph, largest(graph, phases), windows.outShape, phases.order));
};

/** The pixels of `x` at each place of windows without a border. */
function phasesOf(graph: OnnxGraph, x: TraceSymbol, windows: Windows): Phases {
  const phases = factsOf(graph).phased.get(x)?.(windows);
  if (phases !== undefined) return phases;
  const images = arrange(graph, x, imagesHWNC);
  const values = placesWithin(windows.size).map((place) => phase(graph, images, place, windows, [0, 1]));
  return { values, order: imagesHWNC };
}

/** The elements of padded images at one place of every window; `axes` are those of rows and columns. */
function phase(graph: OnnxGraph, images: Value, at: Place, { places, strides }: Windows, axes: Place): Value {
  const ends = [0, 1].map((axis) => at[axis]! + (places[axis]! - 1) * strides[axis]! + 1);
  const operands = [at, ends, axes, strides].map((list) => integers(graph, list));
  const dims = graph.dims(images).map((extent, axis) => places[axes.indexOf(axis)] ?? extent);
  return graph.node('Slice', [images, ...operands], dims);
}

// One Max of all takes half as long again.
const largest = (graph: OnnxGraph, { values }: Phases): Value =>
  values.reduce((most, value) => graph.node('Max', [most, value], graph.dims(value)));

/**
 * What comes back to each place of every window: all of `gradient` to the first element that is the largest. (So does
 * TensorFlow.js.) What is left after a place is a difference, because ONNX Runtime subtracts thrice as fast as it chooses.
 */
function sharesOf(graph: OnnxGraph, elements: readonly Value[], most: Value, gradient: Value): Value[] {
  const write = writerOf(graph);
  let left = gradient;
  return elements.map((element, index, { length }) => {
    if (index === length - 1) return left;
    const share = write('Where', write('Equal', element, most), left, 0);
    left = write('Sub', left, share);
    return share;
  });
}

interface MaxPooled {
  readonly dy: TraceSymbol;
  readonly input: TraceSymbol;
  readonly output: TraceSymbol;
  readonly windows: Windows;
}

const maxPoolGrad: Rule = ({ graph, inputs, attributes }) => {
  const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', TraceSymbol>;
  const windows = geometry(attributes, input);
  refuseOtherWindows('MaxPoolGrad', windows, dy);
  return (lieApart(windows) ? scattered : added)(graph, { dy, input, output, windows });
};

/** Where windows lie apart, every pixel gets at most one gradient. */
function scattered(graph: OnnxGraph, { dy, input, output, windows }: MaxPooled): TraceSymbol {
  const phases = phasesOf(graph, beforeMonotone(graph, input).of, windows);
  const { order } = phases;
  const facts = factsOf(graph);
  const scatter = (gradient: Value): TraceSymbol => {
    const shares = (): Value[] => sharesOf(graph, phases.values, largest(graph, phases), gradient);
    const result = symbolOf(graph, assembled(graph, shares(), order, windows), input.shape, order);
    facts.scattered.set(result, { windows, gradient, shares, order });
    return result;
  };
  const [gradient, y] = [dy, output].map((symbol) => arrange(graph, symbol, order)) as [Value, Value];
  const result = scatter(gradient);
  // What comes back where x is positive is what comes back for the windows whose maximum is.
  const write = writerOf(graph);
  const whereInputIsPositive = (): TraceSymbol => scatter(write('Where', write('Greater', y, 0), gradient, 0));
  facts.pooledGradients.set(result, { input, whereInputIsPositive });
  return result;
}

/** Images that have `parts` at the places of windows that lie apart, and zeros elsewhere. */
function assembled(graph: OnnxGraph, parts: readonly Value[], order: readonly number[], windows: Windows): Value {
  const { size, strides, image } = windows;
  const [rowAxis, columnAxis] = [order.indexOf(1), order.indexOf(2)];
  const rows = Array.from({ length: size[0] }, (_, row) =>
    interleaved(graph, parts.slice(row * size[1], (row + 1) * size[1]), columnAxis, [strides[1], image[1]]),
  );
  return interleaved(graph, rows, rowAxis, [strides[0], image[0]]);
}

/** Along `axis` the first elements of all parts, then the second ones, `stride` apart, with zeros between and behind them. */
function interleaved(graph: OnnxGraph, parts: readonly Value[], axis: number, [stride, extent]: Place): Value {
  const dims = graph.dims(parts[0]!);
  const [before, count, behind] = [dims.slice(0, axis), dims[axis]!, dims.slice(axis + 1)];
  const sized = (length: number): number[] => [...before, length, ...behind];
  const type = graph.type(parts[0]!);
  const zeros = graph.expand(graph.constant(type, [], [0]), dims);
  const all = Array.from({ length: stride }, (_, place) => parts[place] ?? zeros);
  const columns = all.map((part) => graph.reshape(part, [...before, count, 1, ...behind]));
  const stacked = graph.node('Concat', columns, [...before, count, stride, ...behind], {
    attributes: { axis: axis + 1 },
  });
  const whole = graph.reshape(stacked, sized(count * stride));
  const missing = extent - count * stride;
  if (missing <= 0) return graph.cropped(whole, sized(extent));
  return graph.padded(whole, [...dims.map(() => 0), ...dims.map((_, at) => (at === axis ? missing : 0))]);
}

/**
 * Where windows overlap, a transposed convolution adds up what each place of each window gets. (Scattering sums
 * would do it too, but on a GPU in another order at each run.)
 */
function added(graph: OnnxGraph, pooled: MaxPooled): TraceSymbol {
  const { windows, input, output } = pooled;
  const { places, size, pads } = windows;
  // One channel an image: all channels are treated alike. No maximum lies on the border.
  const [x, y, dy] = [input, output, pooled.dy].map((symbol) => {
    const images = arrange(graph, symbol, imagesNCHW);
    return graph.reshape(images, oneChannel(graph.dims(images)));
  });
  const inside = pads.every((extent) => extent === 0) ? x! : bordered(graph, x!, pads, -Infinity);
  const elements = placesWithin(size).map((place) => phase(graph, inside, place, windows, [2, 3]));
  const parts = sharesOf(graph, elements, y!, dy!);
  const stacked = graph.node('Concat', parts, [graph.dims(x!)[0]!, parts.length, ...places], {
    attributes: { axis: 1 },
  });
  const filter = parts.flatMap((_, place) => parts.map((__, other) => (other === place ? 1 : 0)));
  const filters = graph.constant('float32', [parts.length, 1, ...size], filter);
  const value = graph.reshape(spread(graph, stacked, filters, windows), physicalDims(input.shape, imagesNCHW));
  return symbolOf(graph, value, input.shape, imagesNCHW);
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
  MaxPool: maxPool,
  AvgPool: pool('AvgPool', 'AveragePool'),
  MaxPoolGrad: maxPoolGrad,
  AvgPoolGrad: avgPoolGrad,
};
