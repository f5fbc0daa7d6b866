/** Courses: what holds when, over virtual time. */

/** Values that hold one after the other, each from `fromNs` on; the first one holds from 0, and times increase. */
export type Course<Value> = readonly { readonly fromNs: number; readonly value: Value }[];

/** What always holds. */
export function always<Value>(value: Value): Course<Value> {
  return [{ fromNs: 0, value }];
}

/** The value at `timeNs`, and until when it holds. */
export function valueAt<Value>(course: Course<Value>, timeNs: number): { value: Value; untilNs: number } {
  let [low, high] = [0, course.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (course[middle]!.fromNs <= timeNs) low = middle;
    else high = middle - 1;
  }
  return { value: course[low]!.value, untilNs: course[low + 1]?.fromNs ?? Infinity };
}

/** How long, in nanoseconds, `bytes` take from `timeNs` on over a link of so many bytes a second. */
export function transferNs(rate: Course<number>, bytes: number, timeNs: number): number {
  let [left, passed] = [bytes, 0];
  for (;;) {
    const { value: bytesPerSecond, untilNs } = valueAt(rate, timeNs + passed);
    const neededNs = (left / bytesPerSecond) * 1e9;
    const availableNs = untilNs - timeNs - passed;
    if (neededNs <= availableNs) return Math.round(passed + neededNs);
    left -= (bytesPerSecond * availableNs) / 1e9;
    passed += availableNs;
  }
}
