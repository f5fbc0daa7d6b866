/** Programs to compare with, each in a process that waits for numbers of iterations on its standard input. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { progress } from './timing.mjs';

// Old OpenBLAS settings of a machine would slow PyTorch down. JAX would take most of a GPU's memory for itself.
const { OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE, ...inherited } = process.env;
const environment = { ...inherited, XLA_PYTHON_CLIENT_PREALLOCATE: 'false' };

// To compile for a GPU, and to try out what is fastest there, takes a minute at worst.
const answerSecondsMax = 240;

const torch = { script: 'torch_round.py', needs: 'import torch' };
const jax = { script: 'jax_round.py', needs: 'import jax; jax.devices("cpu")' };
const torchOnGpu = { ...torch, needs: 'import torch; torch.func; assert torch.cuda.is_available()' };
const jaxOnGpu = { ...jax, needs: 'import jax; jax.devices("gpu")' };

const onThreads = (group, ...options) =>
  [1, 2].map((threads) => ({
    ...torch,
    group,
    name: `${group}, ${threads} thread${threads === 1 ? '' : 's'}`,
    options: ['--threads', threads, ...options],
  }));

/** Convolutions of the library, and as matrix products: which is faster depends on the number of workers. */
const bothConvolutions = (peer, group, ...options) => [
  { ...peer, group, name: group, options },
  { ...peer, group, name: `${group}, products`, options: [...options, '--convolution', 'products'], only: 'lenet5' },
];

const onGpu = ['--device', 'cuda'];

/** A row is a peer: its script, what Python must do, its options, and its group, whose fastest member counts. */
const table = {
  cpu: [
    ...onThreads('PyTorch', '--plain'),
    ...onThreads('PyTorch tuned by hand (channels last, workers on threads)').map((peer) => ({ ...peer, tuned: true })),
    { ...jax, group: 'JAX', name: 'JAX, vmap and jit, all cores', options: ['--convolution', 'products'] },
  ],
  gpu: [
    { ...torchOnGpu, group: 'PyTorch', name: 'PyTorch', options: onGpu },
    { ...torchOnGpu, group: 'PyTorch, CUDA graph', name: 'PyTorch, CUDA graph', options: [...onGpu, '--graph'] },
    ...bothConvolutions(torchOnGpu, 'PyTorch, vmap, CUDA graph', ...onGpu, '--vmap', '--graph'),
    ...bothConvolutions(jaxOnGpu, 'JAX, vmap and jit', ...onGpu),
  ],
};

const peersOn = (device, tuned) =>
  table[device === 'cpu' ? 'cpu' : 'gpu'].filter((peer) => tuned || peer.tuned === undefined);

/** The groups of a device but those tuned by hand. */
export const groupsOn = (device) => [...new Set(peersOn(device, false).map(({ group }) => group))];

const pythons = new Map();

/** A python3 of this machine that can do what a peer needs, if there is one. */
function pythonWhich(needs) {
  if (!pythons.has(needs)) {
    const works = (name) => spawnSync(name, ['-c', needs], { env: environment }).status === 0;
    pythons.set(needs, ['python3', '/usr/bin/python3'].find(works));
  }
  return pythons.get(needs);
}

/** The peers of a device that this machine has, warmed up, with those tuned by hand if `tuned`. */
export async function findPeers({ device, tuned = false, model = 'lenet5', workers = 4, warmup = 20 }) {
  const chosen = peersOn(device, tuned).filter(({ only = model }) => only === model);
  const common = ['--serve', '--model', model, '--workers', workers, '--warmup', warmup];
  const peers = chosen
    .filter(({ needs }) => pythonWhich(needs) !== undefined)
    .map((peer) => start({ ...peer, options: [...common, ...peer.options] }));
  // They load at the same time, and warm up one after the other: libraries try out there what is fastest.
  for (const peer of peers) peer.single = await peer.millisecondsPerIteration(1);
  return peers.filter(({ failed }) => !failed);
}

function start({ group, name, script, needs, options }) {
  const path = fileURLToPath(new URL(`peers/${script}`, import.meta.url));
  const child = spawn(pythonWhich(needs), [path, ...options.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: environment,
  });
  child.on('error', () => {}); // its output ends
  child.stdin.on('error', () => {}); // so here
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const peer = {
    group,
    name,
    failed: false,
    /** Infinity from when it ends, or takes too long. */
    millisecondsPerIteration: async (iterations) => {
      if (peer.failed) return Infinity;
      child.stdin.write(`${iterations}\n`);
      const late = setTimeout(1000 * answerSecondsMax, { done: true }, { ref: false });
      const { done, value } = await Promise.race([lines.next(), late]);
      if (!done) return JSON.parse(value).millisecondsPerIteration;
      peer.failed = true;
      child.kill('SIGKILL');
      progress(`${name} gave no answer, and is left out`);
      return Infinity;
    },
    stop: () => child.stdin.end(),
  };
  return peer;
}
