/** What a user is told where memory does not suffice. */
import { expect, it } from 'vitest';
import { BadInput } from '../../src/conditions.js';
import { withinMemory } from '../../src/compute/shortage.js';

const told = (message: string): Promise<unknown> =>
  withinMemory('webgpu', 'evaluate step, 8 at once', Promise.reject(new Error(message))).catch(
    (error: unknown) => error,
  );

// Said by ONNX Runtime 1.30.0 on SwiftShader, asked for 1.25 GiB, and for more than there was.
const tooLarge =
  'WebGPU validation failed. Buffer size (1342177280) exceeds the max buffer size limit (1073741824).\n' +
  ' - While calling [Device].CreateBuffer([BufferDescriptor]).';
const notLeft =
  'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.\n' +
  ' - While validating [BindGroupDescriptor ""Add""] against [BindGroupLayout "Add"]';

it.each([
  [tooLarge, ': a tensor has 1342177280 bytes, of 1073741824 that it takes at most'],
  [notLeft, ''],
])('%j is bad input, with a remedy', async (message, why) => {
  const error = await told(message);
  expect(error).toBeInstanceOf(BadInput);
  expect(error).toMatchObject({
    message: `the memory of the device webgpu does not suffice to evaluate step, 8 at once${why}`,
    path: ['engine', 'device'],
    remedy: expect.stringContaining('engine.batch'),
  });
});

it('a limit on addresses is bad input, too', async () => {
  const refused = Promise.reject(new RangeError('WebAssembly.Memory(): could not allocate memory'));
  const error: unknown = await withinMemory('cpu', 'evaluate workerStep', refused).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(BadInput);
  expect(error).toMatchObject({ remedy: expect.stringContaining('--disable-wasm-trap-handler') });
});

it('other errors stay what they are', async () => {
  expect(await told('Shapes differ')).toEqual(new Error('Shapes differ'));
});
