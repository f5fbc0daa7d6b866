/**
 * The simulation: pops events in the total order, lets actors answer them, and carries out their effects.
 */
import { Stopped } from '../conditions.js';
import { allFinite } from '../finite.js';
import { Agenda, priorities, type AgendaKey } from './agenda.js';
import { Digest } from './digest.js';
import type { Behaviour, Context, Effect, Engine, Facts, Message, Network, Observation, Tensors } from './effects.js';
import { Ledger, type TimedMeasurement } from './ledger.js';
import { Stage } from './stage.js';
import type { Streams } from './streams.js';

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
  /** Processed events by kind. */
  readonly kinds: Readonly<Record<string, number>>;
}

interface Entry extends AgendaKey {
  readonly to: number;
  readonly message: Message;
  /** What the message takes on a link. */
  readonly bytes: number;
  readonly result: Promise<Tensors> | undefined;
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
  private readonly totals = { messages: 0, bytes: 0 };
  private readonly delivered = { messages: 0, bytes: 0 };
  private readonly observations: { from: string; observation: Observation }[] = [];
  private timeNs = 0;
  private events = 0;
  private stopReason: string | undefined;

  constructor(private readonly simulation: Simulation) {
    this.numbers = new Map(simulation.actors.map(({ name }, number) => [name, number]));
    this.sequences = simulation.actors.map(() => 0);
    this.ledger = new Ledger(simulation.engine, (measurement) => {
      simulation.onMeasurement?.(measurement);
      const { target } = simulation.limits;
      if (target !== undefined && measurement.measure === target.measure && measurement.value < target.below) {
        this.stopReason ??= 'target';
      }
    });
  }

  close(): void {
    this.stage.close();
  }

  async toEnd(): Promise<Outcome> {
    let failure: Stopped | undefined;
    try {
      await this.begin();
      while (this.stopReason === undefined) await this.step();
      await this.finish();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      failure = error;
      await this.ledger.drain();
    }
    this.balance();
    return {
      reason: this.stopReason ?? failure?.status ?? 'failed',
      ...(failure === undefined ? {} : { failure }),
      timeNs: this.timeNs,
      eventsDigest: this.digest.hex(),
      counts: { events: this.events, ...this.totals, kinds: this.kinds },
      states: this.stage.states(),
    };
  }

  private async begin(): Promise<void> {
    const { actors, monitor } = this.simulation;
    this.perform(monitor.name, this.stage.spawn(monitor.name, monitor.behaviour, this.context(monitor.name)));
    for (const { name, behaviour } of actors) this.perform(name, this.stage.spawn(name, behaviour, this.context(name)));
    await this.showObservations();
    if (this.simulation.limits.events === 0) this.stopReason ??= 'events';
  }

  /** One event: the earliest entry goes to its actor, whose effects are carried out. */
  private async step(): Promise<void> {
    const { limits, signal, actors } = this.simulation;
    if (signal?.aborted === true) {
      this.stopReason = 'interrupted';
      return;
    }
    const entry = this.agenda.peek();
    if (entry === undefined) {
      const waiting = this.stage.waiting().join('; ');
      throw new Stopped('failed', `deadlock: nothing is left to happen and the goal is not met; ${waiting}`);
    }
    if (limits.timeNs !== undefined && entry.timeNs > limits.timeNs) {
      this.timeNs = limits.timeNs;
      this.stopReason = 'virtualTime';
      return;
    }
    this.agenda.pop();
    if (entry.timeNs < this.timeNs) throw new Error(`time went back from ${this.timeNs} to ${entry.timeNs} ns`);
    this.timeNs = entry.timeNs;
    const { name } = actors[entry.to]!;
    let { message } = entry;
    if (entry.result !== undefined) message = { ...message, tensors: await this.finite(entry.result, message, name) };
    this.log(name, entry, message);
    this.perform(name, await this.stage.deliver(name, message, this.context(name)));
    if (this.observations.length > 0) await this.showObservations();
    if (this.kinds[message.kind]! >= (limits.counts[message.kind] ?? Infinity)) this.stopReason ??= message.kind;
    if (this.events >= (limits.events ?? Infinity)) this.stopReason ??= 'events';
  }

  /** The monitor sees the end: it may take its last measures. */
  private async finish(): Promise<void> {
    this.observations.push({ from: 'kernel', observation: { kind: 'end', facts: { reason: this.stopReason ?? '' } } });
    await this.showObservations();
    await this.ledger.drain();
  }

  /** The result of a computation, checked: a parameter that is not finite ends the run as diverged. */
  private async finite(result: Promise<Tensors>, message: Message, name: string): Promise<Tensors> {
    const { engine } = this.simulation;
    const tensors = await (engine.wait?.(result) ?? result);
    if (engine.knownFinite?.(tensors) === true) return tensors;
    for (const [output, values] of Object.entries(tensors)) {
      if (!allFinite(values)) {
        const count = message.facts['step'] ?? message.facts['version'];
        const which = count === undefined ? message.kind : `${message.kind} ${JSON.stringify(count)}`;
        throw new Stopped('diverged', `${name} diverged at ${which}: its ${output} is not finite`);
      }
    }
    return tensors;
  }

  private log(actor: string, entry: Entry, { kind, facts }: Message): void {
    this.events += 1;
    if (entry.priority === priorities.message) {
      this.delivered.messages += 1;
      this.delivered.bytes += entry.bytes;
    }
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    // What JSON.stringify says of { timeNs, actor, kind, ...facts }, without making that object.
    const said = JSON.stringify(facts).slice(1);
    const comma = said === '}' ? '' : ',';
    const line = `{"timeNs":${this.timeNs},"actor":"${actor}","kind":"${kind}"${comma}${said}\n`;
    this.digest.add(line);
    this.simulation.onEvent?.({ timeNs: this.timeNs, actor, kind, facts, line });
  }

  private perform(name: string, effects: readonly Effect[]): void {
    for (const effect of effects) this.performOne(name, effect);
  }

  private performOne(name: string, effect: Effect): void {
    // What the monitor does must not reach the agenda, and what it records must not come from elsewhere.
    const records = effect.effect === 'record' || effect.effect === 'evaluate';
    const { monitor } = this.simulation;
    if (records !== (name === monitor.name)) {
      throw new Error(`${name} may not ${effect.effect}: ${monitor.name} records and evaluates, and does nothing else`);
    }
    switch (effect.effect) {
      case 'send': {
        const bytes = bytesOf(effect.message);
        const { kind } = effect.message;
        const transfer = { from: name, to: effect.to, kind, bytes, departNs: this.timeNs };
        const delayNs = this.simulation.network.transitNs(transfer);
        this.push({ from: name, to: effect.to, priority: priorities.message, delayNs, message: effect.message, bytes });
        this.totals.messages += 1;
        this.totals.bytes += bytes;
        return;
      }
      case 'after':
        this.push({
          from: name,
          to: name,
          priority: priorities.timer,
          delayNs: effect.delayNs,
          message: effect.message,
        });
        return;
      case 'compute': {
        // The inputs are fixed, so the work starts now; the event waits for it when it is popped.
        const result = this.simulation.engine.run(effect.computation);
        result.catch(() => undefined);
        const { durationNs, reply: message } = effect;
        const [priority, delayNs] =
          durationNs === 'instant' ? [priorities.instant, 0] : [priorities.completion, durationNs];
        this.push({ from: name, to: name, priority, delayNs, message, result });
        return;
      }
      case 'observe':
        this.observations.push({ from: name, observation: effect.observation });
        return;
      case 'record':
      case 'evaluate':
        this.ledger.enter(effect, this.timeNs);
        return;
      case 'stop':
        this.stopReason ??= effect.reason;
    }
  }

  private push(happening: {
    readonly from: string;
    readonly to: string;
    readonly priority: number;
    readonly delayNs: number;
    readonly message: Message;
    readonly bytes?: number;
    readonly result?: Promise<Tensors>;
  }): void {
    const { from, to, priority, delayNs, message, bytes = 0, result } = happening;
    const source = this.numbers.get(from)!;
    const target = this.numbers.get(to);
    if (target === undefined) throw new Error(`${from} sent ${message.kind} to ${to}, which is not an actor`);
    if (!(delayNs >= 0)) throw new Error(`${from} asked for a delay of ${delayNs} ns`);
    const timeNs = this.timeNs + delayNs;
    if (timeNs > Number.MAX_SAFE_INTEGER) {
      const limit = `virtual time ends at ${Number.MAX_SAFE_INTEGER} ns, about 104 days`;
      throw new Stopped(
        'failed',
        `${limit}: ${from} asked for ${message.kind} at ${timeNs} ns; choose shorter delays, or stop earlier`,
      );
    }
    const sequence = (this.sequences[source] = this.sequences[source]! + 1);
    this.agenda.push({ timeNs, priority, source, sequence, to: target, message, bytes, result });
  }

  /** Always true: sent = delivered + in flight, in messages and in bytes. */
  private balance(): void {
    const flying = this.agenda.entries().filter(({ priority }) => priority === priorities.message);
    const messages = this.delivered.messages + flying.length;
    const bytes = flying.reduce((sum, entry) => sum + entry.bytes, this.delivered.bytes);
    if (messages === this.totals.messages && bytes === this.totals.bytes) return;
    const sent = `${this.totals.messages} messages (${this.totals.bytes} bytes) sent`;
    throw new Error(`${sent}, but ${messages} (${bytes} bytes) delivered or in flight`);
  }

  /** Shows the monitor what actors observed, in order, and takes its measurements. */
  private async showObservations(): Promise<void> {
    const { name } = this.simulation.monitor;
    for (const { from, observation } of this.observations.splice(0)) {
      const message = { ...observation, facts: { ...observation.facts, from } };
      this.perform(name, await this.stage.deliver(name, message, this.context(name)));
    }
    await (this.simulation.limits.target === undefined ? this.ledger.advance() : this.ledger.drain());
  }

  private context(name: string): Context {
    let random = this.randoms.get(name);
    if (random === undefined) {
      random = (purpose) => this.simulation.streams.stream(name, purpose);
      this.randoms.set(name, random);
    }
    return { self: name, timeNs: this.timeNs, random, totals: this.totals };
  }
}

/** The bytes that a message takes on a link: those of its tensors. */
function bytesOf({ tensors }: Message): number {
  if (tensors === undefined) return 0;
  return Object.values(tensors).reduce((sum, { byteLength }) => sum + byteLength, 0);
}
