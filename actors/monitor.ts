/**
 * The monitor: sees u and every z_j as they change, outside virtual time, and measures at version 0, after
 * every `every` moves, and at the end. It sends nothing, so it cannot change a run.
 */
import type { Behaviour, Context, Effect, Facts, Message, Pending, Transition } from '../src/kernel/effects.js';
import { consensusName, workerNumber } from './names.js';
import { listOf, valueAt, valuesOf, withValue } from './persistentList.js';
import { measures, rowsOf, type MeasureName, type MeasureRow, type MeasureTask } from './measures.js';
import type { MonitorState, WorkerView } from './view.js';

export interface MonitorOptions {
  /** M */
  readonly workers: number;
  /** u^0 = z_j^0, `[P]`. */
  readonly start: Float32Array;
  /** Moves of u between two measurements. */
  readonly every: number;
  readonly measures: readonly MeasureName[];
}

export function monitor(options: MonitorOptions): Behaviour<MonitorState> {
  const { start, workers, every } = options;
  return {
    init: (context) => {
      const view: WorkerView = {
        z: start,
        loss: undefined,
        busyNs: 0,
        startedNs: undefined,
        endsNs: 0,
        leftNs: undefined,
      };
      const views = listOf(Array.from({ length: workers }, () => view));
      const state = { u: start, version: 0, workers: views, truncations: 0, steps: 0, changed: false };
      return measure(options, state, context);
    },
    receive: (state, message, context) => {
      const { kind, facts } = message;
      if (kind === 'end') return state.changed ? measure(options, state, context) : { state, effects: [] };
      const seen = see(state, message, context);
      if (kind !== 'move') return { state: seen, effects: [] };
      const applied = applyStaleness(options, seen, facts);
      if (seen.version % every !== 0) return { state: seen, effects: applied };
      const measured = measure(options, seen, context);
      return { state: measured.state, effects: [...applied, ...measured.effects] };
    },
  };
}

/** The state with what an observation shows. It is written out where that is often: spreads take ten times as long. */
function see(state: MonitorState, { kind, facts, tensors }: Message, { timeNs }: Context): MonitorState {
  const { u, version, steps, changed } = state;
  const shortened = tensors?.['truncations'] as Float32Array | undefined;
  const truncations = state.truncations + (shortened?.[0] ?? 0);
  if (kind === 'move') {
    const { workers } = state;
    return { u: tensors!['u']!, version: facts['version'] as number, workers, truncations, steps, changed: true };
  }
  if (kind in interruptions) return interrupt(state, { kind, facts, timeNs });
  const worker = facts['worker'] as number;
  const view = valueAt(state.workers, worker);
  switch (kind) {
    case 'start': {
      const { z, loss, busyNs, leftNs } = view;
      const endsNs = timeNs + (facts['durationNs'] as number);
      const workers = withValue(state.workers, worker, { z, loss, busyNs, startedNs: timeNs, endsNs, leftNs });
      return { u, version, workers, truncations, steps, changed };
    }
    case 'step': {
      const { endsNs, leftNs, startedNs = timeNs } = view;
      const busyNs = view.busyNs + timeNs - startedNs;
      const [z, loss] = [tensors!['z']!, (tensors!['loss'] as Float32Array)[0]!];
      const workers = withValue(state.workers, worker, { z, loss, busyNs, startedNs: undefined, endsNs, leftNs });
      return { u, version, workers, truncations, steps: steps + 1, changed: true };
    }
    default:
      throw new Error(`the monitor does not understand ${kind}`);
  }
}

/** What the kernel tells of actors that it strikes, and what becomes of a step that is running. */
const interruptions: Readonly<Record<string, (view: WorkerView, timeNs: number) => WorkerView>> = {
  down: (view, timeNs) => ({ ...halted(view, timeNs), leftNs: undefined }),
  pause: halted,
  resume: (view, timeNs) => {
    const { leftNs } = view;
    return leftNs === undefined ? view : { ...view, leftNs: undefined, startedNs: timeNs, endsNs: timeNs + leftNs };
  },
  up: (view) => view,
};

function halted(view: WorkerView, timeNs: number): WorkerView {
  const { startedNs, endsNs, busyNs } = view;
  if (startedNs === undefined) return view;
  return { ...view, busyNs: busyNs + timeNs - startedNs, startedNs: undefined, leftNs: endsNs - timeNs };
}

function interrupt(
  state: MonitorState,
  { kind, facts, timeNs }: { readonly kind: string; readonly facts: Facts; readonly timeNs: number },
): MonitorState {
  const actor = facts['actor'] as string;
  if (actor === consensusName) return state;
  const worker = workerNumber(actor);
  const view = interruptions[kind]!(valueAt(state.workers, worker), timeNs);
  return { ...state, workers: withValue(state.workers, worker, view) };
}

/** Staleness belongs to moves, not to moments: it is recorded for every applied copy. */
function applyStaleness({ measures: chosen }: MonitorOptions, { version }: MonitorState, facts: Facts): Effect[] {
  if (!chosen.includes('staleness')) return [];
  const pairs = facts['staleness'] as readonly (readonly [number, number])[];
  const rows = pairs.map(([worker, value]) => ({ iteration: version, measure: 'staleness', worker, value }));
  return [{ effect: 'record', rows }];
}

/** Takes every chosen measure of the present state. */
function measure(options: MonitorOptions, state: MonitorState, context: Context): Transition<MonitorState> {
  const rows: Effect[] = [];
  const pending = new Map<MeasureTask, Pending[]>();
  for (const name of options.measures) {
    const row: MeasureRow = measures[name];
    if (row.from === 'observed') {
      rows.push({ effect: 'record', rows: rowsOf(name, state.version, row.read(state, context)) });
    } else if (row.from === 'evaluated') {
      pending.set(row.task, [...(pending.get(row.task) ?? []), ...pendingRows(name, row.output, state)]);
    }
  }
  const inputs = { u: state.u, z: valuesOf(state.workers).map(({ z }) => z) };
  const evaluations = [...pending].map(([task, taskRows]): Effect => ({
    effect: 'evaluate',
    computation: { task, inputs },
    rows: taskRows,
  }));
  return { state: { ...state, changed: false }, effects: [...rows, ...evaluations] };
}

function pendingRows(measureName: MeasureName, output: string, { version, workers }: MonitorState): Pending[] {
  const row = { iteration: version, measure: measureName, output };
  if (!measures[measureName].perWorker) return [row];
  return Array.from({ length: workers.length }, (_, worker) => ({ ...row, worker }));
}
