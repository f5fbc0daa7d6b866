/** Milliseconds an iteration of a scenario, of `iterations` after `warmup`. */
import { defineScenario, prepare } from '../dist/src/index.js';

export async function millisecondsPerIteration(scenario, { warmup, iterations }) {
  const run = await prepare(defineScenario({ ...scenario, stop: { iterations: warmup + iterations } }));
  let moves = 0;
  let began = 0;
  run.events$.subscribe(({ kind }) => {
    if (kind !== 'move') return;
    moves += 1;
    if (moves === warmup) began = performance.now();
  });
  const { status, reason } = await run.toEnd();
  if (status !== 'completed') throw new Error(`the run ended: ${reason}`);
  return (performance.now() - began) / iterations;
}
