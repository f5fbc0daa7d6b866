import { createHash } from 'node:crypto';

/** SHA-256 over text that arrives in pieces, in hexadecimal: what `sha256sum` says of the whole. */
export class Digest {
  private readonly hash = createHash('sha256');
  private pieces = '';

  add(text: string): void {
    this.pieces += text;
    // Hashing in batches: a call for each event would cost more than the event.
    if (this.pieces.length > 65_536) this.flush();
  }

  hex(): string {
    this.flush();
    return this.hash.copy().digest('hex');
  }

  private flush(): void {
    this.hash.update(this.pieces);
    this.pieces = '';
  }
}

/** SHA-256 of the bytes of all `parts`, in hexadecimal. */
export function digestOf(...parts: readonly Uint8Array[]): string {
  return parts.reduce((hash, bytes) => hash.update(bytes), createHash('sha256')).digest('hex');
}
