/**
 * What a device does as workers are added: milliseconds of a synchronous iteration beside those of its peers, taken in
 * turns, and worker steps a second of ten thousand workers with little to do.
 */
import Table from 'cli-table3';
import { matmulPeak } from './peak.mjs';
import { findPeers, groupsOn } from './peers.mjs';
import { median, millisecondsPerIteration, progress } from './timing.mjs';

const rounds = 3;
const models = { lenet5: 'lenet5', mlp: { kind: 'mlp', hidden: [100] } };
// Multiplications and additions of a step on one sample, forward and twice that backward, but for the input's gradient.
const [conv1, conv2, dense] = [576 * 25 * 20, 64 * 500 * 50, 800 * 10];
const operations = {
  lenet5: 2 * (3 * (conv1 + conv2 + dense) - conv1),
  mlp: 2 * (3 * (784 * 100 + 100 * 10) - 784 * 100),
};
const batchSize = 20;
const problems = { quadratic: { dimension: 10 }, logistic: { dimension: 10, batchSize: 10, samplesPerWorker: 20 } };
export const everyWorkers = [1, 4, 16, 64, 256];

// Functions have been compiled by then, and memory is used again.
const warmupOf = (workers, device) => Math.max(5, Math.ceil((device === 'cpu' ? 800 : 160) / workers));

const silent = { every: { iterations: 1_000_000 }, measures: [] };

function training(model, workers, device) {
  return {
    seed: 7,
    data: { dataset: 'mnist', batchSize },
    model: models[model],
    workers,
    algorithm: { lambda: 0.1, workerStep: 0.005, consensusScaling: 'mean', momentum: 0.9, regularization: 1e-4 },
    monitor: silent,
    engine: { device },
  };
}

/** So many iterations that a block takes about a second. */
const blockOf = (workers, device) => Math.max(device === 'cpu' ? 4 : 20, Math.round(120 / workers));
const blockOfPeer = ({ single }) => Math.min(1000, Math.max(3, Math.round(600 / single)));
const warmupOfPeer = (workers) => Math.max(3, Math.ceil(40 / workers));

async function trainingRow(model, workers, { device, peak }) {
  const iterations = blockOf(workers, device);
  const groups = groupsOn(device);
  const peers = await findPeers({ device, model, workers, warmup: warmupOfPeer(workers) });
  const ours = [];
  const theirs = groups.map(() => []);
  const ratios = [];
  for (let round = 0; round < rounds; round += 1) {
    const own = await millisecondsPerIteration(training(model, workers, device), {
      warmup: warmupOf(workers, device),
      iterations,
    });
    // The best of a group.
    const bests = groups.map(() => Infinity);
    for (const peer of peers) {
      const group = groups.indexOf(peer.group);
      bests[group] = Math.min(bests[group], await peer.millisecondsPerIteration(blockOfPeer(peer)));
    }
    ours.push(own);
    bests.forEach((best, group) => theirs[group].push(best));
    ratios.push(Math.min(...bests) / own);
  }
  for (const peer of peers) peer.stop();
  const own = median(ours);
  const text = (values) => (Number.isFinite(median(values)) ? median(values).toFixed(2) : '-');
  const share = (operations[model] * batchSize * workers) / (own / 1000) / peak;
  return [
    ...[model, workers, own.toFixed(2), (own / workers).toFixed(3), `${(100 * share).toFixed(1)} %`],
    ...[...theirs.map(text), text(ratios)],
  ];
}

/** Ten thousand workers, synchronously, whose steps take no time of their own. */
async function stepsPerSecond(data, device, batch) {
  const workers = 10_000;
  const scenario = {
    data,
    workers,
    algorithm: { lambda: 1, workerStep: 0.05, consensusScaling: 'mean' },
    monitor: silent,
    engine: { device, batch },
  };
  return (1000 * workers) / (await millisecondsPerIteration(scenario, { warmup: 5, iterations: 5 }));
}

const style = { head: [], border: [], compact: true };

async function trainingTable(names, workerCounts, device) {
  const head = [
    ...['model', 'workers', 'ms an iteration', 'ms a worker', 'share of the peak'],
    ...[...groupsOn(device), 'times faster than the best'],
  ];
  progress('products of matrices');
  const peak = await matmulPeak(device);
  const table = new Table({ head, style });
  for (const name of names) {
    for (const count of workerCounts) {
      progress(`${name}, ${count} workers`);
      const row = await trainingRow(name, count, { device, peak });
      progress(row.map((cell, column) => `${head[column]}: ${cell}`).join(' | ')); // should the rest not be waited for
      table.push(row);
    }
  }
  const reached = `products of large matrices reach ${(peak / 1e9).toFixed(0)} GFLOP/s`;
  return `device ${device}: synchronous iterations, batch ${batchSize}, momentum 0.9; ${reached}\n${table.toString()}\n`;
}

async function manyTable(names, device) {
  const table = new Table({ head: ['10,000 workers, synchronous', 'batch', 'worker steps a second'], style });
  for (const dataset of names) {
    // Alone, so many steps would take minutes on a device.
    for (const batch of device === 'cpu' ? [1, 'auto'] : ['auto']) {
      progress(`${dataset}, batch ${batch}`);
      const steps = await stepsPerSecond({ dataset, ...problems[dataset] }, device, batch);
      table.push([dataset, batch, Math.round(steps).toLocaleString('en-US')]);
    }
  }
  return `${table.toString()}\n`;
}

/** The models and problems. */
export const measured = [...Object.keys(models), ...Object.keys(problems)];

/** Prints what was asked for: by default, all models and problems. */
export async function measureDevice(device, { model = measured, workers = everyWorkers } = {}) {
  const chosen = (table) => model.filter((name) => name in table);
  if (chosen(models).length > 0) {
    process.stdout.write(await trainingTable(chosen(models), workers, device));
  }
  if (chosen(problems).length > 0) process.stdout.write(await manyTable(chosen(problems), device));
}
