import { describe, expect, it } from 'vitest';
import { monitor, type MonitorOptions } from '../../actors/monitor.js';
import type { MonitorState } from '../../actors/view.js';
import type { Effect, Facts, Message, Tensors, Transition } from '../../src/kernel/effects.js';
import { contextOf, only } from './context.js';

const start = Float32Array.of(0, 0);
const defaults: MonitorOptions = { workers: 2, start, every: 1, measures: ['bytes_sent'] };

/** Something that the monitor is shown, and when; `bytes` and `lost` are what the run has sent and lost until then. */
interface Shown {
  readonly timeNs: number;
  readonly message: Message;
  readonly bytes?: number;
  readonly lost?: number;
}

function shown(timeNs: number, kind: string, facts: Facts, tensors: Tensors = {}): Shown {
  return { timeNs, message: { kind, facts, tensors } };
}

const started = (timeNs: number, worker: number, durationNs: number): Shown =>
  shown(timeNs, 'start', { worker, durationNs });

const stepped = (timeNs: number, worker: number, step: number): Shown =>
  shown(timeNs, 'step', { worker, step }, { z: Float32Array.of(worker, step), loss: Float32Array.of(step / 2) });

const moved = (timeNs: number, version: number, staleness: readonly (readonly number[])[] = []): Shown =>
  shown(timeNs, 'move', { version, staleness }, { u: Float32Array.of(version, version) });

const end = (timeNs: number): Shown => shown(timeNs, 'end', { reason: 'move' });

/** All effects of the monitor, from the start on, each list belonging to one thing shown. */
function play(options: Partial<MonitorOptions>, sequence: readonly Shown[]): (readonly Effect[])[] {
  const behaviour = monitor({ ...defaults, ...options });
  let transition: Transition<MonitorState> = behaviour.init(contextOf('monitor'));
  return [
    transition.effects,
    ...sequence.map(({ timeNs, message, bytes = 0, lost = 0 }) => {
      transition = behaviour.receive(
        transition.state,
        message,
        contextOf('monitor', timeNs, { messages: 0, bytes, lost }),
      );
      return transition.effects;
    }),
  ];
}

/** The recorded rows, all in one list. */
function rowsOf(effects: readonly (readonly Effect[])[]) {
  return effects.flatMap((list) => only('record', list)).flatMap(({ rows }) => rows);
}

describe('the monitor measures', () => {
  it('at version 0, after every so many moves, and at the end', () => {
    const moves = [1, 2, 3, 4, 5, 6, 7].map((version) => moved(version, version));
    const rows = rowsOf(play({ every: 3 }, [...moves, end(7)]));
    expect(rows.map(({ iteration }) => iteration)).toEqual([0, 3, 6, 7]);
  });

  it('not twice at the end, when nothing has happened since the last measurement', () => {
    const moves = [moved(1, 1), moved(2, 2), moved(3, 3)];
    expect(rowsOf(play({ every: 3 }, [...moves, end(3)])).map(({ iteration }) => iteration)).toEqual([0, 3]);
    expect(rowsOf(play({ every: 3 }, [end(0)])).map(({ iteration }) => iteration)).toEqual([0]);
  });

  it('again at the end, when a worker has completed a step since', () => {
    const sequence = [moved(1, 1), started(1, 0, 5), stepped(6, 0, 1), end(7)];
    expect(rowsOf(play({}, sequence)).map(({ iteration }) => iteration)).toEqual([0, 1, 1]);
  });

  it('u after the move and the z_j of each last completed step', () => {
    const sequence = [stepped(1, 1, 1), stepped(2, 1, 2), moved(2, 1), stepped(3, 0, 1), started(3, 0, 9), moved(4, 2)];
    const evaluations = play({ measures: ['gap', 'gap_max'], every: 2 }, sequence).map((list) =>
      only('evaluate', list),
    );
    expect(evaluations.map(({ length }) => length)).toEqual([1, 0, 0, 0, 0, 0, 1]);
    expect(evaluations[0]![0]!.computation).toEqual({ task: 'coupling', inputs: { u: start, z: [start, start] } });
    expect(evaluations[6]![0]).toEqual({
      effect: 'evaluate',
      computation: {
        task: 'coupling',
        inputs: { u: Float32Array.of(2, 2), z: [Float32Array.of(0, 1), Float32Array.of(1, 2)] },
      },
      rows: [
        { iteration: 2, measure: 'gap', output: 'gap', worker: 0 },
        { iteration: 2, measure: 'gap', output: 'gap', worker: 1 },
        { iteration: 2, measure: 'gap_max', output: 'gapMax' },
      ],
    });
  });

  it('with one computation for all measures that share it', () => {
    const measures = ['gap', 'test_loss', 'penalty_force', 'test_error', 'train_loss'] as const;
    const [atStart] = play({ measures }, []);
    const tasks = only('evaluate', atStart!).map(({ computation, rows }) => [
      computation.task,
      rows.map(({ measure }) => measure),
    ]);
    expect(tasks).toEqual([
      ['coupling', ['gap', 'gap', 'penalty_force']],
      ['evaluateTest', ['test_loss', 'test_error']],
      ['evaluateTrain', ['train_loss']],
    ]);
  });

  it('nothing else: it sends nothing and schedules nothing', () => {
    const measures = ['gap', 'staleness', 'busy_fraction', 'minibatch_loss', 'bytes_sent'] as const;
    const effects = play({ measures }, [started(0, 0, 5), stepped(5, 0, 1), moved(5, 1, [[0, 0]]), end(6)]).flat();
    expect(new Set(effects.map(({ effect }) => effect))).toEqual(new Set(['record', 'evaluate']));
  });
});

describe('measures that are read off what was seen', () => {
  it('minibatch_loss is the loss of the last completed step, and absent before the first', () => {
    const sequence = [stepped(1, 1, 1), stepped(2, 1, 3), moved(2, 1), stepped(3, 0, 4), moved(3, 2)];
    expect(rowsOf(play({ measures: ['minibatch_loss'] }, sequence))).toEqual([
      { iteration: 1, measure: 'minibatch_loss', worker: 1, value: 1.5 },
      { iteration: 2, measure: 'minibatch_loss', worker: 0, value: 2 },
      { iteration: 2, measure: 'minibatch_loss', worker: 1, value: 1.5 },
    ]);
  });

  it('busy_fraction and wait_fraction split virtual time between steps and waiting, the running step included', () => {
    // Worker 0 computes during [10, 40] and from 60 on; worker 1 during [0, 100]. Measured at 80: 30 + 20 of 80, and 80.
    const sequence = [
      started(0, 1, 100),
      started(10, 0, 30),
      stepped(40, 0, 1),
      started(60, 0, 30),
      moved(80, 1),
      // At 100: worker 0 has been busy for 30 + 30 (its step has ended at 90), worker 1 for 100.
      stepped(90, 0, 2),
      moved(100, 2),
    ];
    const rows = rowsOf(play({ measures: ['busy_fraction', 'wait_fraction'] }, sequence));
    expect(rows).toEqual([
      { iteration: 1, measure: 'busy_fraction', worker: 0, value: 50 / 80 },
      { iteration: 1, measure: 'busy_fraction', worker: 1, value: 1 },
      { iteration: 1, measure: 'wait_fraction', worker: 0, value: 1 - 50 / 80 },
      { iteration: 1, measure: 'wait_fraction', worker: 1, value: 0 },
      { iteration: 2, measure: 'busy_fraction', worker: 0, value: 60 / 100 },
      { iteration: 2, measure: 'busy_fraction', worker: 1, value: 1 },
      { iteration: 2, measure: 'wait_fraction', worker: 0, value: 1 - 60 / 100 },
      { iteration: 2, measure: 'wait_fraction', worker: 1, value: 0 },
    ]);
  });

  it('busy_fraction is not defined while no virtual time has passed', () => {
    expect(rowsOf(play({ measures: ['busy_fraction'] }, [started(0, 0, 5), moved(0, 1)]))).toEqual([]);
  });

  it('staleness is recorded of every applied copy at every move, also between measurements', () => {
    const sequence = [
      moved(1, 1, [[1, 0]]),
      moved(2, 2, [
        [0, 1],
        [1, 0],
      ]),
      moved(3, 3, [[0, 2]]),
      end(3),
    ];
    expect(rowsOf(play({ measures: ['staleness'], every: 100 }, sequence))).toEqual([
      { iteration: 1, measure: 'staleness', worker: 1, value: 0 },
      { iteration: 2, measure: 'staleness', worker: 0, value: 1 },
      { iteration: 2, measure: 'staleness', worker: 1, value: 0 },
      { iteration: 3, measure: 'staleness', worker: 0, value: 2 },
    ]);
  });

  it('staleness is not recorded where it was not asked for', () => {
    expect(rowsOf(play({ measures: [] }, [moved(1, 1, [[1, 0]])]))).toEqual([]);
  });

  it('bytes_sent is what the network was given until then', () => {
    const rows = rowsOf(
      play({}, [
        { ...moved(1, 1), bytes: 80 },
        { ...moved(2, 2), bytes: 200 },
      ]),
    );
    expect(rows).toEqual([
      { iteration: 0, measure: 'bytes_sent', value: 0 },
      { iteration: 1, measure: 'bytes_sent', value: 80 },
      { iteration: 2, measure: 'bytes_sent', value: 200 },
    ]);
  });

  it('messages_lost is how many the network has lost until then', () => {
    const sequence = [
      { ...moved(1, 1), lost: 2 },
      { ...moved(2, 2), lost: 2 },
      { ...moved(3, 3), lost: 5 },
    ];
    const rows = rowsOf(play({ measures: ['messages_lost'] }, sequence));
    expect(rows.map(({ value }) => value)).toEqual([0, 2, 2, 5]);
  });

  it('worker_steps is how many steps are complete, those of all workers together', () => {
    const sequence = [started(0, 0, 5), started(0, 1, 9), stepped(5, 0, 1), started(5, 0, 3), moved(6, 1)];
    const rows = rowsOf(
      play({ measures: ['worker_steps'] }, [...sequence, stepped(8, 0, 2), stepped(9, 1, 1), end(9)]),
    );
    expect(rows.map(({ value }) => value)).toEqual([0, 1, 3]);
  });

  it('does not understand what no actor shows', () => {
    expect(() => play({}, [shown(0, 'gossip', { worker: 0 })])).toThrow('the monitor does not understand gossip');
  });
});
