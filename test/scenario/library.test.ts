import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  ball,
  defineScenario,
  everywhere,
  loadScenario,
  prepare,
  simulate,
  type DatasetRow,
  type Extensions,
  type LoggedEvent,
  type ModelRow,
  type PotentialRow,
  type ScenarioInput,
} from '../../src/index.js';
import { sampleSet, tableOf } from '../../src/learning/sampleSet.js';
import { encodeScenario } from '../../src/scenario/scenario.js';
import { folder, refusal } from './refused.js';

const { path: home, write } = folder();

const small: ScenarioInput = {
  seed: 7,
  data: { dataset: 'quadratic', dimension: 4 },
  workers: 3,
  algorithm: { lambda: 1, workerStep: 0.1, quorum: 1 },
  network: { stepTime: { distribution: 'exponential', mean: '10ms' }, latency: '2ms', bandwidth: '1Gbit/s' },
  stop: { iterations: 12 },
};
const digestsOf = async (input: ScenarioInput, set: readonly string[] = []) =>
  (await simulate(defineScenario(input, { set })).result).digests;

describe('defineScenario', () => {
  it('fills in every default, with quantities as numbers', () => {
    const { settings } = defineScenario({
      data: { dataset: 'quadratic' },
      stop: { virtualTime: '3s' },
      network: { latency: '2ms' },
    });
    expect(settings).toMatchObject({
      name: 'scenario',
      seed: 0,
      workers: 4,
      data: { dataset: 'quadratic', dimension: 10 },
      algorithm: {
        method: 'alternating',
        quorum: 'all',
        combine: 'latest',
        localSteps: 1,
        staleness: { max: 'unbounded' },
      },
      network: { stepTime: 0, latency: 2_000_000, bandwidth: 'unlimited', stragglers: [] },
      stop: { virtualTime: 3_000_000_000 },
      engine: { runner: 'onnx', device: 'cpu', threads: 'auto' },
    });
  });

  it('names the key of a fault, and no line: a value has none', async () => {
    const input = { ...small, algorithm: { lambda: 0 } };
    expect(await refusal(() => defineScenario(input), home)).toBe(
      'scenario: algorithm.lambda: expected a number above 0, not 0',
    );
    expect(await refusal(() => defineScenario(input, { called: 'study 3' }), home)).toMatch(
      /^study 3: algorithm\.lambda: /,
    );
  });

  it('reads files relative to the directory that it is given', async () => {
    write('t.csv', 'a,y\n1,0\n2,1\n');
    const input: ScenarioInput = {
      data: { dataset: 'csv', path: 't.csv', label: 'y', batchSize: 1 },
      stop: { steps: 1 },
    };
    const run = await prepare(defineScenario(input, { directory: home }));
    expect(run.start.sets['train']!.count).toBe(2);
    await run.close();
    expect(await refusal(() => prepare(defineScenario(input, { directory: dirname(home) })), dirname(home))).toMatch(
      /^scenario: data\.path: ~\/t\.csv does not exist/,
    );
  });

  it('one object may stand in many places', () => {
    const straggler = { workers: [0], slowdown: 1.001 };
    const stragglers = Array.from({ length: 200 }, () => straggler);
    expect(defineScenario({ ...small, network: { stragglers } }).settings.network.stragglers).toHaveLength(200);
  });
});

describe('loadScenario', () => {
  it('calls a scenario without a name after its file', () => {
    const text = 'data: { dataset: quadratic }\nstop: { iterations: 1 }\n';
    expect(loadScenario(write('my study.yaml', text)).settings.name).toBe('my-study');
    expect(loadScenario(write('other.json', text)).settings.name).toBe('other');
  });

  it('reads files relative to the scenario file', async () => {
    write('near.csv', 'a,y\n1,0\n2,1\n');
    const path = write(
      'near.yaml',
      'data: { dataset: csv, path: near.csv, label: y, batchSize: 1 }\nstop: { steps: 1 }\n',
    );
    const run = await prepare(loadScenario(path));
    expect(run.start.sets['train']!.count).toBe(2);
    await run.close();
  });
});

describe('a resolved scenario', () => {
  it('is a scenario that parses to the same settings, whatever its quantities are', () => {
    const time = fc.oneof(
      fc.maxSafeNat().map((ns) => `${ns}ns`),
      fc.record({ distribution: fc.constant('uniform'), minimum: fc.nat(999).map((us) => `${us}us`), maximum: fc.integer({ min: 1, max: 99 }).map((ms) => `${ms}ms`) }),
      fc.record({ distribution: fc.constant('lognormal'), median: fc.maxSafeNat().map((ns) => `${ns / 1000}us`), sigma: fc.double({ min: 0, max: 3, noNaN: true }) }),
    ); // prettier-ignore
    const input = fc.record({
      data: fc.constantFrom({ dataset: 'quadratic' }, { dataset: 'logistic', partition: { kind: 'dirichlet', alpha: 0.3 } }, { dataset: 'mnist', batchSize: 'full' as const }),
      workers: fc.integer({ min: 2, max: 9 }),
      algorithm: fc.record({ lambda: fc.double({ min: 1e-9, max: 1e9, noNaN: true }), quorum: fc.constantFrom('all', 1, 2), workerStep: fc.constantFrom(0.1, { schedule: 'inverse-sqrt', value: 1 }) }),
      network: fc.record({ stepTime: time, latency: time, bandwidth: fc.double({ min: 1e-3, max: 1e9, noNaN: true }).map((mb) => `${mb}MB/s`) }),
      stop: fc.record({ iterations: fc.integer({ min: 1 }), virtualTime: fc.integer({ min: 1 }).map((ms) => `${ms}ms`) }),
    }); // prettier-ignore
    fc.assert(
      fc.property(input, (written) => {
        const scenario = defineScenario(written as ScenarioInput);
        const resolved = encodeScenario(scenario);
        expect(defineScenario(resolved).settings).toEqual(scenario.settings);
        expect(encodeScenario(defineScenario(resolved))).toEqual(resolved);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('of a run gives the same digests, and with another seed others', async () => {
    const run = await prepare(defineScenario(small));
    const { digests } = await run.toEnd();
    const { scenario } = run.start;
    expect(scenario).toMatchObject({ model: 'vector', loss: 'squared-error', data: { batchSize: 'full' } });
    expect(await digestsOf(JSON.parse(JSON.stringify(scenario)) as ScenarioInput)).toEqual(digests);
    const other = await digestsOf({ ...scenario, seed: 8 });
    expect(other.events).not.toBe(digests.events);
    expect(other.state).not.toBe(digests.state);
  });
});

describe('simulate', () => {
  it('gives events and measurements as they come, then completes; their digest is that of the lines', async () => {
    const { events$, measurements$, result } = simulate(defineScenario(small));
    const [events, measurements, { digests, counts, status, reason }] = await Promise.all([
      lastValueFrom(events$.pipe(toArray())),
      lastValueFrom(measurements$.pipe(toArray())),
      result,
    ]);
    expect(
      createHash('sha256')
        .update(events.map(({ line }) => line).join(''))
        .digest('hex'),
    ).toBe(digests.events);
    expect(counts.events).toBe(events.length);
    expect(counts.moves).toBe(12);
    expect(events.filter(({ kind }) => kind === 'step')).toHaveLength(counts.steps);
    expect({ status, reason }).toEqual({ status: 'completed', reason: 'move' });
    expect(new Set(measurements.map(({ iteration }) => iteration))).toEqual(new Set([0, 12]));
  });

  it('takes one thread or two for the same bits', async () => {
    expect(await digestsOf(small, ['engine.threads=2'])).toEqual(await digestsOf(small, ['engine.threads=1']));
  });

  it('measures do not change a run', async () => {
    const monitor: ScenarioInput['monitor'] = {
      every: { iterations: 1 },
      measures: ['gap', 'optimality_gap', 'bytes_sent'],
    };
    expect(await digestsOf({ ...small, monitor })).toEqual(await digestsOf({ ...small, monitor: { measures: [] } }));
  });

  it('an aborted signal ends the run between two events, with the state so far', async () => {
    const controller = new AbortController();
    const { events$, result } = simulate(defineScenario({ ...small, stop: { iterations: 1_000_000 } }), {
      signal: controller.signal,
    });
    const seen: LoggedEvent[] = [];
    events$.subscribe((event) => {
      seen.push(event);
      if (seen.length === 20) controller.abort();
    });
    const interrupted = await result;
    expect(interrupted).toMatchObject({ status: 'interrupted', counts: { events: 20 } });
    const again = await simulate(defineScenario({ ...small, stop: { iterations: 1_000_000 } }), { events: 20 }).result;
    expect(again.digests).toEqual(interrupted.digests);
  });

  it('a scenario that cannot run rejects the result, and the observables complete', async () => {
    const { events$, measurements$, result } = simulate(defineScenario({ ...small, loss: 'cross-entropy' }));
    const all = Promise.all([lastValueFrom(events$.pipe(toArray())), lastValueFrom(measurements$.pipe(toArray()))]);
    expect(await refusal(() => result, home)).toMatch(/^scenario: loss: the loss cross-entropy needs classes/);
    expect(await all).toEqual([[], []]);
  });
});

/** y = slope x + 1 at four places. */
const line: DatasetRow<z.ZodObject<{ slope: z.ZodNumber }>> = {
  description: 'points on a line',
  options: z.object({ slope: z.number().describe('The slope of the line') }),
  load: async ({ slope }) => {
    const x = [-1, 0, 1, 2];
    return {
      train: sampleSet(
        tableOf(Float32Array.from(x), [1]),
        tableOf(Float32Array.from(x.map((value) => slope * value + 1)), [1]),
      ),
      outputs: 1,
      classification: false,
      defaults: { loss: 'squared-error', model: 'affine', batchSize: 'full' },
    };
  },
};

const affine: ModelRow = {
  description: 'a x + b',
  options: z.object({}),
  build: () => ({
    parameters: [
      { name: 'affine/a', shape: [1, 1], fanIn: 1 },
      { name: 'affine/b', shape: [1], fanIn: 1 },
    ],
    apply: ([a, b], inputs) => inputs.matMul(a!).add(b!),
  }),
};

describe('rows of one’s own', () => {
  const extensions: Extensions = { models: { affine }, datasets: { line } };
  const input: ScenarioInput = {
    data: { dataset: 'line', slope: 3 },
    workers: 2,
    algorithm: { lambda: 0.5, workerStep: 0.2, consensusStep: 0.2 },
    stop: { iterations: 300 },
  };

  it('a dataset and a model are used by name, and learn the line', async () => {
    const { final, status } = await simulate(defineScenario(input, { extensions })).result;
    expect(status).toBe('completed');
    expect(final.tensors['u/affine/a']!.shape).toEqual([1, 1]);
    expect(final.tensors['u/affine/a']!.values[0]).toBeCloseTo(3, 3);
    expect(final.tensors['u/affine/b']!.values[0]).toBeCloseTo(1, 3);
  });

  it('their keys are checked, and their names are near misses like any others', async () => {
    const said = (changed: object): Promise<string> =>
      refusal(() => defineScenario({ ...input, ...changed }, { extensions }), home);
    expect(await said({ data: { dataset: 'line', slop: 3 } })).toBe(
      'scenario: data.slop: unknown key; did you mean slope?',
    );
    expect(await said({ model: 'afine' })).toBe(
      'scenario: model: expected one of lenet5, mlp, softmax, vector, affine, or { kind: ... }, not "afine"; did you mean affine?',
    );
    expect(await refusal(() => defineScenario(input), home)).toBe(
      'scenario: data.dataset: expected one of mnist, idx, csv, libsvm, quadratic, logistic, not "line"',
    );
  });

  it('a model that reads its tensors is refused before the run begins', async () => {
    const peeking: ModelRow = {
      ...affine,
      build: (options, context) => {
        const { parameters } = affine.build(options, context);
        return { parameters, apply: ([a, b], inputs) => inputs.matMul(a!).add(b!).mul(a!.dataSync()[0]!) };
      },
    };
    const scenario = defineScenario(
      { ...input, model: 'peeking' },
      { extensions: { ...extensions, models: { affine, peeking } } },
    );
    expect(await refusal(() => prepare(scenario), home)).toMatch(
      /^scenario: model: a traced function read the value of a tensor, which is not known while it is compiled\n/,
    );
  });
});

describe('a potential of one’s own', () => {
  /** weight ||x||^2: with weight 2 it pulls as quad does with half the lambda. */
  const weighted: PotentialRow<{ weight: number }> = {
    description: 'a weighted square',
    options: z.object({ weight: z.number().positive().default(1).describe('The weight') }),
    build: ({ weight }) => ({
      value: (x) => x.square().sum<tf.Tensor1D>(1).mul(weight),
      gradient: (x) => x.mul(2 * weight),
      curvature: 2 * weight,
      domain: everywhere,
      elementwise: true,
    }),
  };
  const extensions: Extensions = { potentials: { weighted } };
  const input = (algorithm: object): ScenarioInput => ({
    data: { dataset: 'quadratic', dimension: 3 },
    algorithm: { consensusScaling: 'scaled', workerStep: 0.1, consensusStep: 0.05, ...algorithm },
    monitor: { measures: ['penalty_force', 'envelope_gradient'], envelope: { tolerance: 1e-5 } },
    stop: { iterations: 30 },
  });

  it('is used by name, with its keys, in the steps and in the measures', async () => {
    const finals = await Promise.all(
      [{ lambda: 1, potential: { kind: 'weighted', weight: 2 } }, { lambda: 0.5 }].map(async (algorithm) => {
        const { measurements$, result } = simulate(defineScenario(input(algorithm), { extensions }));
        const values: number[] = [];
        measurements$.subscribe(({ value }) => values.push(value));
        const { final } = await result;
        return [...values, ...Object.values(final.tensors).flatMap(({ values: each }) => [...each])];
      }),
    );
    expect(finals[0]!.length).toBeGreaterThan(20);
    finals[0]!.forEach((value, index) => {
      expect(value).toBeCloseTo(finals[1]![index]!, 5);
    });
  });

  it('is refused where its domain excludes the start, u = z_j', async () => {
    const barrier: PotentialRow = {
      description: 'finite away from 0 only',
      options: z.object({}),
      build: () => ({
        value: (x) => x.abs().log().neg().sum(1),
        gradient: (x) => x.reciprocal().neg(),
        curvature: Infinity,
        domain: everywhere,
        elementwise: true,
      }),
    };
    const nowhere: PotentialRow = {
      ...weighted,
      build: () => ({ ...weighted.build({ weight: 1 }), domain: ball(0) }),
    };
    for (const potential of [barrier, nowhere]) {
      const scenario = defineScenario(input({ potential: 'own' }), { extensions: { potentials: { own: potential } } });
      expect(await refusal(() => prepare(scenario), home)).toBe(
        'scenario: algorithm.potential: the potential is not finite at 0, where a run starts: u = z_j\n' +
          '  choose one whose domain contains 0, such as quad, and lambda and eta within the range of float32',
      );
    }
  });
});

describe('the state', () => {
  it('of LeNet-5 has the names and shapes of the contract, for u, each z_j and each v_j', async () => {
    const image = Array.from({ length: 2 * 28 * 28 }, (_, index) => index % 256);
    write('images', Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28, ...image]));
    write('labels', Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 9, 1));
    const run = await prepare(
      defineScenario(
        {
          data: {
            dataset: 'idx',
            trainImages: 'images',
            trainLabels: 'labels',
            batchSize: 1,
            partition: { kind: 'iid' },
          },
          workers: 2,
          stop: { iterations: 1 },
        },
        { directory: home },
      ),
    );
    await run.close();
    const shapes = {
      'conv1/weight': [5, 5, 1, 20],
      'conv1/bias': [20],
      'conv2/weight': [5, 5, 20, 50],
      'conv2/bias': [50],
      'dense/weight': [800, 10],
      'dense/bias': [10],
    };
    const expected = ['u', 'z0', 'v0', 'z1', 'v1'].flatMap((vector) =>
      Object.entries(shapes).map(([name, shape]) => [`${vector}/${name}`, shape]),
    );
    expect(Object.entries(run.start.initial).map(([name, { shape }]) => [name, shape])).toEqual(expected);
    // 520 + 25,050 + 8,010 parameters.
    expect(run.start.parameters.count).toBe(33_580);
    expect(run.start.parameters.layout.map(({ name, offset }) => [name, offset])).toEqual([
      ['conv1/weight', 0],
      ['conv1/bias', 500],
      ['conv2/weight', 520],
      ['conv2/bias', 25_520],
      ['dense/weight', 25_570],
      ['dense/bias', 33_570],
    ]);
    expect(run.start.assignment.map((indices) => indices.length)).toEqual([1, 1]);
  });

  it('starts where a file says: u and all z_j there, v_j at rest', async () => {
    const first = await simulate(defineScenario(small)).result;
    write('start.safetensors', first.final.bytes);
    const run = await prepare(defineScenario({ ...small, initial: 'start.safetensors' }, { directory: home }));
    await run.close();
    const u = [...first.final.tensors['u/vector/weight']!.values];
    for (const vector of ['u', 'z0', 'z1', 'z2'])
      expect([...run.start.initial[`${vector}/vector/weight`]!.values]).toEqual(u);
    for (const vector of ['v0', 'v1', 'v2'])
      expect([...run.start.initial[`${vector}/vector/weight`]!.values]).toEqual([0, 0, 0, 0]);
  });

  it('a start of another shape is refused', async () => {
    const { final } = await simulate(defineScenario({ ...small, data: { dataset: 'quadratic', dimension: 3 } })).result;
    write('three.safetensors', final.bytes);
    const scenario = defineScenario({ ...small, initial: 'three.safetensors' }, { directory: home });
    expect(await refusal(() => prepare(scenario), home)).toBe(
      'scenario: initial: the model needs u/vector/weight of shape [4], and ~/three.safetensors has it with the shape [3]\n' +
        '  give a file written by a run of the same model, such as final.safetensors',
    );
  });
});

it('shipped scenarios are loaded by the library too', () => {
  const scenario = loadScenario(join(import.meta.dirname, '../../scenarios/quadratic.yaml'));
  expect(scenario.settings).toMatchObject({ name: 'quadratic', seed: 7, workers: 4 });
});
