/** Windows that move over images: the geometry that convolutions and pooling share. */
import { backend_util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import type { TraceSymbol } from '../symbol.js';
import { cannotCompile } from './rule.js';

/** The physical order of TensorFlow.js's [batch, height, width, channels] that ONNX wants. */
export const imagesNCHW = [0, 3, 1, 2];
/** The same with channels as the batch and the batch as channels, for the gradients of filters. */
export const imagesCNHW = [3, 0, 1, 2];

/** The same with pixels first and channels last, in which whole images are the rows of a matrix. */
export const imagesHWNC = [1, 2, 0, 3];

type Shape4 = [number, number, number, number];
/** A row and a column, or a height and a width. */
export type Place = readonly [number, number];
type Pair = Place;

/** Every place of a window, row by row. */
export function placesWithin([height, width]: Place): Place[] {
  return Array.from({ length: height * width }, (_, index) => [Math.floor(index / width), index % width] as const);
}

/** Whether windows move by one pixel and have no gaps. */
export const arePlain = ({ strides, dilations }: Windows): boolean =>
  [...strides, ...dilations].every((step) => step === 1);

/** The pixel at `place` of the window that is `window`th, counted row by row; the one behind the last for the border. */
export function pixelAt({ image, pads, strides, dilations }: Windows, window: Place, place: Place): number {
  const [row, column] = [0, 1].map(
    (axis) => window[axis]! * strides[axis]! + place[axis]! * dilations[axis]! - pads[axis]!,
  ) as [number, number];
  const isInside = row >= 0 && row < image[0] && column >= 0 && column < image[1];
  return isInside ? row * image[1] + column : image[0] * image[1];
}

/** How a window moves, in ONNX's terms. */
export interface Windows {
  /** The shape of what the windows give, in TensorFlow.js's format. */
  readonly outShape: readonly number[];
  /** Height and width of the image, of the places where a window lies, and of a window. */
  readonly image: Pair;
  readonly places: Pair;
  readonly size: Pair;
  /** Rows and columns around the image: top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  readonly strides: Pair;
  readonly dilations: Pair;
  /** Rows and columns at the end that no window reaches. */
  readonly skipped: Pair;
}

/** What a kernel says of its windows, beside their size. */
export interface Moves {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number;
  readonly dilations?: number | [number, number] | null;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** The windows of a convolution; shapes are TensorFlow.js's, `[height, width, in, out]` of the filter. */
export function convolutionWindows(
  moves: Moves,
  imageShape: readonly number[],
  filterShape: readonly number[],
  format: { channelsFirst?: boolean; depthwise?: boolean } = {},
): Windows {
  const { strides, pad, dimRoundingMode } = moves;
  const dilations = moves.dilations ?? 1;
  const dataFormat = format.channelsFirst === true ? 'channelsFirst' : 'channelsLast';
  const [image, filter] = [imageShape as Shape4, filterShape as Shape4];
  const depthwise = format.depthwise === true;
  return windowsOf(
    backend_util.computeConv2DInfo(image, filter, strides, dilations, pad, dimRoundingMode, depthwise, dataFormat),
  );
}

/** The windows of pooling `x`. */
export function poolingWindows(
  moves: Moves & { readonly filterSize: number | [number, number] },
  x: TraceSymbol,
): Windows {
  const { strides, pad, dimRoundingMode, filterSize } = moves;
  return windowsOf(backend_util.computePool2DInfo(x.shape as Shape4, filterSize, strides, 1, pad, dimRoundingMode));
}

function windowsOf(info: backend_util.Conv2DInfo): Windows {
  const { inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth, padInfo } = info;
  const strides = [info.strideHeight, info.strideWidth] as const;
  const dilations = [info.dilationHeight, info.dilationWidth] as const;
  // The end of the last window, counted from the first padded row or column.
  const ends = [
    (outHeight - 1) * strides[0] + (filterHeight - 1) * dilations[0] + 1,
    (outWidth - 1) * strides[1] + (filterWidth - 1) * dilations[1] + 1,
  ] as const;
  // Rounding the number of windows up makes the last one hang over.
  const bottom = Math.max(padInfo.bottom, ends[0] - padInfo.top - inHeight);
  const right = Math.max(padInfo.right, ends[1] - padInfo.left - inWidth);
  return {
    outShape: info.outShape,
    image: [inHeight, inWidth],
    places: [outHeight, outWidth],
    size: [filterHeight, filterWidth],
    pads: [padInfo.top, padInfo.left, bottom, right],
    strides,
    dilations,
    skipped: [padInfo.top + inHeight + bottom - ends[0], padInfo.left + inWidth + right - ends[1]],
  };
}

/**
 * The gradient rules of TensorFlow.js forget how the number of windows was rounded: refuses a gradient `dy` of
 * more or fewer windows than rounding down gives.
 */
export function refuseOtherWindows(kernel: string, { outShape }: Windows, dy: TraceSymbol): void {
  if (outShape.join() === dy.shape.join()) return;
  throw cannotCompile(
    kernel,
    `for ${dy.shape.join(' x ')} windows, not ${outShape.join(' x ')}`,
    "use dimRoundingMode 'floor'",
  );
}

/** Images (batch, channels, height, width) inside a border that holds one number. */
export function bordered(graph: OnnxGraph, images: Value, pads: Windows['pads'], filling: number): Value {
  const [top, left, bottom, right] = pads;
  return graph.padded(images, [0, 0, top, left, 0, 0, bottom, right], filling);
}

/** What the operator Conv wants to know. */
interface Convolution {
  readonly pads: Windows['pads'];
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly group?: number;
}

/** Images, filters (out, in, height, width), and perhaps a bias (out). */
type Operands = readonly [Value, Value, (Value | undefined)?];

/** A convolution of images with filters. */
export function convolve(
  graph: OnnxGraph,
  [images, filters, bias]: Operands,
  dims: readonly number[],
  { pads, ...convolution }: Convolution,
): Value {
  // The webgpu device of ONNX Runtime 1.30 multiplies matrices where a filter is as large as the image and has no
  // border before it, and forgets the border after it: write that one out.
  const [top, left, bottom, right] = pads;
  const whole = graph.dims(images).slice(2).join() === graph.dims(filters).slice(2).join();
  if (whole && top === 0 && left === 0 && bottom + right > 0) {
    const unbordered = { ...convolution, pads: [0, 0, 0, 0] } as const;
    return convolve(graph, [bordered(graph, images, pads, 0), filters, bias], dims, unbordered);
  }
  const operands = bias === undefined ? [images, filters] : [images, filters, bias];
  return graph.node('Conv', operands, dims, { attributes: { pads, ...convolution } });
}
