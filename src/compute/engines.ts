/** The table of engines: which runner and device can evaluate, and what it takes to have them. */
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { BadInput } from '../conditions.js';
import { EagerRunner } from './eagerRunner.js';
import type { Tables } from './feeds.js';
import { OnnxRunner, openPlace } from './onnxRunner.js';
import type { Fingerprint, Runner } from './runner.js';
import { here } from '../vector.js';
import { adapterOf } from './device/adapter.js';
import type { TensorFunction } from './tensorFunction.js';
import { trace } from './trace.js';

const require = createRequire(import.meta.url);

export interface EngineRow {
  readonly runner: 'onnx' | 'eager';
  readonly device: string;
  readonly description: string;
  /** What to do where the device is not there. */
  readonly remedy: string;
  /** Makes the device ready; throws where it is not there. Returns the library's name and version. */
  readonly prepare: () => Promise<string>;
}

const version = (name: string): string => `${name} ${(require(`${name}/package.json`) as { version: string }).version}`;

// More than is evaluated in JavaScript, and not by loops alone, so that ONNX Runtime is asked.
const probeSize = 10_000;

/** A function to try a device with. */
const probe: TensorFunction = {
  name: 'probe',
  inputs: { x: { shape: [probeSize], dtype: 'float32' } },
  evaluate: ({ x }) => ({ y: x!.relu().mul(2) }),
};

async function prepareOnnx(device: string): Promise<string> {
  const place = await openPlace({ device, threads: 1, stays: false }, {});
  const x = new Float32Array(probeSize).fill(3);
  const [evaluation] = await place.evaluate(trace(probe, { x: [probeSize] }, { onDevice: !place.isProcessor }), [
    { x },
  ]);
  const product = here(evaluation!.outputs['y']!)[0]!;
  if (product !== 6) throw new Error(`the ${device} device computed 2 * 3 = ${product}`);
  return version('onnxruntime-node');
}

/** tfjs-node-gpu or tfjs-node, whichever is installed; importing it registers the backend `tensorflow`. */
async function prepareTensorFlow(): Promise<string> {
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      require.resolve(name);
    } catch {
      continue;
    }
    await import(name);
    return version(name);
  }
  throw new Error('neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed');
}

/** What is used of the package `webgpu`, which is Dawn for Node. */
interface Dawn {
  readonly create: (flags: readonly string[]) => { requestAdapter(): Promise<object | null> };
  readonly globals: object;
}

/** Dawn takes the place of a browser, in which the backend looks for a GPU. */
async function prepareWebGPU(): Promise<string> {
  // Names in a variable, because TypeScript would look for the packages.
  const [dawn, backend]: [string, string] = ['webgpu', '@tensorflow/tfjs-backend-webgpu'];
  const library = `${version(backend)} on ${version(dawn)}`;
  const { create, globals } = (await import(dawn)) as Dawn;
  const browser = Object.assign(globalThis, globals) as { navigator?: { gpu?: ReturnType<Dawn['create']> } };
  const gpu = ((browser.navigator ??= {}).gpu ??= create([]));
  // Asked first, because the backend does not say clearly that there is none.
  if ((await gpu.requestAdapter()) === null)
    throw new Error('there is no GPU with a driver for Vulkan, Metal or D3D12');
  await import(backend);
  const tf = await import('@tensorflow/tfjs');
  // Small tensors too are computed there.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  if (!(await tf.setBackend('webgpu'))) throw new Error('the WebGPU backend did not start');
  return library;
}

async function prepareWasm(): Promise<string> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(`${join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist')}/`);
  const tf = await import('@tensorflow/tfjs');
  if (!(await tf.setBackend('wasm'))) throw new Error('the WebAssembly backend did not start');
  return version('@tensorflow/tfjs-backend-wasm');
}

export const engines: readonly EngineRow[] = [
  {
    runner: 'onnx',
    device: 'cpu',
    description: 'compiled to ONNX, ONNX Runtime on a thread pool (the default)',
    remedy: 'npm ci',
    prepare: () => prepareOnnx('cpu'),
  },
  {
    runner: 'onnx',
    device: 'webgpu',
    description: 'compiled to ONNX, ONNX Runtime on a GPU through Vulkan, Metal or D3D12',
    remedy: 'install a GPU driver with Vulkan (Debian: mesa-vulkan-drivers or nvidia-vulkan-icd, and libvulkan1)',
    prepare: () => prepareOnnx('webgpu'),
  },
  {
    runner: 'onnx',
    device: 'cuda',
    description: 'compiled to ONNX, ONNX Runtime on an NVIDIA GPU through CUDA',
    remedy: "install onnxruntime-node's CUDA provider (its install script, with onnxruntime-node-install=cuda12)",
    prepare: () => prepareOnnx('cuda'),
  },
  {
    runner: 'eager',
    device: 'cpu',
    description: 'TensorFlow.js in plain JavaScript: the reference, slow',
    remedy: 'npm ci',
    prepare: () => Promise.resolve(version('@tensorflow/tfjs')),
  },
  {
    runner: 'eager',
    device: 'wasm',
    description: 'TensorFlow.js in WebAssembly; has no gradient of convolutions',
    remedy: 'npm ci',
    prepare: prepareWasm,
  },
  {
    runner: 'eager',
    device: 'tensorflow',
    description: 'TensorFlow through its C library, on a GPU with tfjs-node-gpu',
    remedy: 'npm install @tensorflow/tfjs-node-gpu (CUDA 11) or npm install @tensorflow/tfjs-node',
    prepare: prepareTensorFlow,
  },
  {
    runner: 'eager',
    device: 'webgpu',
    description: 'TensorFlow.js on a GPU through Dawn: one operation at a time',
    remedy: 'npm install webgpu @tensorflow/tfjs-backend-webgpu@4.22.0, and a GPU driver as for onnx',
    prepare: prepareWebGPU,
  },
];

/** What `straggler doctor` says of one engine. */
export interface EngineReport extends EngineRow {
  /** The library that answers, or undefined where the engine is not there. */
  readonly library: string | undefined;
  /** Its GPU; undefined for one that need not have any. */
  readonly adapter: string | undefined;
  readonly problem: string | undefined;
}

/** Tries every engine of the table on this machine. */
export async function findEngines(): Promise<EngineReport[]> {
  const reports: EngineReport[] = [];
  for (const row of engines) {
    try {
      const library = await row.prepare();
      reports.push({ ...row, library, adapter: await adapterOf(row.device), problem: undefined });
    } catch (error) {
      reports.push({ ...row, library: undefined, adapter: undefined, problem: firstLine(error) });
    }
  }
  return reports;
}

/**
 * Opens the runner for `engine.runner` and `engine.device` over resident tables.
 * Throws BadInput where this machine does not have it.
 */
export async function openRunner(
  options: {
    readonly runner: string;
    readonly device: string;
    readonly threads: number | 'auto';
    readonly batch?: number | 'auto';
    /** Whether vectors may stay on a device, as long as nobody asks for them. */
    readonly stays?: boolean;
  },
  tables: Tables,
): Promise<Runner> {
  const row = engines.find(({ runner, device }) => runner === options.runner && device === options.device);
  if (row === undefined) {
    const devices = engines.filter(({ runner }) => runner === options.runner).map(({ device }) => device);
    throw new BadInput(`the runner ${options.runner} has no device ${options.device}`, {
      path: ['engine', 'device'],
      remedy: `choose one of ${devices.join(', ')}`,
    });
  }
  let library: string;
  try {
    library = await row.prepare();
  } catch (error) {
    throw new BadInput(`the device ${row.device} of the runner ${row.runner} is not there: ${firstLine(error)}`, {
      path: ['engine', 'device'],
      remedy: `${row.remedy}; \`straggler doctor\` lists what this machine has`,
    });
  }
  const { batch = 'auto', stays = true } = options;
  const adapter = await adapterOf(row.device);
  const fingerprint: Fingerprint = {
    runner: row.runner,
    device: row.device,
    library,
    ...(adapter === undefined ? {} : { adapter }),
    optimization: row.runner === 'onnx' ? 'all' : 'none',
    intraOpThreads: 1,
    batch: row.runner === 'onnx' ? batch : 1,
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
  };
  const threads = options.threads === 'auto' ? availableParallelism() : options.threads;
  if (row.runner === 'onnx') return OnnxRunner.open(fingerprint, { device: row.device, threads, batch, stays }, tables);
  return new EagerRunner(fingerprint, row.device, tables);
}

/** The first line of what went wrong, without the place in ONNX Runtime's own source that it may begin with. */
function firstLine(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim();
  return line.replace(/^\/\S+:\d+ .* was false\. /, '');
}
