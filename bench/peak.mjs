/** What a device reaches in products of large matrices: no step is faster than that. */
import { availableParallelism } from 'node:os';
import { openRunner } from '../dist/src/compute/engines.js';
import { median } from './timing.mjs';

const products = 8;
const rounds = 5;

/** Floating-point operations a second. */
export async function matmulPeak(device) {
  const size = device === 'cpu' ? 1024 : 4096;
  const runner = await openRunner({ runner: 'onnx', device, threads: 'auto' }, {});
  const matrix = { shape: [size, size], dtype: 'float32' };
  const copy = { name: 'copy', inputs: { x: matrix }, evaluate: ({ x }) => ({ y: x.mul(1) }) };
  const chain = {
    name: 'products',
    inputs: { a: matrix, b: matrix },
    evaluate: ({ a, b }) => {
      let product = a;
      for (let index = 0; index < products; index += 1) product = product.matMul(b);
      return { y: product.sum().reshape([1]) };
    },
  };
  // Where a device has memory of its own, they stay there.
  const { y } = await runner.keep(copy, { x: new Float32Array(size * size).map((_, index) => (index % 7) / size) });
  // As many at once as there are threads.
  const calls = device === 'cpu' ? availableParallelism() : 1;
  const seconds = async () => {
    const began = performance.now();
    await runner.wait(Promise.all(Array.from({ length: calls }, () => runner.call(chain, { a: y, b: y }))));
    return (performance.now() - began) / 1000;
  };
  await seconds();
  await seconds();
  const times = [];
  for (let round = 0; round < rounds; round += 1) times.push(await seconds());
  await runner.close();
  return (calls * products * 2 * size ** 3) / median(times);
}
