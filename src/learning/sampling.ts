/** Sampling: which samples of `I_j` a worker's step uses. */
import { BadInput } from '../conditions.js';
import { drawDistinct, shuffle } from '../kernel/draws.js';
import type { Stream } from '../kernel/streams.js';
import type { Assignment } from './partition.js';

/**
 * `uniform`: distinct samples drawn afresh each step. `epoch`: a walk through a shuffled `I_j`, shuffled again when
 * fewer than a batch are left; those are skipped, so that all batches have one size (and one compiled shape).
 */
export type Sampling = 'uniform' | 'epoch';

/** What a sampler remembers between steps; it never changes once made. */
export interface SamplerState {
  /** The samples in the order of this epoch; empty before the first and where there are no epochs. */
  readonly order: Int32Array;
  /** How many samples of the epoch are used. */
  readonly position: number;
}

/** A pure rule but for the stream, which draws move on. */
export interface Sampler {
  readonly start: SamplerState;
  /** The next batch, in the order in which it is used. Its indices must not be changed. */
  readonly draw: (state: SamplerState, stream: Stream) => { indices: Int32Array; state: SamplerState };
}

/** The sampler of a worker that has the samples `indices`; `full` takes all of them in order, and draws nothing. */
export function sampler(rule: { sampling: Sampling; batchSize: number | 'full'; indices: Int32Array }): Sampler {
  const { sampling, batchSize, indices } = rule;
  const start: SamplerState = { order: new Int32Array(0), position: 0 };
  if (batchSize === 'full') return { start, draw: (state) => ({ indices, state }) };
  if (batchSize < 1 || batchSize > indices.length) throw new Error(`batch of ${batchSize} from ${indices.length}`);
  if (sampling === 'uniform') {
    return {
      start,
      draw: (state, stream) => {
        const places = drawDistinct(stream, { count: batchSize, below: indices.length });
        return { indices: places.map((place) => indices[place]!), state };
      },
    };
  }
  return {
    start,
    draw: (state, stream) => {
      const { order, position } =
        state.position + batchSize > state.order.length
          ? { order: shuffle(stream, indices.slice()), position: 0 }
          : state;
      const next = position + batchSize;
      // A copy of one batch, not a view: posting a view to a thread would send the whole epoch.
      return { indices: order.slice(position, next), state: { order, position: next } };
    },
  };
}

/** Throws BadInput where a worker has fewer samples than a batch takes. */
export function checkBatchSize(batchSize: number | 'full', assignment: Assignment): void {
  if (batchSize === 'full') return;
  assignment.forEach(({ length }, worker) => {
    if (batchSize <= length) return;
    throw new BadInput(
      `batchSize ${batchSize} exceeds the ${length} sample${length === 1 ? '' : 's'} of worker ${worker}`,
      {
        path: ['data', 'batchSize'],
        remedy: `choose at most ${Math.min(...assignment.map((indices) => indices.length))}, or full`,
      },
    );
  });
}
