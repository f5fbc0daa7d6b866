/** What goes wrong: strikes actors at planned or drawn times. Its events are the faults of the event log. */
import type { Behaviour, Context, Effect, Facts, Message, Strike } from '../src/kernel/effects.js';
import type { Stream } from '../src/kernel/streams.js';

export interface Fault {
  readonly kind: 'kill' | 'crash' | 'pause' | 'join' | 'cut';
  /** The name of the actor that it strikes. */
  readonly who: string;
  /** Draws how long it takes to come, at the beginning and after each recovery. */
  readonly comesNs: (stream: Stream) => number;
  /** Draws how long it lasts; undefined where it does for ever. */
  readonly lastsNs: ((stream: Stream) => number) | undefined;
  /** It does not come later than this; with Infinity, it comes once. */
  readonly untilNs: number;
  /** What a crashed actor still knows. */
  readonly memory: 'kept' | 'lost';
}

/** What a fault does, and what ends it; a cut is made by the network, and only told here. */
const kinds: Readonly<Record<Fault['kind'], { strike: Strike['kind'] | undefined; end: string }>> = {
  kill: { strike: 'down', end: '' },
  crash: { strike: 'down', end: 'restart' },
  pause: { strike: 'pause', end: 'resume' },
  join: { strike: 'up', end: '' },
  cut: { strike: undefined, end: 'heal' },
};

export function faults(plan: readonly Fault[]): Behaviour<undefined> {
  return {
    init: (context) => ({
      state: undefined,
      effects: plan.flatMap((fault, index) => [...before(fault, index), ...next(plan, index, context)]),
    }),
    receive: (state, message, context) => ({ state, effects: effectsOf(plan, message, context) }),
  };
}

/** One that joins later is down until then. */
function before({ kind, who }: Fault, index: number): Effect[] {
  return kind === 'join' ? [{ effect: 'strike', actor: who, strike: { kind: 'down', by: index } }] : [];
}

/** The coming of a fault. */
function next(plan: readonly Fault[], index: number, context: Context): Effect[] {
  const { kind, who, comesNs, untilNs } = plan[index]!;
  const delayNs = comesNs(context.random(`fault/${index}`));
  if (context.timeNs + delayNs > untilNs) return [];
  return [{ effect: 'after', delayNs, message: { kind, facts: { who, plan: index } } }];
}

function effectsOf(plan: readonly Fault[], { kind, facts }: Message, context: Context): Effect[] {
  const { who: actor, plan: index } = facts as Facts & { who: string; plan: number };
  const fault = plan[index]!;
  const { strike, end } = kinds[fault.kind];
  if (kind === fault.kind) {
    const lastsNs = fault.lastsNs?.(context.random(`fault/${index}`));
    return [
      ...struck(actor, strike, { by: index, memory: fault.memory }),
      ...(lastsNs === undefined ? [] : [later(lastsNs, { kind: end, facts })]),
    ];
  }
  const recovery = strike === 'down' ? 'up' : strike === 'pause' ? 'resume' : undefined;
  const again = fault.untilNs === Infinity ? [] : next(plan, index, context);
  return [...struck(actor, recovery, { by: index, memory: fault.memory }), ...again];
}

function struck(
  actor: string,
  kind: Strike['kind'] | undefined,
  { by, memory }: { by: number; memory: 'kept' | 'lost' },
): Effect[] {
  if (kind === undefined) return [];
  return [{ effect: 'strike', actor, strike: kind === 'up' ? { kind, by, memory } : { kind, by } }];
}

function later(delayNs: number, message: Message): Effect {
  return { effect: 'after', delayNs, message };
}
