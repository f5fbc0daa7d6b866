/** Builds the network, the step times and the faults that a scenario asks for. */
import { z } from 'zod';
import { consensusName, workerName } from '../../actors/names.js';
import type { Fault } from '../../actors/faults.js';
import { BadInput } from '../conditions.js';
import type { Network } from '../kernel/effects.js';
import type { Streams } from '../kernel/streams.js';
import { compression } from '../network/compression.js';
import { FairShare } from '../network/fairShare.js';
import type { Draw, LinkOptions } from '../network/link.js';
import { network } from '../network/network.js';
import { phases, type PhaseOptions } from '../network/phases.js';
import { stepTimes, type Moment } from '../network/stepTime.js';
import type { Exchange } from '../optimization/method.js';
import { courseOf } from './courses.js';
import {
  distributions,
  faultKinds,
  type Delay,
  type FaultPlan,
  type LinkKeys,
  type PartitionPlan,
} from './networkSchema.js';
import type { Settings } from './schema.js';
import { duration, rate } from './units.js';

export interface Wiring {
  readonly settings: Settings;
  readonly directory: string;
  readonly streams: Streams;
}

type Direction = 'up' | 'down';

export interface NetworkWiring extends Wiring {
  /** u^0 = z_j^0, `[P]`. */
  readonly start: Float32Array;
  readonly rules: { readonly exchange: Pick<Exchange, 'sends'> };
}

export function wireNetwork(wiring: NetworkWiring): Network {
  const { settings, streams, start, rules } = wiring;
  const { bottleneck = {}, retransmission, partitions = [], compression: codecs } = settings.network;
  const link = linksOf(wiring);
  const shares = {
    up: bottleneck.up === undefined ? undefined : new FairShare(bottleneck.up),
    down: bottleneck.down === undefined ? undefined : new FairShare(bottleneck.down),
  };
  const isShared = bottleneck.up !== undefined || bottleneck.down !== undefined;
  return network({
    link,
    bottleneck: isShared ? (_, to) => shares[directionTo(to)] : undefined,
    isCut: partitions.length === 0 ? undefined : cuts(partitions, streams),
    retransmission: retransmission && {
      timeoutNs: retransmission.timeout,
      backoff: retransmission.backoff,
      attempts: retransmission.attempts,
    },
    compression: codecs && compression({ ...codecs, start, sends: rules.exchange.sends, streams }),
    streams,
  });
}

const directionTo = (to: string): Direction => (to === consensusName ? 'up' : 'down');

/** The options of each link; what is said of fewer links counts before what is said of more. */
function linksOf({ settings, directory }: Wiring): NetworkLink {
  const { links = [], ...all } = settings.network;
  // Links of which the same is said share their options, so that a trace is read once.
  const known = new Map<string, LinkOptions>();
  const optionsOf = (worker: number, direction: Direction): LinkOptions => {
    const own = links.flatMap(({ workers }, index) => (workers.includes(worker) ? [index] : []));
    const key = `${direction} ${own.join()}`;
    const layers = [
      ...layersOf(all, direction, ['network']),
      ...own.flatMap((index) => layersOf(links[index]!, direction, ['network', 'links', index])),
    ];
    const options = known.get(key) ?? linkOf(layers, directory);
    known.set(key, options);
    return options;
  };
  const names = Array.from({ length: settings.workers }, (_, worker) => workerName(worker));
  const up = new Map(names.map((name, worker) => [name, optionsOf(worker, 'up')]));
  const down = new Map(names.map((name, worker) => [name, optionsOf(worker, 'down')]));
  return (from, to) => (directionTo(to) === 'up' ? up.get(from)! : down.get(to)!);
}

type NetworkLink = (from: string, to: string) => LinkOptions;

interface Layer {
  readonly keys: LinkKeys;
  readonly path: (string | number)[];
}

/** What is said of both directions, and then of one. */
function layersOf(
  keys: Partial<LinkKeys> & Readonly<Partial<Record<Direction, LinkKeys | undefined>>>,
  direction: Direction,
  path: (string | number)[],
): Layer[] {
  return [
    { keys, path },
    { keys: keys[direction] ?? {}, path: [...path, direction] },
  ];
}

function linkOf(layers: readonly Layer[], directory: string): LinkOptions {
  const last = <Key extends keyof LinkKeys>(key: Key): { value: LinkKeys[Key]; path: (string | number)[] } => {
    const layer = layers.findLast(({ keys }) => keys[key] !== undefined);
    return { value: layer?.keys[key], path: [...(layer?.path ?? []), key] };
  };
  const [latency, bandwidth] = [last('latency'), last('bandwidth')];
  const jitter = last('jitter').value;
  return {
    latency: courseOf<Delay, Draw>(latency.value!, { directory, path: latency.path, cell: delayCell, read: drawOf }),
    rate: courseOf<number | 'unlimited', number>(bandwidth.value!, {
      directory,
      path: bandwidth.path,
      cell: rateCell,
      read: (value) => (value === 'unlimited' ? Infinity : value),
    }),
    jitter: jitter === undefined ? undefined : drawOf(jitter),
    loss: last('loss').value ?? 0,
    corruption: last('corruption').value ?? 0,
    duplication: last('duplication').value ?? 0,
  };
}

const delayCell = duration as unknown as z.ZodType<Delay>;
const rateCell = rate.refine((value) => value > 0) as unknown as z.ZodType<number | 'unlimited'>;

/** What draws a delay in nanoseconds. */
export function drawOf(delay: Delay): Draw {
  if (typeof delay === 'number') return () => delay;
  const { distribution, ...options } = delay;
  return (stream) => distributions[distribution].draw(options as never, stream);
}

/** Whether a link is cut; a worker is cut off from everybody. */
function cuts(partitions: readonly PartitionPlan[], streams: Streams) {
  const plans = partitions.map(({ workers, at, every, for: lasts }, index) => {
    const names = new Set(workers.map(workerName));
    if (every === undefined) {
      const end = lasts === undefined ? Infinity : at! + drawOf(lasts)(streams.stream('network', `partition/${index}`));
      return { names, isOn: (timeNs: number) => timeNs >= at! && timeNs < end };
    }
    const turns = { offNs: drawOf(every), onNs: drawOf(lasts!) };
    return { names, isOn: phases(turns, streams.stream('network', `partition/${index}`)) };
  });
  return (from: string, to: string, timeNs: number): boolean =>
    plans.some(({ names, isOn }) => isOn(timeNs) && (names.has(from) || names.has(to)));
}

/**
 * Refuses a scenario whose goal needs workers that are gone for ever: killed, or cut off and never healed. With a limit on
 * virtual time it ends all the same.
 */
export function refuseUnreachable(
  { network: links, protocol, stop, workers }: Settings,
  { quorum, stalenessMax }: Pick<Exchange, 'quorum' | 'stalenessMax'>,
): void {
  if (stop.virtualTime !== undefined) return;
  const gone = new Map<string, { path: (string | number)[]; how: string }>();
  (links.faults ?? []).forEach(({ kill }, index) => {
    if (kill !== undefined) gone.set(kill, { path: ['network', 'faults', index], how: 'is killed' });
  });
  (links.partitions ?? []).forEach(({ workers: cut, at, for: lasts }, index) => {
    const entry = { path: ['network', 'partitions', index], how: 'is cut off and never heals' };
    if (at !== undefined && lasts === undefined) for (const worker of cut) gone.set(workerName(worker), entry);
  });
  const lost = [...gone.keys()].filter((name) => name !== consensusName);
  const left = workers - lost.length;
  const all = quorum === 'all' ? workers : quorum;
  const needed = stalenessMax !== undefined ? workers : protocol?.deadline !== undefined ? 1 : all;
  const [name] = gone.has(consensusName) ? [consensusName] : left < needed ? lost.slice(-1) : [];
  if (name === undefined) return;
  const { path, how } = gone.get(name)!;
  const goal =
    name === consensusName
      ? 'and nothing moves u without it'
      : `and ${stalenessMax === undefined ? 'a move' : 'the bound on staleness'} needs ${needed} of ${workers} workers`;
  throw new BadInput(`${name} ${how}, ${goal}: the goal of the run may never be reached`, {
    path,
    remedy:
      name === consensusName
        ? 'let it crash and restart, or set stop.virtualTime'
        : stalenessMax === undefined
          ? `set a quorum of at most ${left}, protocol.deadline, or stop.virtualTime`
          : 'leave staleness.max out, or set stop.virtualTime',
  });
}

/** Returns what draws the durations of the steps of a worker, whose batches have so many samples. */
export function wireStepTimes({
  settings: { network: links },
  directory,
}: Wiring): (worker: number, samples: number) => (moment: Moment) => number {
  const delays = (given: typeof links.stepTime, path: (string | number)[]) =>
    courseOf<Delay, Draw>(given, { directory, path, cell: delayCell, read: drawOf });
  // Made once for all workers, so that a trace is read once.
  const stepTime = delays(links.stepTime, ['network', 'stepTime']);
  const stragglers = links.stragglers.map(({ workers, slowdown = 1, stepTime: own, every, for: lasts }, index) => {
    const path = ['network', 'stragglers', index];
    return {
      workers,
      slowdown: courseOf<number, number>(slowdown, {
        directory,
        path: [...path, 'slowdown'],
        cell: z.number().positive(),
        read: (value) => value,
      }),
      stepTime: own === undefined ? undefined : delays(own, [...path, 'stepTime']),
      turns: turnsOf(every, lasts),
    };
  });
  return (worker, samples) => stepTimes(worker, { stepTime, samplesNs: samples * (links.sampleTime ?? 0), stragglers });
}

function turnsOf(every: Delay | undefined, lasts: Delay | undefined): PhaseOptions | undefined {
  return every === undefined || lasts === undefined ? undefined : { offNs: drawOf(every), onNs: drawOf(lasts) };
}

/** The faults of a scenario, with the cuts that are planned. */
export function planFaults({ network: { faults = [], partitions = [] } }: Settings): Fault[] {
  const cut = partitions.flatMap(({ workers, at, for: lasts }) =>
    at === undefined
      ? []
      : workers.map((worker) => ({ ...planned({ at, for: lasts }), kind: 'cut' as const, who: workerName(worker) })),
  );
  return [...faults.map(faultOf), ...cut];
}

function faultOf(plan: FaultPlan): Fault {
  const kind = faultKinds.find((name) => plan[name] !== undefined)!;
  return { ...planned(plan), kind, who: plan[kind]! };
}

function planned({ at, every, until, memory = 'kept', for: lasts }: FaultPlan): Omit<Fault, 'kind' | 'who'> {
  return {
    comesNs: every === undefined ? () => at! : drawOf(every),
    lastsNs: lasts === undefined ? undefined : drawOf(lasts),
    untilNs: every === undefined ? Infinity : until!,
    memory,
  };
}
