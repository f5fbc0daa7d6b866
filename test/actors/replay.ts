/**
 * An independent replay of the protocol (DESIGN.md, section 7): it knows the settings and, from the log, how
 * long everything took. Before each event it knows what may come next, word for word; it tells the first
 * event that it cannot explain.
 */
import { isDeepStrictEqual } from 'node:util';
import { numberOf, type LogEvent, type Range, type Rules } from './laws.js';

/** An event that is bound to come. */
interface Due {
  readonly actor: string;
  readonly kind: string;
  readonly facts: LogEvent['facts'];
  readonly window: Range;
  /** The number of events before the one that set it off. */
  readonly since: number;
  /** Its place among events of one time. */
  readonly order: readonly [priority: number, source: number, sequence: number];
}

interface Node {
  steps: number;
  /** Versions: held, and used by the last step. */
  version: number;
  usedVersion: number;
  computing: boolean;
  unanswered: boolean;
  /** The exchange points reached and the copies sent. */
  exchanges: number;
  copies: number;
  slowest: number;
}

/** What is wrong with `events`, or undefined where the rules explain every one of them. */
export function unexplained(events: readonly LogEvent[], rules: Rules): string | undefined {
  const replay = new Replay(rules);
  for (const event of events) {
    const problem = replay.explain(event);
    if (problem !== undefined) return `${problem}: ${JSON.stringify(event)}`;
  }
  return replay.explainTies();
}

class Replay {
  private readonly nodes: Node[];
  private readonly centre = { version: 0, arrivals: [] as number[][], progress: [] as number[], slowest: 0 };
  private readonly sequences = new Map<number, number>();
  private readonly explained: { timeNs: number; due: Due }[] = [];
  private due: Due[] = [];
  private timeNs = 0;

  constructor(private readonly rules: Rules) {
    this.centre.progress = Array.from({ length: rules.workers }, () => 0);
    this.nodes = Array.from({ length: rules.workers }, () => ({
      steps: 0,
      version: 0,
      usedVersion: 0,
      computing: false,
      unanswered: false,
      exchanges: 1,
      copies: 0,
      slowest: 0,
    }));
    for (let worker = 0; worker < rules.workers; worker += 1) this.proceed(worker, false);
  }

  explain(event: LogEvent): string | undefined {
    const { timeNs, actor, kind } = event;
    const late = this.due.find(({ window }) => window[1] < timeNs);
    if (late !== undefined) return `${late.kind} for ${late.actor} is overdue before`;
    const { samples, ...facts } = event.facts;
    const place = this.due.findIndex((due) => {
      return due.actor === actor && due.kind === kind && isDeepStrictEqual(due.facts, facts);
    });
    if (place < 0) return 'nothing of the kind was due';
    const [due] = this.due.splice(place, 1);
    if (timeNs < due!.window[0]) return `not due before ${due!.window[0]} ns`;
    if (kind === 'step' && !isDeepStrictEqual(samples, [facts['worker']])) return 'samples of another worker';
    this.timeNs = timeNs;
    this.explained.push({ timeNs, due: due! });
    this.apply(event);
    return undefined;
  }

  /** Of two events of one time that were both set off before either, that of the smaller order comes first. */
  explainTies(): string | undefined {
    for (const [place, later] of this.explained.entries()) {
      for (let index = place - 1; index >= 0 && this.explained[index]!.timeNs === later.timeNs; index -= 1) {
        const { due } = this.explained[index]!;
        if (later.due.since <= index && precedes(later.due.order, due.order)) {
          return `events ${index} and ${place}, both at ${later.timeNs} ns, are in the wrong order`;
        }
      }
    }
    return undefined;
  }

  private apply(event: LogEvent): void {
    const worker = numberOf(event, 'worker');
    const { centre } = this;
    switch (event.kind) {
      case 'deliver':
        centre.arrivals.push([worker, numberOf(event, 'step'), numberOf(event, 'version')]);
        this.hear(worker, numberOf(event, 'step'));
        if (centre.arrivals.length === this.rules.quorum) {
          const from = centre.arrivals.map(([arrived, step]) => [arrived!, step!]);
          this.expect(this.rules.workers, 'consensus', 'move', { version: centre.version + 1, from }, [0, 0]);
        }
        return;
      case 'progress':
        this.hear(worker, numberOf(event, 'step'));
        return;
      case 'move': {
        centre.version += 1;
        const workers = centre.arrivals.map(([arrived]) => arrived!).sort((a, b) => a - b);
        for (const to of workers) this.message(`worker-${to}`, 'reply', { worker: to, version: centre.version });
        centre.arrivals = [];
        return;
      }
      case 'reply':
        Object.assign(this.nodes[worker]!, { version: numberOf(event, 'version'), unanswered: false });
        this.proceed(worker, false);
        return;
      case 'slowest': {
        const node = this.nodes[worker]!;
        node.slowest = Math.max(node.slowest, numberOf(event, 'step'));
        this.proceed(worker, false);
        return;
      }
      case 'step': {
        const node = this.nodes[worker]!;
        node.steps += 1;
        node.usedVersion = numberOf(event, 'version');
        node.computing = false;
        if (node.steps % this.rules.localSteps === 0) node.exchanges += 1;
        this.proceed(worker, true);
      }
    }
  }

  /** A worker sends its copy if it may, else its progress if anybody must know, and starts a step if it may. */
  private proceed(worker: number, finished: boolean): void {
    const node = this.nodes[worker]!;
    const { overlap, stalenessMax, stepNs } = this.rules;
    const { steps, version } = node;
    if (node.copies < node.exchanges && !node.unanswered) {
      node.copies += 1;
      node.unanswered = true;
      this.message('consensus', 'deliver', { worker, step: steps, version: node.usedVersion }, worker);
    } else if (finished && stalenessMax < Infinity) {
      this.message('consensus', 'progress', { worker, step: steps }, worker);
    }
    const mayPass = overlap ? node.copies === node.exchanges : !node.unanswered;
    if (node.computing || !mayPass || steps - node.slowest > stalenessMax) return;
    node.computing = true;
    this.expect(worker, `worker-${worker}`, 'step', { worker, step: steps + 1, version }, stepNs(worker));
  }

  /** The consensus node learns how far a worker is. */
  private hear(worker: number, step: number): void {
    const { centre, rules } = this;
    if (rules.stalenessMax === Infinity) return;
    centre.progress[worker] = Math.max(centre.progress[worker]!, step);
    const slowest = Math.min(...centre.progress);
    if (slowest === centre.slowest) return;
    centre.slowest = slowest;
    for (let to = 0; to < rules.workers; to += 1)
      this.message(`worker-${to}`, 'slowest', { worker: to, step: slowest });
  }

  private message(actor: string, kind: string, facts: LogEvent['facts'], source = this.rules.workers): void {
    this.expect(source, actor, kind, facts, this.rules.transitNs(kind));
  }

  private expect(
    source: number,
    actor: string,
    kind: string,
    facts: LogEvent['facts'],
    [shortest, longest]: Range,
  ): void {
    const sequence = (this.sequences.get(source) ?? 0) + 1;
    this.sequences.set(source, sequence);
    const priority = { move: 0, step: 2 }[kind] ?? 1;
    const window = [this.timeNs + shortest, this.timeNs + longest] as const;
    this.due.push({ actor, kind, facts, window, since: this.explained.length, order: [priority, source, sequence] });
  }
}

function precedes(a: Due['order'], b: Due['order']): boolean {
  const place = a.findIndex((value, index) => value !== b[index]);
  return place >= 0 && a[place]! < b[place]!;
}
