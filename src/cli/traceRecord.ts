/** What attribution.json holds, and the tables show. */
import type { AttributionRecord } from '../record/attribution.js';
import type { Digests } from '../record/manifest.js';
import type { Target } from '../scenario/compare.js';
import type { RunStatus } from '../scenario/simulate.js';
import type { Reached } from './compareTargets.js';

export interface TraceRecord extends AttributionRecord {
  readonly scenario: string;
  readonly seed: number;
  readonly status: RunStatus;
  readonly digests: Digests;
  /** Whether messages are acknowledged; what arrives of that is in `traffic.rest`. */
  readonly acknowledges: boolean;
  readonly targets: readonly TargetRecord[];
}

/** What it took to get a measure below a value. */
export interface TargetRecord extends Target {
  /** Null where no measurement is below. */
  readonly reached: Reached | null;
}
