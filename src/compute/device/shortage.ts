/** Where the memory of a device does not suffice: ONNX Runtime tells that in the words of the device. */
import { BadInput } from '../../conditions.js';

// Of Dawn: a tensor larger than any buffer may be, or one for which no memory was left; of CUDA: the latter.
const signs = /exceeds the max buffer size|\[Invalid Buffer|OUT_OF_DEVICE_MEMORY|Failed to allocate memory/;

/** The result of `work`, which is to do `what` on `device`. Throws BadInput where its memory does not suffice. */
export async function withinMemory<Value>(device: string, what: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (!signs.test(String(error))) throw error;
    const [, size, limit] = /Buffer size \((\d+)\).* limit \((\d+)\)/.exec(String(error)) ?? [];
    const why = size === undefined ? '' : `: a tensor has ${size} bytes, of ${limit!} that it takes at most`;
    throw new BadInput(`the memory of the device ${device} does not suffice to ${what}${why}`, {
      path: ['engine', 'device'],
      remedy: 'evaluate fewer calls together (engine.batch), choose a smaller model or batch size, or the device cpu',
    });
  }
}
