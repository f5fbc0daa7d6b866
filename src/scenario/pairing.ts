/**
 * Common random numbers: which streams two runs with one seed share, and so what of them is paired. Every stream follows
 * from the seed, an actor and a purpose (kernel/streams.ts): two scenarios draw the same numbers from it, and what they
 * make of these is the same where certain keys are.
 */

interface SharedStream {
  /** Actor and purpose, as kernel/streams.ts has them; `*` stands for any. */
  readonly stream: string;
  /** What is drawn from it, for messages. */
  readonly draws: string;
  /** The paths of a resolved scenario that must be equal for the draws to be; `*` stands for each item of a list. */
  readonly paths: readonly string[];
  /** What it means where one of them differs. */
  readonly meaning: string;
  /** Whether nothing is drawn without these keys: where only one of the two has one, there is nothing to pair. */
  readonly optional?: true;
}

/** The paths of a key of links: of all, by direction, and of the links of some workers. */
const ofLinks = (key: string): string[] =>
  ['network', 'network.links.*'].flatMap((place) => ['', 'up.', 'down.'].map((part) => `${place}.${part}${key}`));

/**
 * Where only a threshold or a factor differs, as in the share of lost messages or the slowdown of stragglers, the draws
 * remain in pairs; so they do where one sends more messages or takes more steps than the other.
 */
const sharedStreams: readonly SharedStream[] = [
  {
    stream: 'model/init',
    draws: 'starting points',
    paths: ['model', 'initial'],
    meaning: 'u and all z_j begin at another point, so that differences hold the luck of the start as well',
  },
  {
    stream: 'data/*, worker-*/samples',
    draws: 'samples',
    paths: ['data', 'workers'],
    meaning: 'the k-th step of a worker uses other samples, or samples of another problem',
  },
  {
    stream: 'worker-*/stepTime',
    draws: 'step times',
    paths: ['network.stepTime', 'network.stragglers.*.stepTime'],
    meaning: 'the k-th step of a worker takes another time, beside what a slowdown makes of it',
  },
  {
    stream: '*/latency/*',
    draws: 'latencies',
    paths: [...ofLinks('latency'), 'network.links.*.workers'],
    meaning: 'the k-th message of a kind on a link takes another time, beside its bytes over the bandwidth',
  },
  {
    stream: '*/jitter/*',
    draws: 'jitters',
    paths: ofLinks('jitter'),
    meaning: 'the k-th message of a kind on a link takes another time beside its latency',
    optional: true,
  },
  {
    stream: 'worker-*/straggler/*',
    draws: 'phases of stragglers',
    paths: ['network.stragglers.*.every', 'network.stragglers.*.for'],
    meaning: 'workers are slow at other times',
    optional: true,
  },
  {
    stream: '*/compression/*',
    draws: 'roundings',
    paths: ['network.compression.up.rounding', 'network.compression.down.rounding'],
    meaning: 'the k-th message of a kind is rounded otherwise',
    optional: true,
  },
  {
    stream: 'network/partition/*, faults/fault/*',
    draws: 'partitions and faults',
    paths: ['partitions', 'faults'].flatMap((list) => [`network.${list}.*.every`, `network.${list}.*.for`]),
    meaning: 'things fail and heal at other times',
    optional: true,
  },
];

/** A stream from which two scenarios draw for different things. */
export interface Unpaired extends SharedStream {
  /** The keys that differ. */
  readonly differing: readonly string[];
  /** `latencies are not paired: network.latency differs` */
  readonly message: string;
}

/** The streams that the resolved scenarios `a` and `b` do not share. */
export function unpairedStreams(a: unknown, b: unknown): Unpaired[] {
  return sharedStreams.flatMap((row) => {
    const differing = row.paths.flatMap((path) => differingKeys(row, path.split('.'), [a, b]));
    if (differing.length === 0) return [];
    const verb = differing.length === 1 ? 'differs' : 'differ';
    return [{ ...row, differing, message: `${row.draws} are not paired: ${listed(differing)} ${verb}` }];
  });
}

/** Keys whose default the data give: until they are loaded, an absent one may be the same as any. */
const givenByData: readonly string[] = ['model', 'data.partition', 'data.batchSize'];

/** The keys at and below `path` in which the two scenarios differ. */
function differingKeys(
  { optional }: SharedStream,
  path: readonly string[],
  [a, b]: readonly [unknown, unknown],
): string[] {
  return places(path, [a, b]).flatMap((place) => {
    const all = differences(valueAt(a, place), valueAt(b, place), place.join('.'));
    const known = all.filter(
      ({ path: key, values }) => !values.includes(undefined) || !(optional ?? givenByData.includes(key)),
    );
    return known.map(({ path: key }) => key);
  });
}

/** The paths that `pattern` stands for in either of the two values. */
function places(pattern: readonly string[], values: readonly unknown[]): (readonly string[])[] {
  const star = pattern.indexOf('*');
  if (star < 0) return [pattern];
  const list = pattern.slice(0, star);
  const items = new Set(
    values.map((value) => valueAt(value, list)).flatMap((each) => (isObject(each) ? Object.keys(each) : [])),
  );
  return [...items].flatMap((item) => places([...list, item, ...pattern.slice(star + 1)], values));
}

/** Where two JSON values differ: the path, and what they have there; undefined is absent. */
export interface Difference {
  readonly path: string;
  readonly values: readonly [unknown, unknown];
}

/** Keys that name a row of a table: where these differ, the keys beside them belong to different rows. */
const discriminators: readonly string[] = ['dataset', 'kind', 'distribution', 'method', 'codec'];

/** All differences of the JSON values `a` and `b`, which stand at `path`, depth first in the order of the keys of `b`. */
export function differences(a: unknown, b: unknown, path = ''): Difference[] {
  if (!isObject(a) || !isObject(b)) return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, values: [a, b] }];
  const keys = [...new Set([...Object.keys(b), ...Object.keys(a)])];
  const below = (key: string): Difference[] => differences(a[key], b[key], path === '' ? key : `${path}.${key}`);
  const row = keys.find((key) => discriminators.includes(key) && a[key] !== b[key]);
  return row === undefined ? keys.flatMap(below) : below(row);
}

function valueAt(scenario: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), scenario);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** More keys than this would hide what matters. */
const listedMax = 4;

function listed(keys: readonly string[]): string {
  const more = keys.length - listedMax;
  const shown = more > 1 ? [...keys.slice(0, listedMax), `${more} more keys`] : keys;
  return shown.length === 1 ? shown[0]! : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)!}`;
}
