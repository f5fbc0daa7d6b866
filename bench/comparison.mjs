/**
 * `npm run bench`: one table, measured in one run. The comparison with PyTorch and JAX alternates short blocks of all,
 * because the speed of a shared machine drifts; ratios are taken block by block and their median is quoted.
 */
import Table from 'cli-table3';
import { kernelEventsPerSecond, networkMessagesPerSecond } from './kernel.mjs';
import { lenetMillisecondsPerIteration } from './lenet.mjs';
import { memoryCourse } from './memory.mjs';
import { findPeers } from './peers.mjs';
import { potentialSteps } from './potentials.mjs';
import { quadraticStepsPerSecond } from './quadratic.mjs';
import { median, progress } from './timing.mjs';

const rounds = 7;
const iterations = 150;

export async function compare() {
  // Before anything else has left its mark on what the process holds.
  progress('memory of 2,000 iterations');
  const memory = await memoryCourse();
  const peers = await findPeers({ device: 'cpu', tuned: true });
  const ours = [];
  const theirs = new Map(peers.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round += 1) {
    progress(`LeNet-5, round ${round} of ${rounds}`);
    ours.push(await lenetMillisecondsPerIteration(iterations));
    for (const peer of peers) theirs.get(peer.name).push(await peer.millisecondsPerIteration(iterations));
  }
  for (const peer of peers) peer.stop();
  const compared = peers.filter(({ failed }) => !failed);
  progress('a worker step under each potential');
  const steps = new Map();
  const potentials = await potentialSteps();
  for (const step of potentials.values()) await step(20);
  for (let round = 0; round < 3 * rounds; round += 1) {
    for (const [potential, step] of potentials) steps.set(potential, [...(steps.get(potential) ?? []), await step(25)]);
  }
  progress('kernel events');
  const events = [];
  const messages = [];
  for (let round = 0; round < 5; round += 1) {
    events.push(await kernelEventsPerSecond());
    messages.push(await networkMessagesPerSecond());
  }
  progress('1,000 workers on a quadratic');
  const quadratics = [];
  for (let round = 0; round < 3; round += 1) quadratics.push(await quadraticStepsPerSecond());

  const table = new Table({ head: ['what', 'measured'], style: { head: [], border: [] } });
  const milliseconds = (values) =>
    `${median(values).toFixed(2)} ms (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`;
  table.push(['LeNet-5, four workers, batch 20, momentum 0.9: one synchronous iteration', milliseconds(ours)]);
  for (const { name } of compared) table.push([`the same, ${name}`, milliseconds(theirs.get(name))]);
  for (const group of new Set(compared.map((peer) => peer.group))) {
    // The best of one and two threads, round by round.
    const members = compared.filter((peer) => peer.group === group).map(({ name }) => theirs.get(name));
    const ratios = ours.map((own, round) => Math.min(...members.map((values) => values[round])) / own);
    table.push([
      `times faster than ${group}${members.length > 1 ? ', best of 1 and 2 threads' : ''}`,
      `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
    ]);
  }
  if (!compared.some(({ group }) => group === 'PyTorch'))
    table.push(['PyTorch', 'not found: no python3 here can import torch (Debian: python3-torch libopenblas0-pthread)']);
  for (const [potential, values] of [...steps].slice(1)) {
    const ratios = values.map((value, round) => value / steps.get('quad')[round]);
    table.push([
      `a worker step on one thread with ${potential}, against quad`,
      `${median(ratios).toFixed(3)} times (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
    ]);
  }
  const count = (value) => Math.round(value).toLocaleString('en-US');
  table.push(['kernel events a second, empty handlers', count(median(events))]);
  table.push(['messages a second with drawn latency, jitter and bandwidth', count(median(messages))]);
  table.push(['worker steps a second, 1,000 workers on a 10-dimensional quadratic', count(median(quadratics))]);
  for (const { iteration, heap, resident } of memory) {
    table.push([
      `memory after ${count(iteration)} LeNet-5 iterations`,
      `heap ${heap.toFixed(1)} MB, resident ${resident.toFixed(0)} MB`,
    ]);
  }
  process.stdout.write(`${table.toString()}\n`);
}
