/** Many workers with little to do each: what a step costs beside its arithmetic. */
import { defineScenario, prepare } from '../dist/src/index.js';

const workers = 1000;
const iterations = 30;

export async function quadraticStepsPerSecond() {
  const run = await prepare(
    defineScenario({
      data: { dataset: 'quadratic', dimension: 10 },
      workers,
      algorithm: { lambda: 1, workerStep: 0.1, consensusScaling: 'mean' },
      monitor: { every: { iterations: 1_000_000 }, measures: [] },
      stop: { iterations },
    }),
  );
  const began = performance.now();
  const { counts } = await run.toEnd();
  return (1000 * counts.steps) / (performance.now() - began);
}
