/** The search that keeps differences where a potential is finite, against what it promises, in float64. */
import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openRunner } from '../../src/compute/engines.js';
import { layersOf, layoutOf, type Layout } from '../../src/compute/layout.js';
import type { TensorFunction } from '../../src/compute/tensorFunction.js';
import { drawNormals } from '../../src/kernel/draws.js';
import { drawIndex, Streams } from '../../src/kernel/streams.js';
import { countOutside, feasibleShare, isBounded, pullInside, type Penalty } from '../../src/optimization/penalty.js';
import { potentials } from '../../src/optimization/potentials.js';

type Row = readonly number[];

// Three layers, one of a single number; weight and bias of the first belong together.
const layout = layoutOf([
  { name: 'first/weight', shape: [3] },
  { name: 'first/bias', shape: [2] },
  { name: 'second/weight', shape: [1] },
  { name: 'third/weight', shape: [6] },
]);
const layers = layersOf(layout);
const workers = 3;

/** A domain, as ALGORITHMS 1.5 says it. */
interface Domain {
  readonly name: string;
  readonly penalty: Penalty;
  /** The radius of differences. */
  readonly rho: number;
  /** How far out a layer is. */
  readonly size: (layer: Row) => number;
}

const length = (layer: Row): number => Math.sqrt(layer.reduce((sum, value) => sum + value * value, 0));
const largest = (layer: Row): number => layer.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const pole = Math.sqrt(Math.PI / 2);

const domains: readonly Domain[] = [
  { name: 'log', penalty: { potential: potentials.log.build(), eta: 1, layout }, rho: 1, size: length },
  { name: 'tan', penalty: { potential: potentials.tan.build(), eta: 0.01, layout }, rho: 0.01 * pole, size: length },
  { name: 'log-sep', penalty: { potential: potentials['log-sep'].build(), eta: 2, layout }, rho: 2, size: largest },
  {
    name: 'tan-sep',
    penalty: { potential: potentials['tan-sep'].build(), eta: 0.5, layout },
    rho: 0.5 * pole,
    size: largest,
  },
];

/** Where the search stops short of rho, and how far of the way there a move may go. */
const [inner, most] = [0.999, 0.95];

const layersOfRow = (row: Row, of: Layout = layout): Row[] =>
  layersOf(of).map(({ offset, size }) => row.slice(offset, offset + size));
const rowsOf = (values: ArrayLike<number>, { count }: Layout = layout): Row[] =>
  Array.from({ length: values.length / count }, (_, row) =>
    Array.from({ length: count }, (__, index) => values[row * count + index]!),
  );
const float32 = (values: Row): number[] => [...Float32Array.from(values)];

/** How far out the furthest layer of any row is after the share `s` of the move, in float64. */
function reach({ size }: Domain, a: readonly Row[], d: readonly Row[], s: number): number {
  const sizes = a.flatMap((row, worker) => {
    const move = d[d.length === 1 ? 0 : worker]!;
    return layersOfRow(row.map((value, index) => value + s * move[index]!)).map(size);
  });
  return Math.max(...sizes);
}

const stream = new Streams(7).stream('test', 'domain');
const normals = (count: number): number[] => [...drawNormals(stream, count)];
const oneOf = <Value>(values: readonly Value[]): Value => values[drawIndex(stream, values.length)]!;

/** A row whose layers are `outs` times as far out as the inner radius. */
function rowAt({ rho, size }: Domain, outs: () => number): number[] {
  return layersOfRow(normals(layout.count)).flatMap((layer) => {
    const factor = (outs() * inner * rho) / size(layer);
    return float32(layer.map((value) => factor * value));
  });
}

/** Differences anywhere inside, many of them 1e-1 to 1e-8 from the inner radius. */
function anyInside(domain: Domain): Row[] {
  const out = (): number => oneOf([() => stream.double(), () => 1 - 10 ** (-8 * stream.double()), () => 0])();
  return Array.from({ length: workers }, () => rowAt(domain, out));
}

/** Moves of 1e-6 to 1e6, some straight out or in, some of which leave layers where they are. */
function anyMove(a: readonly Row[]): Row[] {
  const all = oneOf([true, false]);
  return Array.from({ length: all ? 1 : workers }, (_, worker) => {
    const scale = 10 ** (12 * stream.double() - 6);
    const direction = oneOf([
      () => normals(layout.count),
      () => a[worker]!,
      () => a[worker]!.map((value) => -value),
      () => layersOfRow(normals(layout.count)).flatMap((layer) => layer.map((value) => oneOf([0, 1]) * value)),
      () => normals(layout.count).map((value, index) => (index < layers[0]!.size ? value : 0)),
    ])();
    return float32(direction.map((value) => scale * value));
  });
}

const input = (rows: 1 | null) => ({ shape: [rows, layout.count], dtype: 'float32' }) as const;

const shareFunction = (penalty: Penalty): TensorFunction => ({
  name: 'share',
  inputs: { a: input(null), d: { shape: [null, penalty.layout.count], dtype: 'float32' } },
  evaluate: ({ a, d }) => ({ share: feasibleShare(penalty, a as tf.Tensor2D, d as tf.Tensor2D) }),
});

const pullFunction = (penalty: Penalty): TensorFunction => ({
  name: 'pull',
  inputs: { w: input(null) },
  evaluate: ({ w }) => ({ ...pullInside(penalty, w as tf.Tensor2D), outside: countOutside(penalty, w as tf.Tensor2D) }),
});

const open = (runner: string) => openRunner({ runner, device: 'cpu', threads: 1 }, {});
const flat = (rows: readonly Row[]): Float32Array => Float32Array.from(rows.flat());

describe.each([
  // TensorFlow.js in plain JavaScript is slow.
  { runner: 'eager', cases: 25 },
  { runner: 'onnx', cases: 2500 },
])('on $runner', async ({ runner, cases }) => {
  const engine = await open(runner);

  describe.each(domains)('within the domain of $name', (domain) => {
    const { penalty, rho, size } = domain;
    const searching = shareFunction(penalty);
    const pulling = pullFunction(penalty);

    async function shareOf(a: readonly Row[], d: readonly Row[]): Promise<number> {
      const { share } = await engine.call(searching, { a: flat(a), d: flat(d) });
      expect(share).toHaveLength(1);
      return share![0]!;
    }

    it(`no move of ${cases} leaves the domain, and none is shorter than it must be`, async () => {
      // What float32 may do to the distance from the radius, and to the share itself.
      const [distance, relative] = [1e-6, 1e-5];
      let shortened = 0;
      for (let index = 0; index < cases; index += 1) {
        const a = anyInside(domain);
        const d = anyMove(a);
        const share = await shareOf(a, d);
        // 1/0.95 of a share is s_max or less; if it is less than the whole, twice as much is more than s_max.
        const far = reach(domain, a, d, share / most) / (inner * rho);
        const further = reach(domain, a, d, ((1 + relative) * 2 * share) / most) / (inner * rho);
        const right = share >= 0 && share <= 1 && far <= 1 + distance && (share === 1 || further >= 1 - distance);
        if (!right) expect.fail(`the share ${share} of ${JSON.stringify({ a, d })} reaches ${far}`);
        if (reach(domain, a, d, share) >= rho) expect.fail(`${JSON.stringify({ a, d })} leaves the domain`);
        if (share < 1) shortened += 1;
      }
      expect(shortened / cases).toBeGreaterThan(0.3);
    });

    it('no move at all, and one too small to square, are taken whole', async () => {
      const a = anyInside(domain);
      expect(await shareOf(a, [normals(layout.count).map(() => 0)])).toBe(1);
      expect(await shareOf(a, [normals(layout.count).map(() => 1e-30)])).toBe(1);
      expect(await shareOf([normals(layout.count).map(() => 0)], [normals(layout.count).map(() => 0)])).toBe(1);
    });

    it('a move from the boundary goes inwards only', async () => {
      const a = [rowAt(domain, () => 1)];
      const inwards = a[0]!.map((value) => -value);
      expect(await shareOf(a, a)).toBeLessThan(1e-5);
      // As far as the other side.
      expect(await shareOf(a, [inwards])).toBe(1);
      expect(await shareOf(a, [inwards.map((value) => 4 * value)])).toBeCloseTo(1 / 4, 5);
      // What is already beyond the inner radius does not go on, and may come back.
      const beyond = [rowAt(domain, () => 1.0005)];
      const outwards = await shareOf(beyond, beyond);
      expect(outwards).toBeGreaterThanOrEqual(0);
      expect(outwards).toBeLessThan(1e-9);
      expect(await shareOf(beyond, [beyond[0]!.map((value) => -value)])).toBe(1);
    });

    it('what is outside is pulled inside, and all else stays as it is, to the bit', async () => {
      for (let index = 0; index < 50; index += 1) {
        const outs = (): number => oneOf([0, 0.5, 0.9999, 1.0001, 1.5, 1e6]);
        const given = Array.from({ length: workers }, () => rowAt(domain, outs));
        const { kept, differences, count } = await engine.call(pulling, { w: flat(given) });
        const [keptRows, pulled] = [rowsOf(kept!), rowsOf(differences!)];
        let rowsPulled = 0;
        given.forEach((row, worker) => {
          if (layersOfRow(row).some((layer) => size(layer) > inner * rho)) rowsPulled += 1;
          layersOfRow(row).forEach((layer, at) => {
            const mask = layersOfRow(keptRows[worker]!)[at]!;
            const after = layersOfRow(pulled[worker]!)[at]!;
            const outside = size(layer) > inner * rho;
            // A ball moves a layer as a whole, a box its coordinates.
            const moves = layer.map((value) => (size === length ? outside : Math.abs(value) > inner * rho));
            expect(mask).toEqual(moves.map((move) => (move ? 0 : 1)));
            layer.forEach((value, place) => {
              const rest = most * inner * rho * (size === length ? value / length(layer) : Math.sign(value));
              if (moves[place]!) expect(after[place]! / rho).toBeCloseTo(rest / rho, 5);
              else expect(after[place]).toBe(value);
            });
          });
        });
        expect(count![0]).toBe(rowsPulled);
      }
    });

    it('layers are outside from rho on, not from the inner radius', async () => {
      const w = [rowAt(domain, () => 0.5), rowAt(domain, () => 1.0005), rowAt(domain, () => 1.002)];
      const { count, outside } = await engine.call(pulling, { w: flat(w) });
      expect(count![0]).toBe(2);
      expect(outside![0]).toBe(1);
    });

    it('NaN is left alone and counts as inside', async () => {
      const [first, ...others] = Array.from({ length: workers }, () => rowAt(domain, () => 0.5));
      const w = [first!.map((value, index) => (index === 2 ? NaN : value)), ...others];
      const { kept, differences, count, outside } = await engine.call(pulling, { w: flat(w) });
      expect([...kept!]).toEqual(w.flat().map(() => 1));
      expect([...differences!]).toEqual(w.flat());
      expect([count![0], outside![0]]).toEqual([0, 0]);
    });
  });

  it.each(['quad', 'cubic'] as const)(
    'nothing is outside the domain of %s, and all of a move is taken',
    async (name) => {
      const potential = name === 'quad' ? potentials.quad.build() : potentials.cubic.build({ quadratic: 0 });
      const penalty = { potential, eta: 1, layout };
      expect(isBounded(penalty)).toBe(false);
      const w = [normals(layout.count).map((value) => 1e6 * value)];
      const { kept, differences, count, outside } = await engine.call(pullFunction(penalty), { w: flat(w) });
      expect([...kept!]).toEqual(w[0]!.map(() => 1));
      expect([...differences!]).toEqual(float32(w[0]!));
      expect([count![0], outside![0]]).toEqual([0, 0]);
      const { share } = await engine.call(shareFunction(penalty), { a: flat(w), d: flat(w) });
      expect([...share!]).toEqual([1]);
    },
  );
});

describe('a layer of 100,000 numbers', () => {
  const large = layoutOf([{ name: 'only/weight', shape: [100_000] }]);

  it.each([1, 1e-4])('stays inside a ball of radius %f, step after step', async (eta) => {
    const engine = await open('onnx');
    const penalty = { potential: potentials.log.build(), eta, layout: large };
    expect(isBounded(penalty)).toBe(true);
    const searching = { ...shareFunction(penalty), inputs: { a: row(large), d: row(large) } };
    let a = new Float32Array(large.count);
    for (let step = 0; step < 8; step += 1) {
      const d = Float32Array.from({ length: large.count }, (_, index) => Math.sin(index + step));
      const { share } = await engine.call(searching, { a, d });
      a = a.map((value, index) => value + share![0]! * d[index]!);
      expect(euclidean(a)).toBeLessThan(eta * inner * (1 + 1e-6));
      // The first step goes 0.95 of the way to the boundary, or half as far.
      if (step === 0) expect(euclidean(a)).toBeGreaterThan(0.47 * eta);
    }
  });
});

const row = ({ count }: Layout) => ({ shape: [1, count], dtype: 'float32' }) as const;

function euclidean(values: Float32Array): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}
