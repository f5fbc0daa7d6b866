/**
 * A table is a resident array of rows that pool threads share without a copy, for example the images of
 * a training set. A computation names the rows it wants instead of carrying them.
 */
export interface Table {
  /** Row-major values, `[rows, ...rowShape]`, over a SharedArrayBuffer. */
  readonly values: Uint8Array | Int32Array | Float32Array;
  /** The shape of one row: `[28, 28, 1]` for an MNIST image, `[]` for a label. */
  readonly rowShape: readonly number[];
  /** What a tensor function sees: `float32` rows are the values times `scale`, `int32` rows the values. */
  readonly dtype: 'float32' | 'int32';
  /** Multiplies float32 rows as they are read: 1/255 for pixels. */
  readonly scale: number;
}

/** The number of values in a shape: `[]` has 1. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
