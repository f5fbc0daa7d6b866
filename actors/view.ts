/** What the monitor has seen of a run. */
import type { Vector } from '../src/vector.js';
import type { PersistentList } from './persistentList.js';

/** What the monitor knows of one worker. */
export interface WorkerView {
  readonly z: Vector;
  /** Mean loss of the last batch. */
  readonly loss: number | undefined;
  /** Virtual time spent in completed steps. */
  readonly busyNs: number;
  /** Start and end of the step that runs. */
  readonly startedNs: number | undefined;
  readonly endsNs: number;
  /** What a paused step still needs. */
  readonly leftNs: number | undefined;
}

export interface MonitorState {
  readonly u: Vector;
  readonly version: number;
  readonly workers: PersistentList<WorkerView>;
  /** Steps and moves that were shortened, and copies that were pulled back, to stay in the potential's domain. */
  readonly truncations: number;
  /** Steps that workers have completed. */
  readonly steps: number;
  /** Whether anything has changed since the last measurement. */
  readonly changed: boolean;
}
