/** The memory of a long run: what the process holds, and the heap after a collection. */
import { followLenet } from './lenet.mjs';

export async function memoryCourse() {
  const course = [];
  const megabytes = (bytes) => bytes / 1e6;
  await followLenet({
    iterations: 2000,
    every: 500,
    at: (iteration) => {
      // Before the collection, which frees what V8 would not have collected of its own accord.
      const { rss } = process.memoryUsage();
      globalThis.gc?.();
      const { heapUsed } = process.memoryUsage();
      course.push({ iteration, heap: megabytes(heapUsed), resident: megabytes(rss) });
    },
  });
  return course;
}
