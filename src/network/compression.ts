/**
 * Compression, with error feedback: what a codec C leaves out of a message is not lost, but sent with later ones. With a
 * threshold a codec leaves out all of what is small (event-triggered communication): the message has no bytes then.
 *
 * Every sender remembers one vector for every receiver and kind of message. Of updates d it is the error e, from zero:
 * d + e is encoded, the receiver gets C(d + e), and e <- d + e - C(d + e) (Stich et al. 2018; Karimireddy et al. 2019).
 * Of copies x of the parameters it is c, which the receiver remembers too, from the vector that all start with: x - c is
 * encoded, both do c <- c + C(x - c), and the receiver gets c (EF21, Richtarik, Sokolov and Fatkhullin 2021, with
 * parameters in place of gradients). Both do the same float32 arithmetic, so c is computed once, where it is sent: a
 * link must lose nothing that is not sent again, and a receiver must not forget.
 */
import { z } from 'zod';
import { here } from '../vector.js';
import type { Parcel } from '../kernel/effects.js';
import type { Stream, Streams } from '../kernel/streams.js';
import { bytesOf } from '../kernel/traffic.js';
import { codecSchema, encode, type CodecChoice, type Encoded } from './codecs.js';

/** The scenario's key `compression`; a direction that is absent is not compressed. */
export const compressionSchema = z.strictObject({
  up: codecSchema
    .optional()
    .describe('The codec of what workers send: copies, or updates where the method sends those'),
  down: codecSchema.optional().describe('The codec of the u that workers get'),
});

export interface CompressionOptions {
  /** The codec of the tensor `z` in messages `deliver`. */
  readonly up?: CodecChoice | undefined;
  /** The codec of the tensor `u` in messages `reply`, which are copies. */
  readonly down?: CodecChoice | undefined;
  /** What all nodes start with, `[P]`. */
  readonly start: Float32Array;
  /** What messages `deliver` are. */
  readonly sends: 'copies' | 'updates';
  readonly streams: Streams;
}

export interface Compression {
  /**
   * The message as its receiver decodes it, and what it takes on a link. It counts as sent: call it once for every
   * message, in the order in which they are sent.
   */
  compress(parcel: Pick<Parcel, 'from' | 'to' | 'message'>): Pick<Parcel, 'message' | 'bytes'>;
}

export function compression({ up, down, start, sends, streams }: CompressionOptions): Compression {
  const lanes: Readonly<Record<string, Lane>> = {
    deliver: { tensor: 'z', codec: effective(up), feedback: sends === 'copies' ? copies : updates },
    reply: { tensor: 'u', codec: effective(down), feedback: copies },
  };
  const memories = new Map<string, Float32Array>();
  return {
    compress: ({ from, to, message }) => {
      const { kind, tensors } = message;
      const lane = lanes[kind];
      const vector = lane && tensors?.[lane.tensor];
      if (lane?.codec === undefined || vector === undefined) return { message, bytes: bytesOf(message) };
      if (vector.length !== start.length) throw new Error(`${kind} has ${vector.length} entries, not ${start.length}`);
      const key = `${from}/${to}/${kind}`;
      const content = {
        vector: here(vector),
        codec: lane.codec,
        stream: streams.stream(from, `compression/${to}/${kind}`),
      };
      const sent = lane.feedback.send(memories.get(key) ?? lane.feedback.first(start), content);
      memories.set(key, sent.memory);
      const decoded = { ...message, tensors: { ...tensors, [lane.tensor]: sent.values } };
      return { message: decoded, bytes: bytesOf(message) - vector.byteLength + sent.bytes };
    },
  };
}

/** A codec that does something. */
function effective(given: CodecChoice | undefined): CodecChoice | undefined {
  return given?.codec === 'none' && given.threshold === undefined ? undefined : given;
}

/** How messages of one kind are compressed. */
interface Lane {
  readonly tensor: string;
  readonly codec: CodecChoice | undefined;
  readonly feedback: Feedback;
}

/** What a sender remembers at first, and what a message gives its receiver and leaves in memory. Arrays are new ones. */
interface Feedback {
  first(start: Float32Array): Float32Array;
  send(memory: Float32Array, content: Content): Encoded & { readonly memory: Float32Array };
}

interface Content {
  readonly vector: Float32Array;
  readonly codec: CodecChoice;
  readonly stream: Stream;
}

/** The memory is e. */
const updates: Feedback = {
  first: (start) => new Float32Array(start.length),
  send: (error, { vector, codec, stream }) => {
    const owed = sum(vector, error);
    const { values, bytes } = encode(codec, owed, stream);
    return { values, bytes, memory: difference(owed, values) };
  },
};

/** The memory is c. */
const copies: Feedback = {
  first: (start) => start,
  send: (known, { vector, codec, stream }) => {
    const { values: change, bytes } = encode(codec, difference(vector, known), stream);
    const values = sum(known, change);
    return { values, bytes, memory: values };
  },
};

/** a + b in float32. */
function sum(a: Float32Array, b: Float32Array): Float32Array {
  const result = new Float32Array(a.length);
  for (let index = 0; index < a.length; index += 1) result[index] = a[index]! + b[index]!;
  return result;
}

/** a - b in float32. */
function difference(a: Float32Array, b: Float32Array): Float32Array {
  const result = new Float32Array(a.length);
  for (let index = 0; index < a.length; index += 1) result[index] = a[index]! - b[index]!;
  return result;
}
