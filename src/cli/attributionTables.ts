/** What `straggler trace` prints: the tables of an attribution. */
import Table from 'cli-table3';
import colors from 'picocolors';
import type { AttributionRecord, PathShare, WorkerRecord } from '../record/attribution.js';
import type { LinkRecord } from '../record/linkTraffic.js';
import { byState, workerStates, type WorkerState } from '../record/workerStates.js';
import { describeTarget } from '../scenario/compare.js';
import { significant } from './sweepResults.js';
import type { TargetRecord, TraceRecord } from './traceRecord.js';

/** So many rows a table at most; those left are summed up in another one, and attribution.json has them all. */
const rowsMax = 12;

type Row = readonly string[];

/** The tables, without a line feed at their end. */
export function attributionText(record: TraceRecord): string {
  const { scenario, seed, status, timeNs, staleness, targets } = record;
  return [
    `${colors.bold(scenario)}, seed ${seed}: ${status} after ${seconds(timeNs)} of virtual time`,
    workerTable(record),
    pathSummary(record),
    pathTable(record),
    ...(staleness.length === 0 ? [] : [stalenessTable(record)]),
    trafficTable(record),
    ...(targets.length === 0 ? [] : [targetTable(targets)]),
  ].join('\n');
}

function table(head: Row, rows: readonly Row[]): string {
  const made = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  made.push(...rows.map((row) => [...row]));
  return made.toString();
}

/** A row an item; those beyond `rowsMax` have one together. */
function rowsOf<Item>(
  items: readonly Item[],
  one: (item: Item) => Row,
  several: (rest: readonly Item[]) => Row,
): Row[] {
  if (items.length <= rowsMax + 1) return items.map(one);
  return [...items.slice(0, rowsMax).map(one), several(items.slice(rowsMax))];
}

/** What most runs have nothing of. */
const rare: readonly WorkerState[] = ['lost', 'idle'];

function workerTable({ timeNs, workers }: AttributionRecord): string {
  const states = workerStates.filter((state) => !rare.includes(state) || workers.some(({ ns }) => ns[state] > 0));
  const row = (name: string, { steps, ns, queueing }: Omit<WorkerRecord, 'worker'>): Row => [
    name,
    count(Math.round(steps)),
    ...states.map((state) => shareOfTime(ns[state], timeNs)),
    ...(queueing.copies === 0 ? ['', ''] : [seconds(queueing.meanNs), seconds(queueing.maxNs)]),
  ];
  const rows = rowsOf(
    workers,
    (record) => row(record.worker, record),
    (rest) => row(`mean of ${count(rest.length)} more`, meanOf(rest)),
  );
  const mean = workers.length < 2 ? [] : [row('mean', meanOf(workers))];
  return table(['worker', 'steps', ...states, 'a copy waits', 'longest'], [...rows, ...mean]);
}

/** What a worker would have that is like several on average; its copies wait as those of all. */
function meanOf(workers: readonly WorkerRecord[]): Omit<WorkerRecord, 'worker'> {
  const mean = (value: (record: WorkerRecord) => number): number => sumOf(workers, value) / workers.length;
  const copies = sumOf(workers, ({ queueing }) => queueing.copies);
  const waitedNs = sumOf(workers, ({ queueing }) => queueing.copies * queueing.meanNs);
  return {
    steps: mean(({ steps }) => steps),
    ns: byState((state) => mean(({ ns }) => ns[state])),
    queueing: { copies, meanNs: waitedNs / copies, maxNs: Math.max(...workers.map(({ queueing }) => queueing.maxNs)) },
  };
}

/** `critical path: compute 69.4 %, messages 30.6 %` */
function pathSummary({ timeNs, criticalPath: { shares } }: AttributionRecord): string {
  const kinds = [...groupBy(shares, ({ kind }) => kind)].map(([kind, group]) => {
    const name = kind === 'compute' ? kind : `${kind}s`;
    return `${name} ${percent(
      sumOf(group, ({ ns }) => ns),
      timeNs,
    )}`;
  });
  return `critical path: ${kinds.length === 0 ? 'nothing took time' : kinds.join(', ')}`;
}

function pathTable({ timeNs, criticalPath: { shares, afterNs } }: AttributionRecord): string {
  const row = (name: string, { legs, ns }: Pick<PathShare, 'legs' | 'ns'>): Row => [
    name,
    count(legs),
    seconds(ns),
    percent(ns, timeNs),
  ];
  const rows = rowsOf(
    shares,
    (share) => row(share.kind === 'message' ? share.of : `${share.of} ${share.kind}`, share),
    (rest) =>
      row(`${count(rest.length)} more`, { legs: sumOf(rest, ({ legs }) => legs), ns: sumOf(rest, ({ ns }) => ns) }),
  );
  const after = afterNs === 0 ? [] : [['after the last event', '', seconds(afterNs), percent(afterNs, timeNs)]];
  return table(['critical path', 'legs', 'time', 'share'], [...rows, ...after]);
}

/** A row a value, or, where there are too many, one a range of them; all ranges are equally wide. */
function stalenessTable({ staleness }: AttributionRecord): string {
  const all = sumOf(staleness, ({ copies }) => copies);
  const width = staleness.length <= rowsMax ? 1 : Math.ceil((staleness.at(-1)!.staleness + 1) / rowsMax);
  const ranges = groupBy(staleness, ({ staleness: value }) => String(Math.floor(value / width) * width));
  const rows = [...ranges].map(([first, group]): Row => {
    const copies = sumOf(group, (row) => row.copies);
    const name = width === 1 ? first : `${first} to ${Number(first) + width - 1}`;
    return [name, count(copies), percent(copies, all)];
  });
  return table(['staleness', 'copies used', 'share'], rows);
}

/** The links of one direction have a row together, for each kind of message. */
function trafficTable({ traffic: { links, sent, rest }, acknowledges }: TraceRecord): string {
  const directions = groupBy(links, ({ from, to }) => `${roleOf(from)} -> ${roleOf(to)}`);
  const groups = groupBy([...directions.values()].flat(), ({ from, to, kind }) => {
    return `${roleOf(from)} -> ${roleOf(to)}\n${kind}`;
  });
  const rows = [...groups].map(([name, group]): Row => {
    const messages = sumOf(group, ({ delivered }) => delivered.messages);
    const bytes = sumOf(group, ({ delivered }) => delivered.bytes);
    return [...name.split('\n'), count(messages), count(bytes), describeLost(group)];
  });
  const left = [
    acknowledges ? 'acknowledgements, or under way' : 'under way at the end',
    '',
    count(rest.messages),
    count(rest.bytes),
    '',
  ];
  const all = ['all that was sent', '', count(sent.messages), count(sent.bytes), ''];
  return table(['link', 'kind', 'messages', 'bytes', 'lost'], [...rows, ...(rest.messages === 0 ? [] : [left]), all]);
}

/** `worker` for `worker-3` */
function roleOf(actor: string): string {
  return actor.replace(/-\d+$/, '');
}

/** `12 loss, 3 down (80,400 bytes)` */
function describeLost(links: readonly LinkRecord[]): string {
  const lost = links.flatMap((link) => Object.entries(link.lost).map(([why, tally]) => ({ why, ...tally })));
  if (lost.length === 0) return '';
  const reasons = [...groupBy(lost, ({ why }) => why)].map(
    ([why, group]) => `${count(sumOf(group, ({ messages }) => messages))} ${why}`,
  );
  const all = sumOf(lost, ({ bytes }) => bytes);
  return `${reasons.join(', ')}${all === 0 ? '' : ` (${count(all)} bytes)`}`;
}

function targetTable(targets: readonly TargetRecord[]): string {
  const rows = targets.map(({ reached, ...target }): Row => {
    if (reached === null) return [describeTarget(target), 'not reached', '', '', ''];
    const { virtualSeconds, moves, steps, bytes } = reached;
    return [
      describeTarget(target),
      seconds(virtualSeconds * 1e9),
      ...[moves, steps, bytes].map((each) => (each === undefined ? '' : count(each))),
    ];
  });
  return table(['target', 'virtual time', 'moves', 'worker steps', 'bytes'], rows);
}

function sumOf<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}

function groupBy<Item>(items: readonly Item[], key: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** `7.251 s (60.4 %)` */
function shareOfTime(ns: number, timeNs: number): string {
  return ns === 0 ? '0 s' : `${seconds(ns)} (${percent(ns, timeNs)})`;
}

function seconds(ns: number): string {
  return `${significant(ns / 1e9, 4)} s`;
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '' : `${((100 * part) / whole).toFixed(1)} %`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
