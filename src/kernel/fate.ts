/** What becomes of actors that are struck: where strikes overlap, each lasts until it is ended by the same cause. */
import type { Strike } from './effects.js';

/** What strikes have done to an actor. */
export interface Fate<Entry> {
  /** What holds it down; it is up where nothing does. */
  readonly downs: Set<number>;
  /** How often it went down. */
  lives: number;
  /** Whether it has lost its memory since it went down. */
  blank: boolean;
  /** What pauses it, and since when. */
  readonly pauses: Set<number>;
  pausedSince: number | undefined;
  /** How long it was paused before. */
  pausedNs: number;
  /** What came for it meanwhile. */
  held: Entry[];
}

export function unharmed<Entry>(): Fate<Entry> {
  const none = { downs: new Set<number>(), pauses: new Set<number>() };
  return { ...none, lives: 0, blank: false, pausedSince: undefined, pausedNs: 0, held: [] };
}

/** Notes a strike; whether the actor goes down or up, pauses or resumes by it. */
export function takesEffect(fate: Fate<unknown>, strike: Strike): boolean {
  const { downs, pauses } = fate;
  const { kind, by } = strike;
  switch (kind) {
    case 'down':
      return begins(downs, by);
    case 'up':
      if (downs.has(by) && strike.memory === 'lost') fate.blank = true;
      return ends(downs, by);
    case 'pause':
      return downs.size === 0 && begins(pauses, by);
    case 'resume':
      return ends(pauses, by);
  }
}

/** Adds a cause: whether there was none. */
function begins(causes: Set<number>, by: number): boolean {
  const none = causes.size === 0;
  causes.add(by);
  return none;
}

/** Takes a cause away: whether it was the last. */
function ends(causes: Set<number>, by: number): boolean {
  return causes.delete(by) && causes.size === 0;
}
