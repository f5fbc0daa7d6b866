/** The safetensors format: an 8-byte header length, a JSON header, then the values, little-endian. */
import { BadInput } from '../conditions.js';

/** A float32 tensor, row-major. */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export type NamedTensors = Readonly<Record<string, NamedTensor>>;

/** The bytes of a file that holds `tensors`, in the order given. */
export function encodeSafetensors(tensors: NamedTensors): Uint8Array {
  const header: Record<string, object> = {};
  let end = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const start = end;
    end += values.byteLength;
    header[name] = { dtype: 'F32', shape, data_offsets: [start, end] };
  }
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

interface Header {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** The float32 tensors in `bytes`. Throws BadInput, naming `file`, where the bytes are not such a file. */
export function decodeSafetensors(bytes: Uint8Array, file: string): NamedTensors {
  const refuse = (problem: string): never => {
    throw new BadInput(`${file} is not a usable safetensors file: ${problem}`);
  };
  if (bytes.length < 8) return refuse(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (8 + length > bytes.length) return refuse('it is cut short in its header');
  const header = parseHeader(bytes.subarray(8, 8 + length)) ?? refuse('its header is not JSON');
  const tensors: Record<string, NamedTensor> = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (dtype !== 'F32') return refuse(`${name} has the type ${dtype}, only F32 is read`);
    const [start, end] = data_offsets.map((offset) => 8 + length + offset) as [number, number];
    const size = 4 * shape.reduce((product, extent) => product * extent, 1);
    if (end > bytes.length) return refuse(`it is cut short in ${name}`);
    if (end - start !== size) return refuse(`${name} has ${end - start} bytes, its shape needs ${size}`);
    tensors[name] = { shape, values: new Float32Array(bytes.slice(start, end).buffer) };
  }
  return tensors;
}

function parseHeader(bytes: Uint8Array): Record<string, Header> | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, Header>;
  } catch {
    return undefined;
  }
}
