/** Whether every value is finite. A float64 sum of float32 values cannot overflow: it is finite just where they are. */
export function allFinite(values: Float32Array): boolean {
  // Four sums side by side: one alone would wait for each addition.
  let [a, b, c, d] = [0, 0, 0, 0];
  const { length } = values;
  for (let index = 0; index + 3 < length; index += 4) {
    a += values[index]!;
    b += values[index + 1]!;
    c += values[index + 2]!;
    d += values[index + 3]!;
  }
  for (let index = length - (length % 4); index < length; index += 1) a += values[index]!;
  return Number.isFinite(a + b + c + d);
}
