/** The safetensors format: an 8-byte header length, a JSON header, then the values, little-endian. */
import { z } from 'zod';
import { BadInput, type ScenarioPath } from '../conditions.js';

/** A float32 tensor, row-major. */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export type NamedTensors = Readonly<Record<string, NamedTensor>>;

/** The bytes of a file that holds `tensors`, in the order given. */
export function encodeSafetensors(tensors: NamedTensors): Uint8Array {
  let end = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, values }]) => {
      const start = end;
      end += values.byteLength;
      return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
    }),
  );
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Spaces align the values to 8 bytes.
  const headerBytes = new Uint8Array(8 * Math.ceil(json.length / 8)).fill(0x20);
  headerBytes.set(json);
  const bytes = new Uint8Array(8 + headerBytes.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes.length), true);
  bytes.set(headerBytes, 8);
  let offset = 8 + headerBytes.length;
  for (const { values } of Object.values(tensors)) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  return bytes;
}

/** One entry of the header; offsets count from the end of the header. */
const headerEntry = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});

/**
 * The float32 tensors in `bytes`. Throws BadInput, naming `file` and the key `path` that asked for it, where the bytes
 * are not such a file: like the format's own library it wants every byte to belong to just one tensor.
 */
export function decodeSafetensors(bytes: Uint8Array, file: string, path?: ScenarioPath): NamedTensors {
  const refuse = (problem: string): never => {
    throw new BadInput(`${file} is not a usable safetensors file: ${problem}`, {
      ...(path === undefined ? {} : { path }),
      remedy: 'give a file of float32 tensors, such as the final.safetensors of a run',
    });
  };
  if (bytes.length < 8) return refuse(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (8 + length > bytes.length) return refuse('it is cut short in its header, or is something else');
  const header = parseHeader(bytes.subarray(8, 8 + length)) ?? refuse('its header is not a JSON object');
  const data = bytes.subarray(8 + length);
  const entries = Object.entries(header).flatMap(([name, value]) => {
    if (name === '__metadata__') return [];
    const { success, data: entry } = headerEntry.safeParse(value);
    if (!success) return refuse(`its header does not give type, shape and offsets of ${name}`);
    const { dtype, shape, data_offsets } = entry;
    const [start, end] = data_offsets;
    if (dtype !== 'F32') return refuse(`${name} has the type ${dtype}, only F32 is read`);
    const size = 4 * shape.reduce((product, extent) => product * extent, 1);
    if (end - start !== size) return refuse(`${name} has ${end - start} bytes, its shape needs ${size}`);
    if (end > data.length) return refuse(`it is cut short in ${name}`);
    return [{ name, shape, start, end }];
  });
  const covered = entries
    .toSorted((a, b) => a.start - b.start || a.end - b.end)
    .reduce((place, { name, start, end }) => {
      return start === place ? end : refuse(`${name} begins at byte ${start} of the data, not at ${place}`);
    }, 0);
  if (covered < data.length) return refuse(`${data.length - covered} bytes at its end belong to no tensor`);
  return Object.fromEntries(
    entries.map(({ name, shape, start, end }) => {
      // A copy: the values may not be aligned in the file, and slice() of a Buffer would only be a view.
      const values = new Float32Array(new Uint8Array(data.subarray(start, end)).buffer);
      return [name, { shape, values }];
    }),
  );
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const isObject = typeof header === 'object' && header !== null && !Array.isArray(header);
    return isObject ? (header as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
