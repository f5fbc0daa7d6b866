/** The whole simulator at work: actors, kernel, sampling, event digest and gradients of four synchronous workers. */
import { defineScenario, prepare } from '../dist/src/index.js';
import { millisecondsPerIteration } from './timing.mjs';

// New threads and functions have been compiled by then.
const warmup = 200;

function scenario(iterations) {
  return {
    seed: 7,
    data: { dataset: 'mnist', batchSize: 20 },
    model: 'lenet5',
    workers: 4,
    algorithm: {
      lambda: 0.1,
      workerStep: 0.005,
      consensusStep: 0.005,
      momentum: 0.9,
      regularization: 1e-4,
      gradient: 'sum',
      consensusScaling: 'scaled',
    },
    monitor: { every: { iterations: 1_000_000 }, measures: [] },
    stop: { iterations },
  };
}

/** Milliseconds an iteration, after a warm-up. */
export function lenetMillisecondsPerIteration(iterations) {
  return millisecondsPerIteration(scenario(iterations), { warmup, iterations });
}

/** Calls `at` after every `every` of `iterations` iterations. */
export async function followLenet({ iterations, every, at }) {
  const run = await prepare(defineScenario(scenario(iterations)));
  let moves = 0;
  run.events$.subscribe(({ kind }) => {
    if (kind !== 'move') return;
    moves += 1;
    if (moves % every === 0) at(moves);
  });
  await run.toEnd();
}
