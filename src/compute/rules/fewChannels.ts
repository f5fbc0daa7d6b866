/**
 * Plain convolutions of images with few channels of which max pooling takes windows that lie apart. The matrices that
 * ONNX Runtime multiplies are small then, and bound by memory; here all places of the pooling's windows are had by one
 * product. What lies under a window of the pooling is `size + window - 1` pixels high and wide, and for each place of
 * the window there is a filter of that size, which is the given one in a border of zeros.
 *
 * Images have their channels first here and their batch last, (channels, height, width, batch), so that what belongs to
 * a place is in one piece.
 */
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import type { Phases } from './facts.js';
import { productOf } from './matmul.js';
import { arePlain, pixelAt, placesWithin, type Place, type Windows } from './windows.js';

/** A convolution, and a pooling of its result. */
export interface Pooled {
  readonly convolution: Windows;
  readonly pooling: Windows;
  /** (height, width, in, out) */
  readonly filterShape: readonly number[];
}

/** The order of a convolution's result: channels, height, width, batch. */
export const imagesCHWN = [3, 1, 2, 0];

const channelsMax = 4;

/** Whether it is a convolution of that kind, and the borders of zeros at most double its multiplications. */
export const isOfFewChannels = (pooled: Pooled): boolean =>
  arePlain(pooled.convolution) &&
  pooled.filterShape[2]! <= channelsMax &&
  sizeOf(extentsOf(pooled)) <= 2 * sizeOf(pooled.convolution.size);

/** Height and width of what lies under a window of the pooling. */
const extentsOf = ({ convolution, pooling }: Pooled): Place => [
  convolution.size[0] + pooling.size[0] - 1,
  convolution.size[1] + pooling.size[1] - 1,
];

/** The pixels under the windows of the pooling, (place, channel; window, image). */
function pixelsUnder(graph: OnnxGraph, x: TraceSymbol, pooled: Pooled): Value {
  const { convolution, pooling } = pooled;
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const windows = { ...convolution, strides: pooling.strides };
  const rows = graph.reshape(arrange(graph, x, [1, 2, 3, 0]), [height * width * channels, batch]);
  const indices = placesWithin(extentsOf(pooled)).flatMap((place) =>
    Array.from({ length: channels }, (_, channel) =>
      placesWithin(pooling.places).map((window) => pixelAt(windows, window, place) * channels + channel),
    ).flat(),
  );
  const operands = [bordered(graph, rows, channels, convolution), graph.constant('int32', [indices.length], indices)];
  const under = graph.node('Gather', operands, [indices.length, batch], { attributes: { axis: 0 } });
  const places = sizeOf(extentsOf(pooled)) * channels;
  return graph.reshape(under, [places, sizeOf(pooling.places) * batch]);
}

/** `rows`, with as many of zeros behind them as a pixel of the border has, if there is a border. */
function bordered(graph: OnnxGraph, rows: Value, channels: number, { pads }: Windows): Value {
  if (pads.every((extent) => extent === 0)) return rows;
  return graph.padded(rows, [0, 0, channels, 0]);
}

/** The matrix (place under a window, place of the window; place of the filter): 1 where the filter lies there. */
function borders(graph: OnnxGraph, pooled: Pooled): Value {
  const filter = placesWithin(pooled.convolution.size);
  const entries = placesWithin(extentsOf(pooled)).flatMap((under) =>
    placesWithin(pooled.pooling.size).flatMap((place) =>
      filter.map(([row, column]) => (place[0] + row === under[0] && place[1] + column === under[1] ? 1 : 0)),
    ),
  );
  return graph.constant('float32', [entries.length / filter.length, filter.length], entries);
}

/** The results of the convolution at each place of the pooling's windows. `filter` is (height, width, in, out). */
export function phasesOfConvolution(graph: OnnxGraph, x: TraceSymbol, filter: Value, pooled: Pooled): Phases {
  const { pooling, convolution, filterShape } = pooled;
  const [, , channels, out] = filterShape as [number, number, number, number];
  const [under, places] = [sizeOf(extentsOf(pooled)), sizeOf(pooling.size)];
  const weights = { value: graph.reshape(filter, [sizeOf(convolution.size), channels * out]) };
  const placed = graph.reshape(productOf(graph, { value: borders(graph, pooled) }, weights), [
    under,
    places,
    channels,
    out,
  ]);
  const filters = graph.reshape(graph.transpose(placed, [0, 2, 1, 3]), [under * channels, places * out]);
  const pixels = pixelsUnder(graph, x, pooled);
  const results = productOf(graph, { value: filters, transposed: true }, { value: pixels });
  const columns = graph.dims(pixels)[1]!;
  const parts = Array.from({ length: places }, () => ({ dims: [out, columns], type: 'float32' }) as const);
  const values = graph.nodeOf('Split', [results], parts, { axis: 0, num_outputs: places });
  const dims = [out, ...pooling.places, x.shape[0]!];
  return { values: values.map((value) => graph.reshape(value, dims)), order: imagesCHWN };
}

/** The gradient (height, width, in, out) of the filter, of what comes back to its results at each place of the windows. */
export function filterGradientOfPhases(
  graph: OnnxGraph,
  x: TraceSymbol,
  shares: readonly Value[],
  pooled: Pooled,
): Value {
  const { convolution, filterShape } = pooled;
  const [, , channels, out] = filterShape as [number, number, number, number];
  const [under, places] = [sizeOf(extentsOf(pooled)), shares.length];
  const pixels = pixelsUnder(graph, x, pooled);
  const columns = graph.dims(pixels)[1]!;
  const rows = shares.map((share) => graph.reshape(share, [out, columns]));
  const gradients = graph.node('Concat', rows, [places * out, columns], { attributes: { axis: 0 } });
  const sums = productOf(graph, { value: pixels }, { value: gradients, transposed: true });
  const placed = graph.transpose(graph.reshape(sums, [under, channels, places, out]), [0, 2, 1, 3]);
  const weights = { value: graph.reshape(placed, [under * places, channels * out]) };
  const gradient = productOf(graph, { value: borders(graph, pooled), transposed: true }, weights);
  return graph.reshape(gradient, [...convolution.size, channels, out]);
}
