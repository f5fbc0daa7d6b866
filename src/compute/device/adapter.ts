/** Which GPU a device is. ONNX Runtime does not tell; programs that ask the same drivers do. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Name and driver of the GPU of `device`, or `unknown`; undefined for a device that need not be a GPU. */
export async function adapterOf(device: string): Promise<string | undefined> {
  if (device === 'cuda') return nvidiaAdapter();
  if (device !== 'webgpu') return undefined;
  // vulkaninfo goes through the same loader as Dawn, and follows the same variables of the environment.
  const adapter = vulkanAdapter(await told('vulkaninfo', '--summary'));
  if (adapter !== undefined) return adapter;
  const { VK_DRIVER_FILES: drivers = process.env['VK_ICD_FILENAMES'] } = process.env;
  return drivers === undefined || drivers.includes('nvidia') ? nvidiaAdapter() : 'unknown';
}

// When it is asked for high performance, as by ONNX Runtime and TensorFlow.js, Dawn prefers adapters in this order.
const preferred = ['DISCRETE_GPU', 'INTEGRATED_GPU', 'CPU'];

/** The adapter that Dawn takes of those in a summary of vulkaninfo. */
export function vulkanAdapter(summary: string): string | undefined {
  const adapters = summary.split(/^GPU\d+:$/m).slice(1);
  const [adapter] = [...preferred, ''].flatMap((kind) =>
    adapters.filter((text) => valueOf('deviceType', text).endsWith(kind)),
  );
  if (adapter === undefined) return undefined;
  const [name, driver, release, number] = ['deviceName', 'driverName', 'driverInfo', 'driverVersion'].map((key) =>
    valueOf(key, adapter),
  );
  return `${name!}, ${driver!} ${release! === '' ? number! : release!}`;
}

/** The value of a line `key = value`, or nothing. */
const valueOf = (key: string, text: string): string => new RegExp(`^\\s*${key}\\s*= (.*)$`, 'm').exec(text)?.[1] ?? '';

/** What nvidia-smi lists; where there are several models it does not tell which is used. */
async function nvidiaAdapter(): Promise<string> {
  const lines = await told('nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader');
  const models = new Set(lines.split('\n').filter((line) => line !== ''));
  return models.size === 0 ? 'unknown' : [...models].map((model) => model.replace(', ', ', NVIDIA ')).join(' or ');
}

/** What a program prints, or nothing where it is not there. */
async function told(program: string, ...words: string[]): Promise<string> {
  return promisify(execFile)(program, words, { timeout: 10_000 }).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
