/**
 * The simulation: pops events in the total order, lets actors answer them, and carries out their effects.
 */
import { Stopped } from '../conditions.js';
import { allFinite } from '../finite.js';
import { isHere } from '../vector.js';
import { Agenda, priorities, type AgendaKey } from './agenda.js';
import { Digest } from './digest.js';
import type {
  Behaviour,
  Context,
  Effect,
  Engine,
  Facts,
  Message,
  Network,
  Observation,
  Parcel,
  Passage,
  Strike,
  Tensors,
  WakeUp,
} from './effects.js';
import { takesEffect, unharmed, type Fate } from './fate.js';
import { Ledger, type TimedMeasurement } from './ledger.js';
import { Stage } from './stage.js';
import type { Streams } from './streams.js';
import { bytesOf } from './traffic.js';
import { Watch } from './watch.js';

/** A behaviour under a name. Its place in the list is its number, which orders ties. */
export interface CastMember {
  readonly name: string;
  // The kernel hands a behaviour's own state back to it and never looks inside.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly behaviour: Behaviour<any>;
}

/** A processed event. */
export interface LoggedEvent {
  readonly timeNs: number;
  readonly actor: string;
  readonly kind: string;
  readonly facts: Facts;
  /** The event as a line of events.jsonl, with its line feed. */
  readonly line: string;
  /** Its number, from 1. */
  readonly number: number;
  readonly cause: Cause;
}

/** What set an event in motion. It is not part of the event log. */
export interface Cause {
  /** The number of the event whose handling did; 0 is the start. */
  readonly event: number;
  /** The actor that did, and when. */
  readonly actor: string;
  readonly timeNs: number;
  /** How: `message` by the network, `completion` and `instant` of a computation, `timer` of the actor itself. */
  readonly via: 'message' | 'completion' | 'instant' | 'timer';
  /** What the message took on a link. */
  readonly bytes: number;
}

/** A copy of a message that never arrives. */
export interface Loss {
  readonly timeNs: number;
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  readonly bytes: number;
  readonly why: string;
}

/** An actor begins a computation that takes time. Of one that is cut off no event tells. */
export interface Start {
  readonly timeNs: number;
  readonly actor: string;
  /** The event that its end will be. */
  readonly kind: string;
  readonly facts: Facts;
}

/** An actor goes down or comes up, pauses or resumes. Going down ends a pause, which is not told. */
export interface Struck {
  readonly timeNs: number;
  readonly actor: string;
  readonly kind: Strike['kind'];
}

/** When a run ends: directly after the event that reaches the first of these. */
export interface Limits {
  /** How many events of a kind: `{ move: 500 }`. */
  readonly counts: Readonly<Record<string, number>>;
  /** How many events in all. */
  readonly events?: number;
  /** Events later than this are not processed. */
  readonly timeNs?: number;
  /** A measurement below a value; the run waits for that measure before it goes on. */
  readonly target?: { readonly measure: string; readonly below: number };
}

export interface Simulation {
  readonly actors: readonly CastMember[];
  /** Sees observations; lies outside the agenda. */
  readonly monitor: CastMember;
  readonly network: Network;
  readonly engine: Engine;
  readonly streams: Streams;
  readonly limits: Limits;
  /** Receives each processed event, and its line of events.jsonl. */
  readonly onEvent?: (event: LoggedEvent) => void;
  readonly onMeasurement?: (measurement: TimedMeasurement) => void;
  readonly onLoss?: (loss: Loss) => void;
  readonly onStart?: (start: Start) => void;
  readonly onStrike?: (struck: Struck) => void;
  /** Ends the run between two events when aborted; the outcome's reason is `interrupted`. */
  readonly signal?: AbortSignal;
}

/** How a run ended. */
export interface Outcome {
  /** `move`, `step`, `virtualTime`, `target`, `interrupted`, or an actor's own reason. */
  readonly reason: string;
  /** Set where the run could not go on. */
  readonly failure?: Stopped;
  readonly timeNs: number;
  readonly eventsDigest: string;
  readonly counts: RunCounts;
  /** The last state of every actor, by name. */
  readonly states: ReadonlyMap<string, unknown>;
}

export interface RunCounts {
  readonly events: number;
  readonly messages: number;
  readonly bytes: number;
  readonly lost: number;
  /** Processed events by kind. */
  readonly kinds: Readonly<Record<string, number>>;
}

/** Something for an actor, or for the network. */
type Entry = ActorEntry | NetworkEntry;

interface ActorEntry extends AgendaKey {
  readonly to: number;
  readonly message: Message;
  readonly cause: Cause;
  /** What the network brings. */
  readonly parcel: Parcel | undefined;
  readonly result: Promise<Tensors> | undefined;
  /** Of what the actor does itself: how often it had been down when that began, and how long it had been paused. */
  readonly life: number;
  readonly pausedNs: number;
}

interface NetworkEntry extends AgendaKey {
  readonly wakeUp: WakeUp;
}

/** Runs `simulation` to its end. Bugs (a behaviour that throws) reject; conditions are in the outcome. */
export async function runSimulation(simulation: Simulation): Promise<Outcome> {
  const run = new Run(simulation);
  try {
    return await run.toEnd();
  } finally {
    run.close();
  }
}

class Run {
  private readonly agenda = new Agenda<Entry>();
  private readonly stage = new Stage();
  private readonly digest = new Digest();
  private readonly ledger: Ledger;
  private readonly numbers: ReadonlyMap<string, number>;
  private readonly sequences: number[];
  private readonly randoms = new Map<string, Context['random']>();
  private readonly kinds: Record<string, number> = {};
  private readonly fates = new Map<number, Fate<ActorEntry>>();
  private readonly watch: Watch;
  private timeNs = 0;
  private events = 0;
  private stopReason: string | undefined;

  constructor(private readonly simulation: Simulation) {
    this.numbers = new Map(simulation.actors.map(({ name }, number) => [name, number]));
    // The network comes last.
    this.sequences = [...simulation.actors.map(() => 0), 0];
    this.ledger = new Ledger(simulation.engine, (measurement) => {
      simulation.onMeasurement?.(measurement);
      const { target } = simulation.limits;
      if (target !== undefined && measurement.measure === target.measure && measurement.value < target.below) {
        this.stopReason ??= 'target';
      }
    });
    this.watch = new Watch(simulation.monitor.name, this.stage, this.ledger);
  }

  close(): void {
    this.stage.close();
  }

  async toEnd(): Promise<Outcome> {
    let failure: Stopped | undefined;
    try {
      await this.begin();
      while (this.stopReason === undefined) {
        const entry = this.next();
        if (entry !== undefined) {
          const message = entry.result === undefined ? entry.message : await this.completed(entry);
          this.perform(this.nameOf(entry), await this.deliver(entry, message));
          if (this.isTimeToMeasure()) await this.measure();
          this.stopAfter(message);
        }
        this.simulation.network.check(true);
      }
      await this.finish();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      failure = error;
      await this.watch.show();
      await this.ledger.drain();
    }
    const { messages, bytes, lost } = this.simulation.network.totals;
    return {
      reason: this.stopReason ?? failure?.status ?? 'failed',
      ...(failure === undefined ? {} : { failure }),
      timeNs: this.timeNs,
      eventsDigest: this.digest.hex(),
      counts: { events: this.events, messages, bytes, lost, kinds: this.kinds },
      states: this.stage.states(),
    };
  }

  private async begin(): Promise<void> {
    const { actors, monitor } = this.simulation;
    this.watch.record(this.stage.spawn(monitor.name, monitor.behaviour, this.context(monitor.name)), this.timeNs);
    for (const { name, behaviour } of actors) this.perform(name, this.stage.spawn(name, behaviour, this.context(name)));
    await this.measure();
    if (this.simulation.limits.events === 0) this.stopReason ??= 'events';
  }

  /** Takes the earliest entry from the agenda: the next event, if it is one. */
  private next(): ActorEntry | undefined {
    const { limits, signal, network } = this.simulation;
    if (signal?.aborted === true) {
      this.stopReason = 'interrupted';
      return undefined;
    }
    const entry = this.agenda.peek();
    if (entry === undefined) {
      network.check([...this.fates.values()].some(({ held }) => held.length > 0));
      const waiting = this.stage.waiting().join('; ');
      throw new Stopped('failed', `deadlock: nothing is left to happen and the goal is not met; ${waiting}`);
    }
    if (limits.timeNs !== undefined && entry.timeNs > limits.timeNs) {
      this.timeNs = limits.timeNs;
      this.stopReason = 'virtualTime';
      return undefined;
    }
    this.agenda.pop();
    if (entry.timeNs < this.timeNs) throw new Error(`time went back from ${this.timeNs} to ${entry.timeNs} ns`);
    this.timeNs = entry.timeNs;
    if ('wakeUp' in entry) {
      this.pass(entry.wakeUp(this.timeNs));
      return undefined;
    }
    return this.fates.size === 0 || this.isFor(entry) ? entry : undefined;
  }

  /** An event happens: it goes to its actor, which answers with effects. */
  private deliver(entry: ActorEntry, message: Message): Promise<readonly Effect[]> {
    if (entry.parcel !== undefined) this.pass(this.simulation.network.arrived(entry.parcel, false, this.timeNs));
    const name = this.nameOf(entry);
    this.log(name, entry, message);
    return this.stage.deliver(name, message, this.context(name));
  }

  private nameOf({ to }: ActorEntry): string {
    return this.simulation.actors[to]!.name;
  }

  private isTimeToMeasure(): boolean {
    return this.watch.isFull || (this.simulation.limits.target !== undefined && !this.watch.isEmpty);
  }

  /** Ends the run if an event of this kind, or this many events, were the limit. */
  private stopAfter({ kind }: Message): void {
    const { counts, events } = this.simulation.limits;
    if (this.kinds[kind]! >= (counts[kind] ?? Infinity)) this.stopReason ??= kind;
    if (this.events >= (events ?? Infinity)) this.stopReason ??= 'events';
  }

  /** False for what does not happen, or only later, because its actor has been struck. */
  private isFor(entry: ActorEntry): boolean {
    const fate = this.fates.get(entry.to);
    if (fate === undefined) return true;
    const { parcel } = entry;
    if (fate.downs.size > 0 || (parcel === undefined && entry.life < fate.lives)) {
      if (parcel !== undefined) {
        this.pass(this.simulation.network.arrived(parcel, true, this.timeNs));
        this.tellLoss(parcel, 'down');
      }
      return false;
    }
    const missedNs = parcel === undefined ? fate.pausedNs - entry.pausedNs : 0;
    if (fate.pausedSince !== undefined) fate.held.push(entry);
    else if (missedNs > 0) this.postpone(entry, entry.timeNs + missedNs);
    else return true;
    return false;
  }

  private postpone(entry: ActorEntry, timeNs: number): void {
    const pausedNs = this.fates.get(entry.to)!.pausedNs;
    this.agenda.push({ ...entry, timeNs, pausedNs });
  }

  private strike({ actor, strike }: { readonly actor: string; readonly strike: Strike }): void {
    const number = this.numbers.get(actor);
    if (number === undefined) throw new Error(`${actor} was struck, which is not an actor`);
    let fate = this.fates.get(number);
    if (fate === undefined) this.fates.set(number, (fate = unharmed()));
    if (!takesEffect(fate, strike)) return;
    this.simulation.onStrike?.({ timeNs: this.timeNs, actor, kind: strike.kind });
    this.observe({ kind: strike.kind, facts: { actor } });
    switch (strike.kind) {
      case 'down':
        this.resume(fate);
        fate.lives += 1;
        this.simulation.network.forget?.(actor);
        return;
      case 'up': {
        const memory = fate.blank ? 'lost' : 'kept';
        fate.blank = false;
        this.pushOwn(actor, { via: 'instant', delayNs: 0, message: { kind: 'rejoin', facts: { memory } } });
        return;
      }
      case 'pause':
        fate.pausedSince = this.timeNs;
        return;
      case 'resume':
        this.resume(fate);
    }
  }

  /** What a pause held up happens now, in its order, or, where work had begun before, when that has had its time. */
  private resume(fate: Fate<ActorEntry>): void {
    fate.pauses.clear();
    if (fate.pausedSince === undefined) return;
    fate.pausedNs += this.timeNs - fate.pausedSince;
    fate.pausedSince = undefined;
    for (const entry of fate.held.splice(0)) {
      if (entry.parcel === undefined) this.postpone(entry, entry.timeNs + fate.pausedNs - entry.pausedNs);
      else this.agenda.push({ ...entry, ...this.networkKey(0) });
    }
  }

  /** The monitor sees the end: it may take its last measures. */
  private async finish(): Promise<void> {
    this.observe({ kind: 'end', facts: { reason: this.stopReason ?? '' } });
    await this.watch.show();
    await this.ledger.drain();
  }

  /** The message with the result of its computation: a parameter that is not finite ends the run as diverged. */
  private async completed(entry: ActorEntry): Promise<Message> {
    const { engine } = this.simulation;
    const { kind, facts } = entry.message;
    const tensors = await (engine.wait?.(entry.result!) ?? entry.result!);
    if (engine.knownFinite?.(tensors) === true) return { kind, facts, tensors };
    for (const output in tensors) {
      const vector = tensors[output]!;
      // Awaited only where it must be: this is done several times a step.
      if (allFinite(isHere(vector) ? vector : await vector.values())) continue;
      const count = facts['step'] ?? facts['version'];
      const which = count === undefined ? kind : `${kind} ${JSON.stringify(count)}`;
      throw new Stopped('diverged', `${this.nameOf(entry)} diverged at ${which}: its ${output} is not finite`);
    }
    return { kind, facts, tensors };
  }

  private log(actor: string, { cause }: ActorEntry, { kind, facts }: Message): void {
    this.events += 1;
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    // What JSON.stringify says of { timeNs, actor, kind, ...facts }, without making that object.
    const said = JSON.stringify(facts).slice(1);
    const comma = said === '}' ? '' : ',';
    const line = `{"timeNs":${this.timeNs},"actor":"${actor}","kind":"${kind}"${comma}${said}\n`;
    this.digest.add(line);
    this.simulation.onEvent?.({ timeNs: this.timeNs, actor, kind, facts, line, number: this.events, cause });
  }

  private perform(name: string, effects: readonly Effect[]): void {
    for (const effect of effects) this.performOne(name, effect);
  }

  private performOne(name: string, effect: Effect): void {
    switch (effect.effect) {
      case 'send': {
        const { to, message } = effect;
        const parcel = { from: name, to, message, bytes: bytesOf(message), sentNs: this.timeNs, event: this.events };
        this.pass(this.simulation.network.send(parcel));
        return;
      }
      case 'after':
        this.pushOwn(name, { via: 'timer', delayNs: effect.delayNs, message: effect.message });
        return;
      case 'compute': {
        // The inputs are fixed, so the work starts now; the event waits for it when it is popped.
        const result = this.simulation.engine.run(effect.computation);
        result.catch(() => undefined);
        const { durationNs, reply: message } = effect;
        const [via, delayNs] =
          durationNs === 'instant' ? (['instant', 0] as const) : (['completion', durationNs] as const);
        this.pushOwn(name, { via, delayNs, message, result });
        if (via === 'completion') {
          const { kind, facts } = message;
          this.simulation.onStart?.({ timeNs: this.timeNs, actor: name, kind, facts });
        }
        return;
      }
      case 'strike':
        this.strike(effect);
        return;
      case 'observe':
        this.observe(effect.observation);
        return;
      case 'record':
      case 'evaluate':
        throw new Error(`${name} may not ${effect.effect}: only ${this.simulation.monitor.name} does that`);
      case 'stop':
        this.stopReason ??= effect.reason;
    }
  }

  /** Carries out what the network says. */
  private pass(passages: readonly Passage[]): void {
    for (const passage of passages) {
      switch (passage.passage) {
        case 'arrive':
          this.pushParcel(passage.parcel, passage.delayNs);
          break;
        case 'wake':
          this.agenda.push({ ...this.networkKey(passage.delayNs), wakeUp: passage.wakeUp });
          break;
        case 'lost':
          this.tellLoss(passage.parcel, passage.why);
      }
    }
  }

  private pushParcel(parcel: Parcel, delayNs: number): void {
    const { from, to, message, bytes, sentNs, event } = parcel;
    const target = this.numbers.get(to);
    if (target === undefined) throw new Error(`${from} sent ${message.kind} to ${to}, which is not an actor`);
    const cause = { event, actor: from, timeNs: sentNs, via: 'message', bytes } as const;
    const key = this.key(this.numbers.get(from)!, priorities.message, delayNs, message.kind);
    this.push(key, { to: target, message, cause, parcel, result: undefined, life: 0, pausedNs: 0 });
  }

  /** What an actor does itself. */
  private pushOwn(
    name: string,
    own: {
      readonly via: 'completion' | 'instant' | 'timer';
      readonly delayNs: number;
      readonly message: Message;
      readonly result?: Promise<Tensors>;
    },
  ): void {
    const { via, delayNs, message, result } = own;
    const number = this.numbers.get(name)!;
    const cause = { event: this.events, actor: name, timeNs: this.timeNs, via, bytes: 0 };
    const key = this.key(number, priorities[via], delayNs, message.kind);
    const { lives: life = 0, pausedNs = 0 } = this.fates.get(number) ?? {};
    this.push(key, { to: number, message, cause, parcel: undefined, result, life, pausedNs });
  }

  private push(key: AgendaKey, content: Omit<ActorEntry, keyof AgendaKey>): void {
    // Spreads would take several times as long as all else that an event needs.
    const { timeNs, priority, source, sequence } = key;
    const { to, message, cause, parcel, result, life, pausedNs } = content;
    this.agenda.push({ timeNs, priority, source, sequence, to, message, cause, parcel, result, life, pausedNs });
  }

  private networkKey(delayNs: number): AgendaKey {
    return this.key(this.sequences.length - 1, priorities.network, delayNs, 'the network');
  }

  /** A place in the agenda, after `delayNs`, for what `source` has caused. */
  private key(source: number, priority: number, delayNs: number, what: string): AgendaKey {
    const from = this.simulation.actors[source]?.name ?? 'the network';
    if (!(delayNs >= 0)) throw new Error(`${from} asked for a delay of ${delayNs} ns`);
    const timeNs = this.timeNs + delayNs;
    if (timeNs > Number.MAX_SAFE_INTEGER) {
      const limit = `virtual time ends at ${Number.MAX_SAFE_INTEGER} ns, about 104 days`;
      throw new Stopped(
        'failed',
        `${limit}: ${from} asked for ${what} at ${timeNs} ns; choose shorter delays, or stop earlier`,
      );
    }
    const sequence = (this.sequences[source] = this.sequences[source]! + 1);
    return { timeNs, priority, source, sequence };
  }

  private tellLoss({ from, to, message: { kind }, bytes }: Parcel, why: string): void {
    this.simulation.onLoss?.({ timeNs: this.timeNs, from, to, kind, bytes, why });
  }

  private observe(observation: Observation): void {
    const { messages, bytes, lost } = this.simulation.network.totals;
    this.watch.add(observation, this.context(this.simulation.monitor.name, { messages, bytes, lost }));
  }

  /** Shows the monitor what actors observed, and takes its measurements. */
  private async measure(): Promise<void> {
    await this.watch.show();
    if (this.simulation.limits.target !== undefined) await this.ledger.drain();
  }

  private context(name: string, totals = this.simulation.network.totals): Context {
    let random = this.randoms.get(name);
    if (random === undefined) {
      random = (purpose) => this.simulation.streams.stream(name, purpose);
      this.randoms.set(name, random);
    }
    return { self: name, timeNs: this.timeNs, random, totals };
  }
}
