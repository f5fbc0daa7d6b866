import { describe, expect, it } from 'vitest';
import { checkBatchSize, sampler, type SamplerState, type Sampling } from '../../src/learning/sampling.js';
import { refusal } from './refusals.js';
import { chiSquare, chiSquareLimit, streamOf } from './statistics.js';

const indices = Int32Array.of(3, 5, 8, 13, 21);

/** The batches of `steps` steps from the start, and the states after them. */
function walk(rule: { sampling: Sampling; batchSize: number | 'full' }, steps: number, seed = 7) {
  const { start, draw } = sampler({ ...rule, indices });
  const stream = streamOf('samples', seed);
  const batches: number[][] = [];
  const states: SamplerState[] = [start];
  for (let step = 0; step < steps; step += 1) {
    const { indices: batch, state } = draw(states.at(-1)!, stream);
    batches.push([...batch]);
    states.push(state);
  }
  return { batches, states };
}

describe('sampling', () => {
  it('uniform batches hold distinct samples, every set equally often', () => {
    const { batches } = walk({ sampling: 'uniform', batchSize: 3 }, 10_000);
    const counts = new Map<string, number>();
    for (const batch of batches) {
      const set = [...batch].sort((a, b) => a - b).join();
      counts.set(set, (counts.get(set) ?? 0) + 1);
    }
    // C(5, 3) = 10 sets.
    expect(counts.size).toBe(10);
    expect(chiSquare([...counts.values()], Array<number>(10).fill(1000))).toBeLessThan(chiSquareLimit[9]!);
  });

  it('epoch batches have one size, use no sample twice in an epoch, and skip the rest', () => {
    const { batches } = walk({ sampling: 'epoch', batchSize: 2 }, 1000);
    for (let step = 0; step < 1000; step += 2) {
      const epoch = [...batches[step]!, ...batches[step + 1]!];
      expect(new Set(epoch).size).toBe(4);
      expect(epoch.every((index) => indices.includes(index))).toBe(true);
    }
  });

  it('epochs whose size the batch divides are permutations of the samples, every sample first equally often', () => {
    const { batches } = walk({ sampling: 'epoch', batchSize: 5 }, 5000);
    const counts = new Map<number, number>();
    for (const batch of batches) {
      expect([...batch].sort((a, b) => a - b)).toEqual([...indices]);
      counts.set(batch[0]!, (counts.get(batch[0]!) ?? 0) + 1);
    }
    expect(chiSquare([...counts.values()], Array<number>(5).fill(1000))).toBeLessThan(chiSquareLimit[4]!);
  });

  it('full takes all samples in order and draws nothing', () => {
    const { draw, start } = sampler({ sampling: 'epoch', batchSize: 'full', indices });
    const stream = {
      double: (): number => {
        throw new Error('drawn');
      },
    };
    expect([...draw(start, stream).indices]).toEqual([3, 5, 8, 13, 21]);
  });

  it('a state made earlier still gives what it gave: draws change the stream alone', () => {
    const rule = { sampling: 'epoch', batchSize: 2 } as const;
    const { states, batches } = walk(rule, 4);
    const saved = structuredClone(states[1]!);
    const { draw } = sampler({ ...rule, indices });
    expect(states[1]).toEqual(saved);
    expect([...draw(saved, streamOf('unused')).indices]).toEqual(batches[1]);
    expect([...indices]).toEqual([3, 5, 8, 13, 21]);
  });

  it('the order of an epoch is one array for all its steps, and a batch owns its memory', () => {
    const { states } = walk({ sampling: 'epoch', batchSize: 1 }, 6);
    for (let step = 2; step <= 5; step += 1) expect(states[step]!.order).toBe(states[1]!.order);
    expect(states[6]!.order).not.toBe(states[1]!.order);
    const { start, draw } = sampler({ sampling: 'epoch', batchSize: 2, indices });
    expect(draw(start, streamOf('memory')).indices.buffer.byteLength).toBe(8);
  });

  it('batches follow from the seed', () => {
    for (const sampling of ['uniform', 'epoch'] as const) {
      const rule = { sampling, batchSize: 2 };
      expect(walk(rule, 10).batches).toEqual(walk(rule, 10).batches);
      expect(walk(rule, 10, 8).batches).not.toEqual(walk(rule, 10).batches);
    }
  });

  it('a batch larger than a worker’s samples is refused with the worker and its size', async () => {
    const assignment = [Int32Array.of(0, 1, 2), Int32Array.of(3), Int32Array.of(4, 5)];
    expect(await refusal(() => checkBatchSize(2, assignment))).toEqual({
      message: 'batchSize 2 exceeds the 1 sample of worker 1',
      path: 'data.batchSize',
      remedy: 'choose at most 1, or full',
    });
    expect((await refusal(() => checkBatchSize(4, assignment))).message).toContain('the 3 samples of worker 0');
    checkBatchSize(1, assignment);
    checkBatchSize('full', assignment);
  });

  it('a batch larger than the samples is a bug where it was not refused', () => {
    expect(() => sampler({ sampling: 'uniform', batchSize: 6, indices })).toThrow('batch of 6 from 5');
  });
});
