/** Which nodes of a graph ONNX Runtime leaves to the processor, because the device has no kernel for them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { sizeOf } from '../table.js';

/** What ONNX Runtime says where nodes would be left to the processor and may not be. */
export const mayNotFallBack = { session: { disable_cpu_ep_fallback: '1' } };
export const isRefusedFallback = (error: unknown): boolean => String(error).includes('fallback to CPU EP');

interface TraceEvent {
  readonly args?: { readonly provider?: string; readonly op_name?: string };
}

/** The operators of the nodes that run on the processor in a session with `options`, each once, by name. */
export async function operatorsOnCpu(
  model: Uint8Array,
  options: ort.InferenceSession.SessionOptions,
): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'straggler-'));
  try {
    // Only a profile of a run tells where each node was.
    const profileFilePrefix = join(directory, 'profile');
    const session = await ort.InferenceSession.create(model, { ...options, enableProfiling: true, profileFilePrefix });
    await runAnyhow(session);
    session.endProfiling();
    await session.release();
    const events = readdirSync(directory).flatMap(
      (file) => JSON.parse(readFileSync(join(directory, file), 'utf8')) as TraceEvent[],
    );
    const operators = events.flatMap(({ args }) =>
      args?.provider === 'CPUExecutionProvider' && args.op_name !== undefined ? [args.op_name] : [],
    );
    return [...new Set(operators)].sort();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs with zeros, or, where a graph cannot take those (it may divide whole numbers), with ones. */
async function runAnyhow(session: ort.InferenceSession): Promise<void> {
  const run = (number: number): Promise<unknown> =>
    session.run(Object.fromEntries(session.inputMetadata.map((input) => [input.name, filled(input, number)])));
  await run(0).catch(() => run(1));
}

function filled(input: ort.InferenceSession.ValueMetadata, number: number): ort.Tensor {
  if (!input.isTensor) throw new Error(`the input ${input.name} is not a tensor`);
  const dims = input.shape as number[];
  const size = sizeOf(dims);
  return input.type === 'int32'
    ? new ort.Tensor('int32', new Int32Array(size).fill(number), dims)
    : new ort.Tensor('float32', new Float32Array(size).fill(number), dims);
}
