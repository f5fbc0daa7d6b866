/** What a run prints at its end. */
import Table from 'cli-table3';
import colors from 'picocolors';
import type { Observable } from 'rxjs';
import type { TimedMeasurement } from '../kernel/ledger.js';
import type { Run, RunResult } from '../scenario/simulate.js';

/** First and last values of each measure, by worker (or once, under -1). */
type Course = Map<string, { first: Map<number, number>; last: Map<number, number> }>;

/** Keeps what the summary shows of measurements. */
export function followMeasures(measurements$: Observable<TimedMeasurement>): Course {
  const course: Course = new Map();
  measurements$.subscribe(({ measure, worker = -1, value }) => {
    let entry = course.get(measure);
    if (entry === undefined) course.set(measure, (entry = { first: new Map(), last: new Map() }));
    if (!entry.first.has(worker)) entry.first.set(worker, value);
    entry.last.set(worker, value);
  });
  return course;
}

/** What the limits of `stop` are called when they end a run. */
const reasons: Readonly<Record<string, string>> = {
  move: 'stop.iterations reached',
  step: 'stop.steps reached',
  virtualTime: 'stop.virtualTime reached',
  target: 'stop.target reached',
};

export function printSummary(summary: {
  readonly run: Run;
  readonly result: RunResult;
  readonly wallSeconds: number;
  readonly measures: Course;
  /** The run directory as it is shown. */
  readonly written: string;
  readonly quiet: boolean;
  readonly events: boolean;
}): void {
  const { run, result, wallSeconds, measures, written, quiet, events } = summary;
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  const { name = '', seed } = run.start.scenario;
  if (!quiet) {
    const { steps, moves, messages } = result.counts;
    const paint = result.status === 'completed' ? colors.green : colors.red;
    print(`${colors.bold(name)}, seed ${seed ?? 0}: ${paint(result.status)}${reasonOf(result)}`);
    print(`${number(moves)} moves of u, ${number(steps)} worker steps, ${number(messages)} messages`);
    print(`${significant(result.virtualSeconds)} s of virtual time in ${wallSeconds.toFixed(1)} s`);
    if (measures.size > 0) print(table(measures).toString());
    for (const [name, operators] of Object.entries(result.onCpu)) {
      print(`${name}: the device has no ${operators.join(', ')}, which the processor evaluated`);
    }
  }
  print(`digests.events ${result.digests.events}`);
  print(`digests.state  ${result.digests.state}`);
  if (quiet) {
    if (result.status !== 'completed') process.stderr.write(`straggler: ${result.status}${reasonOf(result)}\n`);
    return;
  }
  const files = ['manifest.json', 'metrics.jsonl', ...(events ? ['events.jsonl'] : []), 'final.safetensors'];
  print(`written to ${written}: ${files.join(', ')}`);
}

function reasonOf({ status, reason }: RunResult): string {
  return status === 'interrupted' ? '' : `, ${reasons[reason] ?? reason}`;
}

function table(measures: Course): Table.Table {
  const rows = new Table({
    head: ['measure', 'first', 'last'],
    style: { head: [], border: [], compact: true },
  });
  for (const [measure, { first, last }] of measures) rows.push([measure, spread(first), spread(last)]);
  return rows;
}

/** One value, or the range over workers. */
function spread(values: ReadonlyMap<number, number>): string {
  const all = [...values.values()];
  if (all.length === 1) return significant(all[0]!);
  const [least, most] = [Math.min(...all), Math.max(...all)].map(significant);
  return least === most ? `${least!} (all workers)` : `${least!} to ${most!}`;
}

function number(count: number): string {
  return count.toLocaleString('en-US');
}

function significant(value: number): string {
  return Number.isInteger(value) ? number(value) : String(Number(value.toPrecision(4)));
}
