/** Where memory does not suffice: ONNX Runtime tells that in the words of the device, V8 in its own. */
import { BadInput } from '../conditions.js';

interface Shortage {
  readonly signs: RegExp;
  readonly remedy: string;
}

const shortages: readonly Shortage[] = [
  {
    // Of Dawn: a tensor larger than any buffer may be, or one for which no memory was left; of CUDA: the latter.
    signs: /exceeds the max buffer size|\[Invalid Buffer|OUT_OF_DEVICE_MEMORY|Failed to allocate memory/,
    remedy: 'evaluate fewer calls together (engine.batch), choose a smaller model or batch size, or the device cpu',
  },
  {
    // Of V8, which guards the memory of loops with 10 GB of addresses a thread.
    signs: /WebAssembly\.Memory\(\)/,
    remedy:
      'raise the limit on addresses (ulimit -v) by 10 GB a thread, or set NODE_OPTIONS=--disable-wasm-trap-handler, which does without',
  },
];

/** The result of `work`, which is to do `what` on `device`. Throws BadInput where its memory does not suffice. */
export async function withinMemory<Value>(device: string, what: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    const shortage = shortages.find(({ signs }) => signs.test(String(error)));
    if (shortage === undefined) throw error;
    const [, size, limit] = /Buffer size \((\d+)\).* limit \((\d+)\)/.exec(String(error)) ?? [];
    const why = size === undefined ? '' : `: a tensor has ${size} bytes, of ${limit!} that it takes at most`;
    throw new BadInput(`the memory of the device ${device} does not suffice to ${what}${why}`, {
      path: ['engine', 'device'],
      remedy: shortage.remedy,
    });
  }
}
