/**
 * Makes straggler-linux-x64.tar.xz: all that runs on a Linux machine without Node, npm and network. It has the Node
 * binary that runs this, the built project, the libraries that it needs at run time, MNIST and the scenarios.
 * A Vulkan loader that the machine lacks can be put beside: libvulkan.so.1 in a folder `lib`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const archive = resolve(process.argv[2] ?? join(root, 'straggler-linux-x64.tar.xz'));
const megabytesMax = 60;

/** A program that runs with the Node binary beside it. */
const launcher = (what, command) => `#!/bin/sh
# ${what}
here=$(cd "$(dirname "$0")" && pwd)
[ -d "$here/lib" ] && export LD_LIBRARY_PATH="$here/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/node" ${command} "$@"
`;

const launchers = {
  straggler: launcher('The command line.', '"$here/bin/straggler.mjs"'),
  benchmark: launcher(
    'Measures a device beside PyTorch and JAX: ./benchmark --device webgpu',
    '--expose-gc --heap-growing-percent=400 "$here/bench/bench.mjs"',
  ),
};

/** What is left out of libraries: other platforms, other builds of the same code, and what only people read. */
const unused = [
  /onnxruntime-node\/bin\/napi-v6\/(?!linux(\/x64)?(\/|$))/,
  /onnxruntime-node\/bin\/napi-v6\/linux\/(?!x64)/,
  /@tensorflow\/[^/]+\/(?!package\.json|dist$|dist\/[^/]+\.(node\.js|wasm)$)/,
  /\.(map|md|html|ts|mts|cts|tsbuildinfo)$/,
  /node_modules\/@(types|webgpu)\//,
];

const isUsed = (path) => !unused.some((pattern) => pattern.test(relative(root, path)));

/** The folders of the libraries that are needed at run time. */
function libraries() {
  const list = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root, encoding: 'utf8' });
  return list.split('\n').filter((path) => path.includes('/node_modules/'));
}

/** Unpacks the archive and runs from it, with nothing else to be found. */
function tryOut(directory) {
  execFileSync('tar', ['-C', directory, '-xJf', archive]);
  const run = (...args) => {
    const env = { PATH: '/usr/bin:/bin', HOME: directory };
    execFileSync(join(directory, 'straggler', 'straggler'), args, { cwd: directory, env, stdio: 'pipe' });
  };
  run('doctor');
  run('run', 'mnist-sync', '--set', 'stop.iterations=2', '--set', 'monitor.measures=[gap]', '--out', 'run');
}

function main() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `a bundle is made on linux-x64, whose libraries it takes, not on ${process.platform}-${process.arch}`,
    );
  }
  const staging = mkdtempSync(join(tmpdir(), 'straggler-bundle-'));
  const bundle = join(staging, 'straggler');
  try {
    mkdirSync(bundle);
    for (const name of ['bin', 'dist', 'schema', 'scenarios', 'bench', 'package.json']) {
      cpSync(join(root, name), join(bundle, name), { recursive: true });
    }
    for (const path of libraries()) {
      cpSync(path, join(bundle, relative(root, path)), { recursive: true, filter: isUsed });
    }
    cpSync(process.execPath, join(bundle, 'node'));
    for (const [name, script] of Object.entries(launchers)) {
      writeFileSync(join(bundle, name), script, { mode: 0o755 });
    }
    console.log('compressing; this takes a minute or two');
    execFileSync('tar', ['-C', staging, '-cJf', archive, 'straggler'], { env: { ...process.env, XZ_OPT: '-T0' } });
    rmSync(bundle, { recursive: true });
    tryOut(staging);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  const megabytes = statSync(archive).size / 1e6;
  if (megabytes > megabytesMax) throw new Error(`${archive} has ${megabytes.toFixed(1)} MB, more than ${megabytesMax}`);
  console.log(`${basename(archive)}: ${megabytes.toFixed(1)} MB; unpack it, and run ./straggler/straggler doctor`);
}

main();
