/** Programs to compare with, each in a process that waits for numbers of iterations on its standard input. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('peers/torch_round.py', import.meta.url));

// Old OpenBLAS settings of a machine would slow the peer down.
const { OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE, ...environment } = process.env;

const variants = [
  { group: 'PyTorch', options: ['--plain'] },
  { group: 'PyTorch tuned by hand (channels last, workers on threads)', options: [] },
];

/** PyTorch with one and two threads, where a python3 of this machine can import it; `more` are options of the script. */
export async function findPeers({ groups = variants.map(({ group }) => group), more = [] } = {}) {
  const python = ['python3', '/usr/bin/python3'].find(
    (name) => spawnSync(name, ['-c', 'import torch'], { env: environment }).status === 0,
  );
  if (python === undefined) return [];
  const chosen = variants.filter(({ group }) => groups.includes(group));
  const peers = chosen.flatMap(({ group, options }) =>
    [1, 2].map((threads) => {
      const peer = spawn(python, [script, '--serve', '--threads', String(threads), ...options, ...more], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: environment,
      });
      const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
      return {
        group,
        name: `${group}, ${threads} thread${threads === 1 ? '' : 's'}`,
        millisecondsPerIteration: async (iterations) => {
          peer.stdin.write(`${iterations}\n`);
          return JSON.parse((await lines.next()).value).millisecondsPerIteration;
        },
        stop: () => peer.stdin.end(),
      };
    }),
  );
  // Each has loaded its data and warmed up before anything is measured.
  for (const peer of peers) await peer.millisecondsPerIteration(1);
  return peers;
}
