/** A world for behaviours that are called as plain functions. */
import type { Context, Effect } from '../../src/kernel/effects.js';
import { Streams } from '../../src/kernel/streams.js';

/** Random numbers come from the actor's own streams of seed 1. */
export function contextOf(self: string, timeNs = 0, totals = { messages: 0, bytes: 0, lost: 0 }): Context {
  const streams = new Streams(1);
  return { self, timeNs, totals, random: (purpose) => streams.stream(self, purpose) };
}

/** The effects of one kind, in order. */
export function only<Kind extends Effect['effect']>(
  kind: Kind,
  effects: readonly Effect[],
): Extract<Effect, { effect: Kind }>[] {
  return effects.filter((effect) => effect.effect === kind) as Extract<Effect, { effect: Kind }>[];
}
