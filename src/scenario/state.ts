/**
 * The tensors of a run's state, by the names of the contract: `u/conv1/weight`, `z0/...`, `v0/...`; `v/...` is the
 * velocity of u in the methods where it has one.
 */
import type { ConsensusState } from '../../actors/consensus.js';
import { consensusName, workerName } from '../../actors/names.js';
import type { WorkerState } from '../../actors/worker.js';
import type { Layout } from '../compute/layout.js';
import { sizeOf } from '../compute/table.js';
import { BadInput } from '../conditions.js';
import type { Model } from '../learning/model.js';
import type { Stream } from '../kernel/streams.js';
import { valuesOf } from '../vector.js';
import type { NamedTensor, NamedTensors } from '../record/safetensors.js';

/** u, z_j and v_j, each `[P]`. */
export interface RunState {
  readonly u: Float32Array;
  /** The velocity of u. */
  readonly uv: Float32Array | undefined;
  readonly z: readonly Float32Array[];
  readonly v: readonly Float32Array[];
}

/** The most bytes that u, z_j and v_j may take: 16 GiB. */
const stateBytesMax = 17_179_869_184;

/** Throws BadInput where the state of `workers` workers would not fit. */
export function checkStateSize({ count }: Layout, workers: number): void {
  const bytes = 4 * count * (2 * workers + 1);
  if (bytes <= stateBytesMax) return;
  const [parameters, needed, limit] = [count, bytes, stateBytesMax].map((number) => number.toLocaleString('en-US'));
  throw new BadInput(
    `with ${parameters!} parameters, u, z_j and v_j of ${workers} workers take ${needed!} bytes, the limit is ${limit!}`,
    { path: ['model'], remedy: 'choose a smaller model or fewer workers' },
  );
}

/** All start at one point, at rest. */
export function initialState(start: Float32Array, workers: number, consensusMomentum: boolean): RunState {
  const z = Array.from({ length: workers }, () => start);
  return {
    u: start,
    uv: consensusMomentum ? new Float32Array(start.length) : undefined,
    z,
    v: z.map(({ length }) => new Float32Array(length)),
  };
}

/** What the actors hold: u of the consensus node, and each worker's last completed step. */
export async function stateOf(states: ReadonlyMap<string, unknown>, workers: number): Promise<RunState> {
  const held = Array.from({ length: workers }, (_, worker) => states.get(workerName(worker)) as WorkerState);
  const { u, v: uv } = states.get(consensusName) as ConsensusState;
  return {
    u: await valuesOf(u),
    uv: uv && (await valuesOf(uv)),
    z: await Promise.all(held.map(({ z }) => valuesOf(z))),
    v: await Promise.all(held.map(({ v }) => valuesOf(v))),
  };
}

/** The state as named tensors: u first, then z_j and v_j of each worker. */
export function nameTensors({ u, uv, z, v }: RunState, layout: Layout): NamedTensors {
  const vectors: [string, Float32Array][] = [
    ['u', u],
    ...(uv === undefined ? [] : [['v', uv] satisfies [string, Float32Array]]),
    ...z.flatMap((zj, worker): [string, Float32Array][] => [
      [`z${worker}`, zj],
      [`v${worker}`, v[worker]!],
    ]),
  ];
  return Object.fromEntries(
    vectors.flatMap(([prefix, flat]) =>
      layout.parameters.map(({ name, shape, offset }): [string, NamedTensor] => [
        `${prefix}/${name}`,
        { shape, values: flat.subarray(offset, offset + sizeOf(shape)) },
      ]),
    ),
  );
}

/** First values: uniform in +-1/sqrt(fanIn), parameter after parameter, from one stream. */
export function drawStart({ parameters }: Model, layout: Layout, stream: Stream): Float32Array {
  const start = new Float32Array(layout.count);
  parameters.forEach(({ fanIn }, index) => {
    const bound = 1 / Math.sqrt(fanIn);
    const { offset, shape } = layout.parameters[index]!;
    for (let place = 0; place < sizeOf(shape); place += 1) start[offset + place] = (2 * stream.double() - 1) * bound;
  });
  return start;
}

/** u as `tensors` of `file` hold it, under `u/<layer>/<name>` or `<layer>/<name>`. */
export function readStart(tensors: NamedTensors, layout: Layout, file: string): Float32Array {
  const start = new Float32Array(layout.count);
  for (const { name, shape, offset } of layout.parameters) {
    const tensor = tensors[`u/${name}`] ?? tensors[name];
    if (tensor?.shape.join() !== shape.join()) {
      const found = tensor === undefined ? 'has no such tensor' : `has it with the shape [${tensor.shape.join(', ')}]`;
      throw new BadInput(`the model needs u/${name} of shape [${shape.join(', ')}], and ${file} ${found}`, {
        path: ['initial'],
        remedy: 'give a file written by a run of the same model, such as final.safetensors',
      });
    }
    start.set(tensor.values, offset);
  }
  return start;
}
