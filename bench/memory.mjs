/** The memory of a long run: heap after a collection, and what the process holds. */
import { followLenet } from './lenet.mjs';

export async function memoryCourse() {
  const course = [];
  const megabytes = (bytes) => bytes / 1e6;
  await followLenet({
    iterations: 2000,
    every: 500,
    at: (iteration) => {
      globalThis.gc?.();
      const { heapUsed, rss } = process.memoryUsage();
      course.push({ iteration, heap: megabytes(heapUsed), resident: megabytes(rss) });
    },
  });
  return course;
}
