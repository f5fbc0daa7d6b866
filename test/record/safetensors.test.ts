import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors, type NamedTensors } from '../../src/record/safetensors.js';
import { refusal } from '../scenario/refused.js';

/** A file by hand, after the format's description: header length (uint64, little-endian), header, data. */
function file(header: string, data: readonly number[] = []): Uint8Array {
  const json = new TextEncoder().encode(header);
  const length = [json.length & 255, json.length >> 8, 0, 0, 0, 0, 0, 0];
  return Uint8Array.from([...length, ...json, ...data]);
}

const entry = (from: number, to: number, shape = [(to - from) / 4], dtype = 'F32'): string =>
  JSON.stringify({ dtype, shape, data_offsets: [from, to] });

/** 1.0 and -2.0 in IEEE 754, little-endian. */
const one = [0x00, 0x00, 0x80, 0x3f];
const minusTwo = [0x00, 0x00, 0x00, 0xc0];

describe('encodeSafetensors', () => {
  it('writes the bytes of the format: length, JSON header padded with spaces, values', () => {
    const bytes = encodeSafetensors({
      'u/a': { shape: [1, 2], values: Float32Array.of(1, -2) },
      'u/b': { shape: [], values: Float32Array.of(1) },
    });
    const header =
      '{"u/a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"u/b":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}';
    // 113 letters, and 7 spaces so that the values begin at a multiple of 8.
    expect(header).toHaveLength(113);
    expect([...bytes.subarray(0, 8)]).toEqual([120, 0, 0, 0, 0, 0, 0, 0]);
    expect(new TextDecoder().decode(bytes.subarray(8, 128))).toBe(`${header}       `);
    expect([...bytes.subarray(128)]).toEqual([...one, ...minusTwo, ...one]);
  });

  it('takes a view of a larger array for its own part only', () => {
    const values = Float32Array.of(9, 1, -2, 9).subarray(1, 3);
    expect([...encodeSafetensors({ a: { shape: [2], values } }).slice(-8)]).toEqual([...one, ...minusTwo]);
  });
});

describe('decodeSafetensors', () => {
  it('reads a file written by hand, whatever the order of its entries and the metadata in it', () => {
    const header = `{"__metadata__":{"format":"pt"},"b":${entry(4, 8)},"a":${entry(0, 4, [1, 1])}}`;
    const tensors = decodeSafetensors(file(header, [...one, ...minusTwo]), 'f');
    expect(tensors).toEqual({
      a: { shape: [1, 1], values: Float32Array.of(1) },
      b: { shape: [1], values: Float32Array.of(-2) },
    });
  });

  it('reads from a Buffer that is part of a larger one, at any offset', () => {
    const bytes = file(`{"a":${entry(0, 8)}}`, [...one, ...minusTwo]);
    for (let offset = 0; offset < 8; offset += 1) {
      const whole = Buffer.alloc(bytes.length + 16, 0xee);
      whole.set(bytes, offset);
      const { a } = decodeSafetensors(whole.subarray(offset, offset + bytes.length), 'f');
      expect(a!.values).toEqual(Float32Array.of(1, -2));
    }
  });

  it('gives back what was written: names, shapes and every bit', () => {
    const shape = fc.array(fc.nat(3), { maxLength: 3 });
    const tensors = fc
      .dictionary(
        fc.string({ unit: 'grapheme' }).filter((name) => name !== '__metadata__'),
        shape.chain((extents) => {
          const size = extents.reduce((product, extent) => product * extent, 1);
          const bits = fc.array(fc.integer(), { minLength: size, maxLength: size });
          return bits.map((words) => ({ shape: extents, values: new Float32Array(Int32Array.from(words).buffer) }));
        }),
        { maxKeys: 4 },
      )
      .map((dictionary): NamedTensors => dictionary);
    const bitsOf = ({ values }: { values: Float32Array }): number[] => [
      ...new Int32Array(values.buffer, values.byteOffset, values.length),
    ];
    fc.assert(
      fc.property(tensors, (written) => {
        const read = decodeSafetensors(encodeSafetensors(written), 'f');
        expect(Object.keys(read).sort()).toEqual(Object.keys(written).sort());
        for (const [name, tensor] of Object.entries(written)) {
          expect(read[name]!.shape).toEqual(tensor.shape);
          expect(bitsOf(read[name]!)).toEqual(bitsOf(tensor));
        }
      }),
    );
  });

  const remedy = '\n  give a file of float32 tensors, such as the final.safetensors of a run';
  it.each([
    ['nothing', new Uint8Array(0), 'it has 0 bytes'],
    ['half a length', Uint8Array.of(1, 0, 0, 0), 'it has 4 bytes'],
    ['a length beyond the end', file('{}').slice(0, 9), 'it is cut short in its header, or is something else'],
    ['text', Buffer.from('a,b,label\n1,2,0\n'), 'it is cut short in its header, or is something else'],
    ['a header that is no JSON', file('{"a":'), 'its header is not a JSON object'],
    ['a header that is a list', file('[1]'), 'its header is not a JSON object'],
    ['a header that is null', file('null'), 'its header is not a JSON object'],
    ['a header that is no UTF-8', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe), 'its header is not a JSON object'],
    ['an entry that is null', file('{"a":null}'), 'its header does not give type, shape and offsets of a'],
    [
      'an entry without offsets',
      file('{"a":{"dtype":"F32","shape":[]}}'),
      'its header does not give type, shape and offsets of a',
    ],
    [
      'negative offsets',
      file(`{"a":${entry(-4, 0, [1])}}`, one),
      'its header does not give type, shape and offsets of a',
    ],
    ['float64', file(`{"a":${entry(0, 8, [1], 'F64')}}`, [...one, ...one]), 'a has the type F64, only F32 is read'],
    ['a shape for more values', file(`{"a":${entry(0, 4, [2])}}`, one), 'a has 4 bytes, its shape needs 8'],
    ['values cut short', file(`{"a":${entry(0, 8)}}`, [...one, 0, 0]), 'it is cut short in a'],
    [
      'two tensors over the same bytes',
      file(`{"a":${entry(0, 4)},"b":${entry(0, 4)}}`, one),
      'b begins at byte 0 of the data, not at 4',
    ],
    ['a hole', file(`{"a":${entry(4, 8)}}`, [...one, ...one]), 'a begins at byte 4 of the data, not at 0'],
    ['values left over', file(`{"a":${entry(0, 4)}}`, [...one, ...one]), '4 bytes at its end belong to no tensor'],
  ])('%s is refused', async (_, bytes, problem) => {
    expect(await refusal(() => decodeSafetensors(bytes, 'x.safetensors'), '~')).toBe(
      `x.safetensors is not a usable safetensors file: ${problem}${remedy}`,
    );
  });

  it('every file that is cut short anywhere is refused', async () => {
    const bytes = file(`{"a":${entry(0, 4)},"b":${entry(4, 12, [2, 1])}}`, [...one, ...minusTwo, ...one]);
    expect(await refusal(() => decodeSafetensors(bytes, 'f'), '~')).toBe('accepted');
    for (let length = 0; length < bytes.length; length += 1) {
      expect(await refusal(() => decodeSafetensors(bytes.subarray(0, length), 'f'), '~')).toMatch(/^f is not a usable/);
    }
  });
});
