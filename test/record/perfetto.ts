/**
 * Reads a trace as Perfetto's importer does (src/trace_processor/importers: json_trace_parser, slice_tracker, flow_tracker):
 * events sorted by time and, of one time, in their order in the file; slices that overlap without nesting are dropped; an
 * arrow begins at the newest slice of its lane, and ends at the newest one (`bp: 'e'`) or at the next.
 */
import { z } from 'zod';

const id = z.int().min(0);
const time = z.number().min(0);
const args = z.record(z.string(), z.unknown());
const onLane = { pid: id, tid: id };
const told = { name: z.string().min(1), cat: z.string().min(1) };

/** The part of the Trace Event Format that a trace uses. */
const event = z.discriminatedUnion('ph', [
  z.strictObject({
    ph: z.literal('M'),
    ...onLane,
    name: z.enum(['process_name', 'thread_name', 'thread_sort_index']),
    args: z.union([z.strictObject({ name: z.string().min(1) }), z.strictObject({ sort_index: z.int() })]),
  }),
  z.strictObject({
    ph: z.literal('X'),
    ...onLane,
    ...told,
    ts: time,
    dur: z.number().positive(),
    args: args.optional(),
  }),
  z.strictObject({
    ph: z.literal('i'),
    ...onLane,
    ...told,
    s: z.enum(['t', 'p', 'g']),
    ts: time,
    args: args.optional(),
  }),
  z.strictObject({ ph: z.literal('s'), ...onLane, ...told, id, ts: time, args }),
  z.strictObject({ ph: z.literal('f'), ...onLane, ...told, id, ts: time, bp: z.literal('e').optional() }),
  z.strictObject({
    ph: z.literal('C'),
    pid: id,
    name: z.string(),
    ts: time,
    args: z.record(z.string(), z.number().min(0)),
  }),
]);

export const traceFile = z.strictObject({
  traceEvents: z.array(event),
  displayTimeUnit: z.enum(['ms', 'ns']),
  otherData: z.record(z.string(), z.unknown()),
});

type TraceEvent = z.infer<typeof event>;

/** A slice, or, where nothing is between its times, an instant. */
export interface Slice {
  readonly name: string;
  readonly fromNs: number;
  readonly untilNs: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Arrow {
  readonly name: string;
  readonly from: Slice;
  readonly to: Slice;
  readonly fromLane: string;
  readonly toLane: string;
  readonly sentNs: number;
  readonly arrivedNs: number;
}

export interface Imported {
  /** By the names of threads. */
  readonly lanes: ReadonlyMap<string, readonly Slice[]>;
  readonly arrows: readonly Arrow[];
  readonly counters: readonly { readonly name: string; readonly ns: number; readonly value: number }[];
  /** What Perfetto would drop. */
  readonly dropped: readonly string[];
}

/** Microseconds become whole nanoseconds: the rest is cut off. */
const ns = (microseconds: number): number => Math.trunc(microseconds * 1000);

export function importTrace(text: string): Imported {
  const { traceEvents } = traceFile.parse(JSON.parse(text));
  return new Importer(traceEvents).result();
}

type Begun = Omit<Arrow, 'to' | 'toLane' | 'arrivedNs'>;

class Importer {
  private readonly names = new Map<number, string>();
  private readonly lanes = new Map<string, Slice[]>();
  private readonly stacks = new Map<string, Slice[]>();
  private readonly begun = new Map<number, Begun>();
  private readonly pending = new Map<string, Omit<Arrow, 'to'>[]>();
  private readonly arrows: Arrow[] = [];
  private readonly counters: { name: string; ns: number; value: number }[] = [];
  private readonly dropped: string[] = [];

  constructor(events: readonly TraceEvent[]) {
    for (const each of events) {
      if (each.ph === 'M' && each.name === 'thread_name' && 'name' in each.args) {
        this.names.set(each.tid, each.args.name);
        this.lanes.set(each.args.name, []);
        this.stacks.set(each.args.name, []);
      }
    }
    const timed = events.filter((each) => each.ph !== 'M');
    for (const each of timed.toSorted((a, b) => ns(a.ts) - ns(b.ts))) this.take(each);
  }

  result(): Imported {
    const left = [...this.pending].flatMap(([lane, arrows]) =>
      arrows.map(({ name }) => `${name} to no slice of ${lane}`),
    );
    return { lanes: this.lanes, arrows: this.arrows, counters: this.counters, dropped: [...this.dropped, ...left] };
  }

  private take(each: Exclude<TraceEvent, { ph: 'M' }>): void {
    if (each.ph === 'C') {
      for (const value of Object.values(each.args)) this.counters.push({ name: each.name, ns: ns(each.ts), value });
      return;
    }
    const lane = this.names.get(each.tid)!;
    const newest = this.stacks.get(lane)!.at(-1);
    switch (each.ph) {
      case 'X':
      case 'i':
        this.start(lane, each, each.ph === 'X' ? ns(each.dur) : 0);
        return;
      case 's':
        if (newest === undefined) this.dropped.push(`${each.name} from nothing at ${lane}`);
        else this.begun.set(each.id, { name: each.name, from: newest, fromLane: lane, sentNs: ns(each.ts) });
        return;
      case 'f':
        this.end(lane, each);
    }
  }

  private start(
    lane: string,
    each: { name: string; ts: number; args?: Record<string, unknown> | undefined },
    dur: number,
  ): void {
    const fromNs = ns(each.ts);
    const slice = { name: each.name, fromNs, untilNs: fromNs + dur, args: each.args ?? {} };
    const stack = this.stacks.get(lane)!;
    for (const open of stack.toReversed()) {
      const stays = open.untilNs === fromNs && open.fromNs === open.untilNs && dur === 0;
      if (open.untilNs < fromNs || (open.untilNs === fromNs && !stays)) stack.pop();
      else if (fromNs < open.untilNs && slice.untilNs > open.untilNs) {
        this.dropped.push(`${slice.name} at ${fromNs} ns on ${lane} overlaps ${open.name}`);
        return;
      }
    }
    stack.push(slice);
    this.lanes.get(lane)!.push(slice);
    for (const arrow of this.pending.get(lane) ?? []) this.arrows.push({ ...arrow, to: slice });
    this.pending.delete(lane);
  }

  private end(lane: string, each: Extract<TraceEvent, { ph: 'f' }>): void {
    const begun = this.begun.get(each.id);
    const newest = this.stacks.get(lane)!.at(-1);
    if (begun === undefined || (each.bp === 'e' && newest === undefined)) {
      this.dropped.push(`the end of ${each.name} at ${lane}`);
      return;
    }
    const arrow = { ...begun, toLane: lane, arrivedNs: ns(each.ts) };
    if (each.bp === 'e') this.arrows.push({ ...arrow, to: newest! });
    else this.pending.set(lane, [...(this.pending.get(lane) ?? []), arrow]);
  }
}
