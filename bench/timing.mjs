/** What all measurements need. package.json gives V8 the limit that bin/straggler.mjs sets. */
import { defineScenario, prepare } from '../dist/src/index.js';

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

export const progress = (text) => process.stderr.write(`${text}\n`);

/** Milliseconds an iteration of a scenario, of `iterations` after `warmup`. */
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
