/**
 * The vocabulary between behaviours and the kernel. A behaviour is a pure function
 * `(state, message, context) -> state and effects`; it imports nothing but these types.
 */
import type { Vector } from '../vector.js';
import type { Stream } from './streams.js';

/** A value that can stand in the event log: plain JSON without float tensors. */
export type Fact = number | string | boolean | readonly Fact[];
export type Facts = Readonly<Record<string, Fact>>;

/** Named float32 vectors. Immutable from the moment they are part of an effect. */
export type Tensors = Readonly<Record<string, Vector>>;

/** What an actor receives. `facts` go to the event log, `tensors` never do. */
export interface Message {
  readonly kind: string;
  readonly facts: Facts;
  readonly tensors?: Tensors;
  /** Which of its receiver's messages this answers, by a number of that one's own. Not in the event log. */
  readonly answers?: number;
}

/** Rows `indices` of a resident table (see `compute/table.ts`), in order. */
export interface Gather {
  readonly table: string;
  readonly indices: Int32Array;
}

/** One input of a computation: a vector, a stack of equally long vectors `[K, P]`, or rows of a table. */
export type Input = Vector | Int32Array | readonly Vector[] | Gather;
export type Inputs = Readonly<Record<string, Input>>;

/** Numeric work by name; what the name means is bound when the scenario is assembled. */
export interface Computation {
  readonly task: string;
  readonly inputs: Inputs;
}

/** Evaluates computations. The result depends on the computation alone, not on when or where it runs. */
export interface Engine {
  run(computation: Computation): Promise<Tensors>;
  /** Waits for a result; an engine may work meanwhile. */
  wait?(result: Promise<Tensors>): Promise<Tensors>;
  /** True for a result that the engine has found to be finite already, which is cheapest where it was computed. */
  knownFinite?(result: Tensors): boolean;
}

/** One line of metrics.jsonl, less its virtual time. */
export interface Measurement {
  readonly iteration: number;
  readonly measure: string;
  readonly worker?: number;
  readonly value: number;
}

/** A measurement that a computation gives: element `worker` of its result `output`, or the first one. */
export type Pending = Omit<Measurement, 'value'> & { readonly output: string };

export type Effect =
  /** Gives a message to the network, which decides when it arrives. Its bytes are those of its tensors. */
  | { readonly effect: 'send'; readonly to: string; readonly message: Message }
  /** Delivers a message to the actor itself after `delayNs`. */
  | { readonly effect: 'after'; readonly delayNs: number; readonly message: Message }
  /** Starts numeric work now; `reply`, with the result as its tensors, is delivered after `durationNs`. */
  | {
      readonly effect: 'compute';
      readonly computation: Computation;
      /** `instant`: in zero time, before anything else of this time. */
      readonly durationNs: number | 'instant';
      readonly reply: Message;
    }
  /** Shows something to the monitor, outside virtual time. */
  | { readonly effect: 'observe'; readonly observation: Observation }
  /** Records measurements. `pending` ones are numbers that `computation` returns. Monitor only. */
  | { readonly effect: 'record'; readonly rows: readonly Measurement[] }
  | { readonly effect: 'evaluate'; readonly computation: Computation; readonly rows: readonly Pending[] }
  /** Strikes an actor, see `Strike`. The actor `faults` only. */
  | { readonly effect: 'strike'; readonly actor: string; readonly strike: Strike }
  /** Ends the run directly after this event. */
  | { readonly effect: 'stop'; readonly reason: string };

/**
 * What can happen to an actor. One that is `down` loses what it was computing and what arrives, until it is `up`: then
 * it gets the message `rejoin`, whose fact `memory` says whether it may still know what it knew. One that pauses does
 * all later that it was computing, by as long as the pause lasted, and gets what arrived when it resumes. Going down ends
 * a pause, and what is down cannot be paused. Where strikes overlap, each lasts until it is ended `by` the same cause.
 */
export type Strike = { readonly by: number } & (
  { readonly kind: 'down' | 'pause' | 'resume' } | { readonly kind: 'up'; readonly memory: 'kept' | 'lost' }
);

/** What an actor shows of itself to the monitor: `facts` and `tensors` as in a message. */
export interface Observation {
  readonly kind: string;
  readonly facts: Facts;
  readonly tensors?: Tensors;
}

/** What a behaviour may know of the world. */
export interface Context {
  /** The actor's own name. */
  readonly self: string;
  /** Virtual time of the event in nanoseconds. */
  readonly timeNs: number;
  /** The actor's own stream of random numbers for `purpose`. */
  readonly random: (purpose: string) => Stream;
  /** Messages and bytes sent so far in the whole run. */
  readonly totals: Totals;
}

/** What was given to the network so far, every copy and every attempt counted. */
export interface Totals {
  readonly messages: number;
  readonly bytes: number;
  /** Messages of those that will never arrive. */
  readonly lost: number;
}

export interface Transition<State> {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** How one role acts. `State` is data: it can be saved and restored. */
export interface Behaviour<State> {
  /** The state and the effects at time 0. */
  readonly init: (context: Context) => Transition<State>;
  readonly receive: (state: State, message: Message, context: Context) => Transition<State>;
  /** What the actor waits for, as a sentence for the deadlock report; undefined where nothing. */
  readonly waiting?: (state: State) => string | undefined;
}

/** A message on its way. */
export interface Parcel {
  readonly from: string;
  readonly to: string;
  readonly message: Message;
  /** What it takes on a link. */
  readonly bytes: number;
  /** The virtual time at which its actor sent it, and the number of the event that made it do so. */
  readonly sentNs: number;
  readonly event: number;
}

/** What follows from a message that was sent, or from the time at which a network wanted to be woken. */
export type Passage =
  /** The message reaches its actor after `delayNs`. */
  | { readonly passage: 'arrive'; readonly parcel: Parcel; readonly delayNs: number }
  /** A copy of the message never will. */
  | { readonly passage: 'lost'; readonly parcel: Parcel; readonly why: string }
  /** The network is woken after `delayNs`. */
  | { readonly passage: 'wake'; readonly wakeUp: WakeUp; readonly delayNs: number };

/** What a network does at a later time. */
export type WakeUp = (timeNs: number) => readonly Passage[];

/** Carries messages between actors: decides when each arrives, if at all. */
export interface Network {
  /** Takes on a message that is sent at `parcel.sentNs`. */
  send(parcel: Parcel): readonly Passage[];
  /** The message of an `arrive` is there. Its actor gets it now, unless that is down. */
  arrived(parcel: Parcel, down: boolean, timeNs: number): readonly Passage[];
  /** Gives up what `actor` was about to send: it has gone down. */
  forget?(actor: string): void;
  /** What has been carried so far, always up to date. */
  readonly totals: Totals;
  /**
   * Throws where sent is not delivered + lost + in flight, in messages or in bytes, and, where nothing `isDue`, where
   * anything is in flight.
   */
  check(isDue: boolean): void;
}
