/** Ports: the arrays through which values go into a program and come out of it, used again at each call. */
import { allFinite } from '../finite.js';
import type { Vector } from '../vector.js';
import { writeFeed, type Feeds, type Tables } from './feeds.js';
import { mapped } from './mapped.js';
import { packingOf } from './packing.js';
import { sizeOf } from './table.js';
import type { Feed } from './tensorFunction.js';
import type { Program } from './trace.js';

export type Values = Float32Array | Int32Array;
/** Makes the array of a port. */
export type Make = (feed: Feed, port: string) => Values;

/** An array under the name by which the graph knows it. */
export interface Port extends Feed {
  readonly values: Values;
}

/** What a call gives to one replica. */
export interface Evaluation<Kind extends Vector = Float32Array> {
  readonly outputs: Record<string, Kind>;
  /** Whether all of it is finite: found out here, where the outputs are in the processor's cache. */
  readonly finite: boolean;
}

export class Ports {
  readonly in: Readonly<Record<string, Port>>;
  readonly out: Readonly<Record<string, Port>>;
  /** Where the values of each replica lie; in one place where they share them. */
  private readonly takes: Readonly<Record<string, readonly Values[]>>;
  private readonly gives: Readonly<Record<string, readonly Float32Array[]>>;
  private readonly isFinite: (values: Float32Array) => boolean;

  constructor(
    { inputs, outputs, replicas, shared }: Pick<Program, 'inputs' | 'outputs' | 'replicas' | 'shared'>,
    {
      make = arrayOf,
      isFinite = allFinite,
      /** The input that comes row by row, which others write. */
      streamed,
    }: { make?: Make; isFinite?: (values: Float32Array) => boolean; streamed?: string | undefined } = {},
  ) {
    this.isFinite = isFinite;
    const into = allocate('in', inputs, make);
    const from = allocate('out', outputs, make);
    this.in = into.ports;
    this.out = from.ports;
    const taken = Object.entries(into.arrays).filter(([name]) => name !== streamed);
    this.takes = mapped(Object.fromEntries(taken), (array, name) => parts(array, shared.has(name) ? 1 : replicas));
    this.gives = mapped(from.arrays as Record<string, Float32Array>, (array) => parts(array, replicas));
  }

  /** Writes the feeds of every replica into the arrays. */
  take(feeds: readonly Feeds[], tables: Tables): void {
    for (const name in this.takes) {
      const places = this.takes[name]!;
      for (let replica = 0; replica < places.length; replica += 1) {
        writeFeed(places[replica]!, feeds[replica]![name]!, tables);
      }
    }
  }

  /** Copies of what lies in the arrays, for one replica. */
  give(replica: number): Evaluation {
    const outputs: Record<string, Float32Array> = {};
    let finite = true;
    for (const name in this.gives) {
      const values = this.gives[name]![replica]!;
      outputs[name] = values.slice();
      finite &&= this.isFinite(values);
    }
    return { outputs, finite };
  }
}

/** `array` in `count` parts of equal length. */
export function parts<Kind extends Values>(array: Kind, count: number): Kind[] {
  const length = array.length / count;
  return Array.from({ length: count }, (_, part) => array.subarray(part * length, (part + 1) * length) as Kind);
}

/** Arrays for `feeds`, by their names, and the ports over them: those that are packed share one. */
export function allocate(
  prefix: 'in' | 'out',
  feeds: Readonly<Record<string, Feed>>,
  make: Make = arrayOf,
): { arrays: Record<string, Values>; ports: Record<string, Port> } {
  const { places, length } = packingOf(feeds);
  const packed = make({ dtype: 'float32', shape: [length] }, prefix);
  const arrays: Record<string, Values> = {};
  const ports: Record<string, Port> =
    places.size === 0 ? {} : { [prefix]: { dtype: 'float32', shape: [length], values: packed } };
  for (const [name, feed] of Object.entries(feeds)) {
    const place = places.get(name);
    const port = `${prefix}_${name}`;
    const values = place === undefined ? make(feed, port) : packed.subarray(place.offset, place.offset + place.size);
    if (place === undefined) ports[port] = { ...feed, values };
    arrays[name] = values;
  }
  return { arrays, ports };
}

function arrayOf({ dtype, shape }: Feed): Values {
  return dtype === 'int32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
}
