import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Digest, digestOf } from '../../src/kernel/digest.js';

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function digestPieces(pieces: readonly string[]): string {
  const digest = new Digest();
  for (const piece of pieces) digest.add(piece);
  return digest.hex();
}

describe('a digest', () => {
  it('is the SHA-256 of the concatenation, however the text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (pieces) => {
        expect(digestPieces(pieces)).toBe(sha256(pieces.join('')));
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it('is the same beyond the size at which text is hashed in batches', () => {
    // Pieces about the limit of 65,536 characters, with characters of one, two and four bytes.
    const pieces = [65_535, 1, 1, 65_536, 65_537, 3, 200_000, 7].map((length, index) =>
      ['a', 'é', '𝛿'][index % 3]!.repeat(length),
    );
    expect(digestPieces(pieces)).toBe(sha256(pieces.join('')));
  });

  it('is that of sha256sum for known texts', () => {
    // printf '' | sha256sum; printf 'abc' | sha256sum
    expect(digestPieces([])).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(digestPieces(['a', 'bc'])).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('can be read in between and goes on', () => {
    const digest = new Digest();
    digest.add('first');
    expect(digest.hex()).toBe(sha256('first'));
    digest.add('second');
    expect([digest.hex(), digest.hex()]).toEqual([sha256('firstsecond'), sha256('firstsecond')]);
  });

  it('of parts is that of their bytes one after another', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (parts) => {
        expect(digestOf(...parts)).toBe(sha256(Buffer.concat(parts)));
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});
