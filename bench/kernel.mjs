/** The kernel and the network: eight actors pass messages round a ring, and their handlers do nothing else. */
import { runSimulation } from '../dist/src/kernel/simulation.js';
import { Streams } from '../dist/src/kernel/streams.js';
import { always } from '../dist/src/network/course.js';
import { network } from '../dist/src/network/network.js';
import { drawOf } from '../dist/src/scenario/wiring.js';

const actors = 8;
const messages = 300_000;

/** Actors that have a message under way each; handlers send the next one. */
function ring(message) {
  return Array.from({ length: actors }, (_, index) => {
    const next = { effect: 'send', to: `actor-${(index + 1) % actors}`, message };
    const answer = { state: undefined, effects: [next] };
    return { name: `actor-${index}`, behaviour: { init: () => answer, receive: () => answer } };
  });
}

const lossless = { loss: 0, corruption: 0, duplication: 0 };
const constant = { latency: always(() => 1000), jitter: undefined, rate: always(1e9), ...lossless };
const modelled = {
  latency: always(drawOf({ distribution: 'lognormal', median: 2e6, sigma: 0.3 })),
  jitter: drawOf({ distribution: 'exponential', mean: 1e5 }),
  rate: always(1.25e8),
  ...lossless,
};
const silent = { state: undefined, effects: [] };

async function messagesPerSecond({ link, message }) {
  const began = performance.now();
  await runSimulation({
    actors: ring(message),
    monitor: { name: 'monitor', behaviour: { init: () => silent, receive: () => silent } },
    network: network({ link: () => link, streams: new Streams(0) }),
    engine: { run: () => Promise.reject(new Error('nothing is computed here')) },
    streams: new Streams(0),
    limits: { counts: { token: messages } },
  });
  return (1000 * messages) / (performance.now() - began);
}

/** Every message is an event; links take a constant time. */
export function kernelEventsPerSecond() {
  return messagesPerSecond({ link: constant, message: { kind: 'token', facts: {} } });
}

/** Latency and jitter are drawn, and ten parameters take their time on the link. */
export function networkMessagesPerSecond() {
  return messagesPerSecond({
    link: modelled,
    message: { kind: 'token', facts: {}, tensors: { z: new Float32Array(10) } },
  });
}
