/**
 * ARC4 without its first 256 bytes, number for number as in seedrandom 3. A run of 10,000 workers has some 40,000
 * generators: here each takes 256 bytes that lie side by side, in the package 3 kB.
 */

/** The size of a generator's permutation of all bytes. */
export const arc4Bytes = 256;

/** 2^48, 2^52 and 2^53. */
const [two48, two52, two53] = [0x1_0000_0000_0000, 0x10_0000_0000_0000, 0x20_0000_0000_0000] as const;

export class Arc4 {
  private i = 0;
  private j = 0;

  /** Takes memory of `arc4Bytes` zeros, and a key of characters below 256. */
  constructor(
    private readonly permutation: Uint8Array,
    key: string,
  ) {
    for (let i = 0; i < arc4Bytes; i += 1) permutation[i] = i;
    let j = 0;
    for (let i = 0; i < arc4Bytes; i += 1) {
      const kept = permutation[i]!;
      j = (j + kept + key.charCodeAt(i % key.length)) & 255;
      permutation[i] = permutation[j]!;
      permutation[j] = kept;
    }
    for (let count = 0; count < arc4Bytes; count += 1) this.byte();
  }

  /** The next number, uniform in [0, 1): as many bytes as give it 52 bits or more. */
  double(): number {
    let numerator = 0;
    for (let count = 0; count < 6; count += 1) numerator = 256 * numerator + this.byte();
    let denominator = two48;
    let last = 0;
    while (numerator < two52) {
      numerator = (numerator + last) * 256;
      denominator *= 256;
      last = this.byte();
    }
    while (numerator >= two53) {
      numerator /= 2;
      denominator /= 2;
      last >>>= 1;
    }
    return (numerator + last) / denominator;
  }

  private byte(): number {
    const { permutation } = this;
    const i = (this.i + 1) & 255;
    const a = permutation[i]!;
    const j = (this.j + a) & 255;
    const b = permutation[j]!;
    permutation[i] = b;
    permutation[j] = a;
    this.i = i;
    this.j = j;
    return permutation[(a + b) & 255]!;
  }
}
