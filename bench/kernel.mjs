/** The kernel and the network: eight actors pass messages round a ring, and their handlers do nothing else. */
import { runSimulation } from '../dist/src/kernel/simulation.js';
import { Streams } from '../dist/src/kernel/streams.js';
import { always } from '../dist/src/network/course.js';
import { network } from '../dist/src/network/network.js';

const actors = 8;
const events = 300_000;

const facts = {};
const ring = Array.from({ length: actors }, (_, index) => {
  const next = { effect: 'send', to: `actor-${(index + 1) % actors}`, message: { kind: 'token', facts } };
  const answer = { state: undefined, effects: [next] };
  return { name: `actor-${index}`, behaviour: { init: () => answer, receive: () => answer } };
});
const link = {
  latency: always(() => 1000),
  jitter: undefined,
  rate: always(1e9),
  loss: 0,
  corruption: 0,
  duplication: 0,
};
const silent = { state: undefined, effects: [] };

export async function kernelEventsPerSecond() {
  const began = performance.now();
  await runSimulation({
    actors: ring,
    monitor: { name: 'monitor', behaviour: { init: () => silent, receive: () => silent } },
    network: network({ link: () => link, streams: new Streams(0) }),
    engine: { run: () => Promise.reject(new Error('nothing is computed here')) },
    streams: new Streams(0),
    limits: { counts: { token: events } },
  });
  return (1000 * events) / (performance.now() - began);
}
