/**
 * Rules for resizing images. Interpolation is linear along each axis: a matrix [new, old] of weights, known at
 * trace time, from the left for the rows and from the right for the columns; the gradient takes its transpose.
 */
import type { OnnxGraph, Value } from '../onnx.js';
import { arrange, converted, symbolOf, type TraceSymbol } from '../symbol.js';
import { sizeOf } from '../table.js';
import type { Rule, RuleCall } from './rule.js';
import { imagesNCHW } from './windows.js';

/** How the weights of a new row over the old rows are found from its place among them. */
interface Interpolation {
  /** The place of new row `index`, in units of old rows. */
  readonly place: (index: number, scale: number, halfPixelCenters: boolean) => number;
  /** Old rows and their weights for a place. */
  readonly weights: (
    place: number,
    options: { last: number; alignCorners: boolean },
  ) => readonly (readonly [number, number])[];
}

const nearest: Interpolation = {
  place: (index, scale, halfPixelCenters) => scale * (halfPixelCenters ? index + 0.5 : index),
  weights: (place, { last, alignCorners }) => [
    [Math.max(0, Math.min(last, alignCorners ? Math.round(place) : Math.floor(place))), 1],
  ],
};

const bilinear: Interpolation = {
  place: (index, scale, halfPixelCenters) => (halfPixelCenters ? scale * (index + 0.5) - 0.5 : scale * index),
  weights: (place, { last }) => {
    const low = Math.max(0, Math.floor(place));
    const part = place - low;
    return [
      [low, 1 - part],
      [Math.min(last, Math.ceil(place)), part],
    ];
  },
};

/** The matrix [rows, columns], or its transpose, that interpolates `columns` values to `rows`. */
function matrix(
  graph: OnnxGraph,
  { place, weights }: Interpolation,
  {
    attributes,
    rows,
    columns,
    transposed,
  }: { attributes: RuleCall['attributes']; rows: number; columns: number; transposed: boolean },
): Value {
  const alignCorners = attributes['alignCorners'] === true;
  const corners = alignCorners && rows > 1 ? 1 : 0;
  const scale = (columns - corners) / (rows - corners);
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    const at = place(row, scale, attributes['halfPixelCenters'] === true);
    for (const [column, weight] of weights(at, { last: columns - 1, alignCorners })) {
      values[transposed ? column * rows + row : row * columns + column]! += weight;
    }
  }
  return graph.constant('float32', transposed ? [columns, rows] : [rows, columns], values);
}

/** left * image * right, for every image and channel. */
function writeResize(graph: OnnxGraph, symbol: TraceSymbol, left: Value, right: Value): TraceSymbol {
  const images = arrange(graph, converted(graph, symbol, 'float32'), imagesNCHW);
  const [batch, channels, , width] = graph.dims(images) as [number, number, number, number];
  const [height] = graph.dims(left) as [number];
  const [, newWidth] = graph.dims(right) as [number, number];
  const tall = graph.node('MatMul', [left, images], [batch, channels, height, width]);
  const value = graph.node('MatMul', [tall, right], [batch, channels, height, newWidth]);
  graph.operations += 2 * sizeOf(graph.dims(value)) * (width + graph.dims(images)[2]!);
  return symbolOf(graph, value, [batch, height, newWidth, channels], imagesNCHW);
}

function resize(interpolation: Interpolation): Rule {
  return ({ graph, inputs, attributes }) => {
    const images = inputs['images']!;
    const [, height, width] = images.shape as [number, number, number];
    const [newHeight, newWidth] = attributes['size'] as [number, number];
    const left = matrix(graph, interpolation, { attributes, rows: newHeight, columns: height, transposed: false });
    const right = matrix(graph, interpolation, { attributes, rows: newWidth, columns: width, transposed: true });
    const resized = writeResize(graph, images, left, right);
    // Nearest pixels stay whole numbers.
    return interpolation === nearest ? converted(graph, resized, images.dtype) : resized;
  };
}

function resizeGrad(interpolation: Interpolation): Rule {
  return ({ graph, inputs, attributes }) => {
    const { images, dy } = inputs as { images: TraceSymbol; dy: TraceSymbol };
    const [, height, width] = images.shape as [number, number, number];
    const [, newHeight, newWidth] = dy.shape as [number, number, number];
    const left = matrix(graph, interpolation, { attributes, rows: newHeight, columns: height, transposed: true });
    const right = matrix(graph, interpolation, { attributes, rows: newWidth, columns: width, transposed: false });
    return writeResize(graph, dy, left, right);
  };
}

export const resizingRules: Readonly<Record<string, Rule>> = {
  ResizeBilinear: resize(bilinear),
  ResizeBilinearGrad: resizeGrad(bilinear),
  ResizeNearestNeighbor: resize(nearest),
  ResizeNearestNeighborGrad: resizeGrad(nearest),
};
