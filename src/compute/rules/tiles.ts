/**
 * Convolutions by tiles, as S. Winograd has them and A. Lavin and S. Gray use them (Fast algorithms for convolutional
 * neural networks, arXiv 1509.09308). A piece of a row of an image and a row of a filter are polynomials, known by their
 * values at a few points; the values at a point only need to be multiplied. A tile of 4 x 4 results of a 5 x 5 filter
 * takes 64 products instead of 400.
 *
 * Images and filters have their pixels first here, (height, width, batch, channels) and (height, width, in, out): to take
 * values at points is a product with a constant matrix from the left then, which also knows of borders and of tiles
 * that hang over, and what is multiplied lies as a matrix (image, channel) for each point.
 */
import type { OnnxGraph, Value } from '../onnx.js';
import { sizeOf } from '../table.js';
import { product } from './matmul.js';
import { arePlain, type Windows } from './windows.js';

type Matrix = readonly (readonly number[])[];

// Why in this order: decision 15.
const finitePoints = [0, 0.5, -0.5, 1, -1, 2, -2] as const;

const transposed = (matrix: Matrix): Matrix => matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));

/** The coefficients, lowest first, of the polynomial with these roots. */
function polynomial(roots: readonly number[]): number[] {
  return roots.reduce(
    (coefficients, root) => [...coefficients, 0].map((value, power) => (coefficients[power - 1] ?? 0) - root * value),
    [1],
  );
}

/** How `count` results of a filter of `size` weights are had: results = output ((filter w) * (input x)). */
interface Transform {
  /** [points, points]: values of a piece of the image */
  readonly input: Matrix;
  /** [points, size] */
  readonly filter: Matrix;
  /** [count, points] */
  readonly output: Matrix;
}

/** The transform at the first of the points, and at infinity. What a point has of input and output is scaled to length 1. */
function transformOf(count: number, size: number): Transform {
  const finite = finitePoints.slice(0, count + size - 2);
  const others = (point: number): number[] => finite.filter((other) => other !== point);
  const powers = (point: number, length: number): number[] =>
    Array.from({ length }, (_, power) => Math.pow(point, power));
  const leading = (length: number): number[] => [...new Array<number>(length - 1).fill(0), 1];
  const input = [...finite.map((point) => [...polynomial(others(point)), 0]), polynomial(finite)];
  const filter = [...finite.map((point) => powers(point, size)), leading(size)];
  const output = [...finite.map((point) => powers(point, count)), leading(count)];
  const norms = [...finite.map((point) => others(point).reduce((norm, other) => norm * (point - other), 1)), 1];
  const length = (row: readonly number[]): number => Math.hypot(...row);
  const scaled = (matrix: Matrix, factor: (row: number) => number): number[][] =>
    matrix.map((row, index) => row.map((value) => value * factor(index)));
  return {
    input: scaled(input, (row) => 1 / length(input[row]!)),
    filter: scaled(filter, (row) => (length(input[row]!) * length(output[row]!)) / norms[row]!),
    output: transposed(scaled(output, (row) => 1 / length(output[row]!))),
  };
}

/** The same for all tiles along one axis; point and tile in this order are one axis. */
interface Axis extends Transform {
  readonly points: number;
  readonly tiles: number;
}

/** Tiles along one axis, of the size that takes the fewest points. */
function axisOf({ image, places, size, pads }: Windows, axis: 0 | 1): Axis {
  const [extent, results, weights, pad] = [image[axis], places[axis], size[axis], pads[axis]];
  const counts = Array.from({ length: finitePoints.length + 1 - weights }, (_, index) => index + 2);
  const pointsOf = (count: number): number => Math.ceil(results / count) * (count + weights - 1);
  const count = counts.reduce((best, other) => (pointsOf(other) < pointsOf(best) ? other : best));
  const tile = transformOf(count, weights);
  const [tiles, valuesOfTile] = [Math.ceil(results / count), count + weights - 1];
  // Row (point, tile) takes the pixels of its tile; none lie on the border.
  const input = tile.input.flatMap((row) =>
    Array.from({ length: tiles }, (_, at) =>
      Array.from({ length: extent }, (__, pixel) => row[pixel + pad - at * count] ?? 0),
    ),
  );
  const output = Array.from({ length: results }, (_, result) =>
    tile.output[result % count]!.flatMap((value) =>
      Array.from({ length: tiles }, (__, at) => (at === Math.floor(result / count) ? value : 0)),
    ),
  );
  return { input, filter: tile.filter, output, points: valuesOfTile, tiles };
}

/** A convolution by tiles: along rows and columns. */
export interface Tiling {
  readonly vertical: Axis;
  readonly horizontal: Axis;
  readonly windows: Windows;
  readonly batch: number;
  readonly channels: number;
  readonly out: number;
}

/** The tiles of a convolution, if they take less than half of its multiplications. `filterShape` is (height, width, in, out). */
export function tilingOf(windows: Windows, batch: number, filterShape: readonly number[]): Tiling | undefined {
  const { size, places, image } = windows;
  const [, , channels, out] = filterShape as [number, number, number, number];
  if (!arePlain(windows) || size.some((extent) => extent < 2 || extent > finitePoints.length)) return undefined;
  const [vertical, horizontal] = [axisOf(windows, 0), axisOf(windows, 1)];
  const [rows, columns] = [vertical, horizontal].map((axis) => axis.points * axis.tiles) as [number, number];
  const ofImages = batch * channels * columns * image[0] * (image[1] + rows);
  const ofResults = batch * out * rows * places[1] * (columns + places[0]);
  const products = batch * channels * out * rows * columns;
  const direct = batch * channels * out * sizeOf(places) * sizeOf(size);
  if (2 * (ofImages + ofResults + products) > direct) return undefined;
  return { vertical, horizontal, windows, batch, channels, out };
}

const constant = (graph: OnnxGraph, matrix: Matrix): Value =>
  graph.constant('float32', [matrix.length, matrix[0]!.length], matrix.flat());

/** `value` (`rows`, columns, ...) with a matrix from the left along columns: (rows, rows of the matrix, all the rest). */
function across(graph: OnnxGraph, value: Value, rows: number, horizontal: Matrix): Value {
  const columns = horizontal[0]!.length;
  const rest = sizeOf(graph.dims(value)) / (rows * columns);
  return product(graph, constant(graph, horizontal), graph.reshape(value, [rows, columns, rest]));
}

/** `value` (rows, columns, ...) with a matrix from the left along both: (rows of `vertical`, all the rest). */
function through(graph: OnnxGraph, value: Value, vertical: Matrix, horizontal: Matrix): Value {
  const rows = vertical[0]!.length;
  const turned = across(graph, value, rows, horizontal);
  return product(graph, constant(graph, vertical), graph.reshape(turned, [rows, sizeOf(graph.dims(turned)) / rows]));
}

/** Of `value` (height, width, batch, channels) its values at points: (point, tile; point, tile and image; channel). */
function imagePoints(graph: OnnxGraph, value: Value, { vertical, horizontal, batch, channels }: Tiling): Value {
  const points = through(graph, value, vertical.input, horizontal.input);
  return graph.reshape(points, [
    vertical.points,
    vertical.tiles,
    horizontal.points,
    horizontal.tiles * batch,
    channels,
  ]);
}

/** The same of filters (height, width, in, out): (point, 1, point, in, out). */
function filterPoints(graph: OnnxGraph, filters: Value, { vertical, horizontal, channels, out }: Tiling): Value {
  const points = through(graph, filters, vertical.filter, horizontal.filter);
  return graph.reshape(points, [vertical.points, 1, horizontal.points, channels, out]);
}

/** Of a gradient (height, width, batch, out) of the results what comes back to their values at points. */
function resultPoints(graph: OnnxGraph, gradient: Value, { vertical, horizontal, batch, out }: Tiling): Value {
  const points = through(graph, gradient, transposed(vertical.output), transposed(horizontal.output));
  return graph.reshape(points, [vertical.points, vertical.tiles, horizontal.points, horizontal.tiles * batch, out]);
}

const matricesTransposed = (graph: OnnxGraph, value: Value): Value => graph.transpose(value, [0, 1, 2, 4, 3]);

/** `value` (rows, ...) with the rows of zeros that windows find above and below it. */
function withBorder(graph: OnnxGraph, value: Value, { pads: [top, , bottom] }: Windows): Value {
  if (top + bottom === 0) return value;
  const others = graph
    .dims(value)
    .slice(1)
    .map(() => 0);
  return graph.padded(value, [top, ...others, bottom, ...others]);
}

/** Of pixels (row and column, channel) for every row of results and every column the `height` pixels under it. */
function rowsUnder(
  graph: OnnxGraph,
  pixels: Value,
  { width, height, results }: Record<'width' | 'height' | 'results', number>,
): Value {
  const indices = Array.from({ length: results * width * height }, (_, place) => {
    const [pixel, below] = [Math.floor(place / height), place % height];
    return pixel + below * width;
  });
  const dims = [indices.length, graph.dims(pixels)[1]!];
  return graph.node('Gather', [pixels, graph.constant('int32', [indices.length], indices)], dims, {
    attributes: { axis: 0 },
  });
}

/**
 * Images (height, width, batch, in) convolved with filters (height, width, in, out): (height, width, batch, out).
 * Tiles lie along rows alone here: that takes 2.5 times the products for LeNet-5, but loses hardly any digit.
 */
export function convolutionByTiles(graph: OnnxGraph, images: Value, filters: Value, tiling: Tiling): Value {
  const { horizontal, windows, batch, channels, out } = tiling;
  const [height, results] = [windows.size[0], windows.places[0]];
  const rows = withBorder(graph, across(graph, images, windows.image[0], horizontal.input), windows);
  const width = horizontal.points * horizontal.tiles * batch;
  const under = graph.reshape(
    rowsUnder(graph, graph.reshape(rows, [graph.dims(rows)[0]! * width, channels]), { width, height, results }),
    [results, horizontal.points, horizontal.tiles * batch, height * channels],
  );
  const weights = graph.transpose(across(graph, filters, height, horizontal.filter), [1, 0, 2]);
  const products = product(graph, under, graph.reshape(weights, [horizontal.points, height * channels, out]));
  return graph.reshape(across(graph, products, results, horizontal.output), [...windows.places, batch, out]);
}

/** What comes back to the images of a gradient (height, width, batch, out) through filters (height, width, in, out). */
export function imageGradientByTiles(graph: OnnxGraph, gradient: Value, filters: Value, tiling: Tiling): Value {
  const { vertical, horizontal, windows, batch, channels } = tiling;
  const weights = matricesTransposed(graph, filterPoints(graph, filters, tiling));
  const points = product(graph, resultPoints(graph, gradient, tiling), weights);
  const images = through(graph, points, transposed(vertical.input), transposed(horizontal.input));
  return graph.reshape(images, [...windows.image, batch, channels]);
}

/** What comes back to the filters: (height, width, in, out). */
export function filterGradientByTiles(graph: OnnxGraph, images: Value, gradient: Value, tiling: Tiling): Value {
  const { vertical, horizontal, windows, channels, out } = tiling;
  const columns = matricesTransposed(graph, imagePoints(graph, images, tiling));
  const points = product(graph, columns, resultPoints(graph, gradient, tiling));
  // Rows of tiles are summed here, the others in the product.
  const rows = transposed(vertical.filter).map((row) =>
    row.flatMap((value) => new Array<number>(vertical.tiles).fill(value)),
  );
  const filters = through(graph, points, rows, transposed(horizontal.filter));
  return graph.reshape(filters, [...windows.size, channels, out]);
}
