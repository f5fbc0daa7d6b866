import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/scenario.js';
import { folder, verdict } from './refused.js';

const { write } = folder();
const path = write(
  's.yaml',
  `seed: 7
data: { dataset: logistic, dimension: 3, samplesPerWorker: 5, testSamples: 0, batchSize: 2 }
model: vector
algorithm:
  lambda: 0.5
  workerStep: { schedule: inverse-sqrt, value: 0.1 }
network:
  stepTime: { distribution: lognormal, median: 10ms, sigma: 0.3 }
monitor: { measures: [gap, gap_max, gap_mean] }
stop: { iterations: 5 }
`,
);
const settings = (...set: string[]) => loadScenario(path, { set }).settings;
const refused = (...set: string[]): Promise<string> => verdict(path, set);

describe('--set', () => {
  it('takes YAML values: numbers, text, lists and objects', () => {
    const { algorithm, network, monitor } = settings(
      'algorithm.lambda=1e-3',
      'network.latency=5ms',
      'monitor.measures=[gap]',
      'network.stragglers=[{ workers: [1], slowdown: 3 }]',
    );
    expect(algorithm).toMatchObject({ lambda: 0.001 });
    expect(network.latency).toBe(5_000_000);
    expect(network.stragglers).toEqual([{ workers: [1], slowdown: 3 }]);
    expect(monitor.measures).toEqual(['gap']);
  });

  it('the value goes on to the end, whatever signs are in it', () => {
    expect(settings('initial=a=b.safetensors').initial).toBe('a=b.safetensors');
  });

  it('the last of two for one key counts', () => {
    expect(settings('seed=8', 'seed=9').seed).toBe(9);
  });

  it('opens objects that the file does not have', () => {
    expect(settings('algorithm.staleness.max=3', 'monitor.every.iterations=4')).toMatchObject({
      algorithm: { staleness: { max: 3 } },
      monitor: { every: { iterations: 4 } },
    });
  });

  it('null deletes a key, and its default is back', () => {
    const changed = settings('algorithm.lambda=null', 'seed=null', 'network.stepTime=');
    expect(changed.algorithm).toMatchObject({ lambda: 0.1 });
    expect(changed.seed).toBe(0);
    expect(changed.network.stepTime).toBe(0);
  });

  it('null deletes what is not there, and makes nothing on the way', () => {
    expect(settings('network.latency.mean=null', 'engine.device=null')).toEqual(settings());
  });

  it('a number names an item of a list: to change, to append, to delete', () => {
    expect(settings('monitor.measures.1=test_loss', 'monitor.measures.3=staleness').monitor.measures).toEqual([
      'gap',
      'test_loss',
      'gap_mean',
      'staleness',
    ]);
    expect(settings('monitor.measures.0=null').monitor.measures).toEqual(['gap_max', 'gap_mean']);
    expect(settings('network.stragglers.0.workers=[2]', 'network.stragglers.0.slowdown=4').network.stragglers).toEqual([
      { workers: [2], slowdown: 4 },
    ]);
  });

  it('a new data.dataset drops the keys of the old one, and keeps what goes with any', () => {
    const { data } = settings('data.partition={ kind: iid }', 'data.sampling=epoch', 'data.dataset=quadratic');
    expect(data).toEqual({
      dataset: 'quadratic',
      dimension: 10,
      condition: 10,
      spread: 1,
      rotate: true,
      partition: { kind: 'iid' },
      batchSize: 2,
      sampling: 'epoch',
    });
  });

  it('the same data.dataset drops nothing', () => {
    expect(settings('data.dataset=logistic').data).toMatchObject({ dimension: 3, samplesPerWorker: 5 });
  });

  it('what an earlier --set gave is not dropped', () => {
    expect(settings('data.condition=5', 'data.dataset=quadratic').data).toMatchObject({ condition: 5, dimension: 10 });
  });

  it('a new kind, distribution or schedule drops the siblings that belonged to the old one', () => {
    const partition = ['data.partition={ kind: dirichlet, alpha: 3, minimum: 2 }', 'data.partition.kind=shards'];
    expect(settings(...partition).data.partition).toEqual({ kind: 'shards', shardsPerWorker: 2 });
    const stepTime = ['network.stepTime.distribution=exponential', 'network.stepTime.mean=3ms'];
    expect(settings(...stepTime).network.stepTime).toEqual({ distribution: 'exponential', mean: 3e6 });
    const workerStep = ['algorithm.workerStep.schedule=constant', 'algorithm.workerStep.value=1'];
    expect(settings(...workerStep).algorithm).toMatchObject({ workerStep: { schedule: 'constant', value: 1 } });
  });

  it('a key below a name makes an object of it', () => {
    expect(settings('model.kind=mlp', 'model.hidden=[7]').model).toEqual({ kind: 'mlp', hidden: [7] });
  });
});

describe('--set that is refused', () => {
  const example = '  write for example --set algorithm.lambda=0.1';
  it.each([
    [['algorithm.lambda'], `--set algorithm.lambda: expected path=value\n${example}`],
    [[''], `--set : expected path=value\n${example}`],
    [['=3'], `--set =3: expected path=value\n${example}`],
    [['algorithm..lambda=1'], `--set algorithm..lambda=1: expected path=value\n${example}`],
    [
      ['algorithm.lambda=[1'],
      "--set algorithm.lambda=[1: the value is not valid YAML: Flow sequence must end with a ]\n  quote it for the shell, as in --set 'monitor.measures=[gap, train_loss]'",
    ],
    [
      ['workers=*many'],
      "--set workers=*many: the value is not valid YAML: Unresolved alias (the anchor must be set before the alias): many\n  quote it for the shell, as in --set 'monitor.measures=[gap, train_loss]'",
    ],
    [['algorithm.lamda=1'], '--set algorithm.lamda=1: unknown key; did you mean lambda?'],
    [['algorithm.constructor=1'], /^--set algorithm\.constructor=1: unknown key; the keys here are /],
    [['__proto__.x=1'], /^--set __proto__\.x=1: __proto__: unknown key; the keys here are /],
    [['algorithm.lambda=0'], '--set algorithm.lambda=0: expected a number above 0, not 0'],
    [['algorithm.lambda="0.1"'], '--set algorithm.lambda="0.1": expected a number, not "0.1"'],
    [['seed.x=1'], '--set seed.x=1: seed: expected a whole number, not { x: 1 }'],
    [
      ['monitor.measures.7=gap'],
      '--set monitor.measures.7=gap: monitor.measures is a list: expected an index from 0 to 3, not 7',
    ],
    [
      ['monitor.measures.last=gap'],
      '--set monitor.measures.last=gap: monitor.measures is a list: expected an index from 0 to 3, not last',
    ],
    [
      ['monitor.measures.0=gab'],
      /^--set monitor\.measures\.0=gab: expected one of \d+ names, not "gab"; did you mean gap\?$/,
    ],
    [
      ['monitor.measures=[gap, gab]'],
      /^--set monitor\.measures=\[gap, gab\]: monitor\.measures\.1: expected one of \d+ names, not "gab"; did you mean gap\?$/,
    ],
    [
      ['stop.iterations=null'],
      '--set stop.iterations=null: stop: expected at least one of iterations, steps, virtualTime, target, not {}',
    ],
    [
      ['data.dataset=null'],
      '--set data.dataset=null: missing, expected one of mnist, idx, csv, libsvm, quadratic, logistic',
    ],
    [['data.dataset=csv', 'data.label=y'], '--set data.dataset=csv: data.path: missing, expected text'],
    [
      ['network.stragglers.0.workers=[1]'],
      '--set network.stragglers.0.workers=[1]: network.stragglers.0.slowdown: missing, expected a number',
    ],
    [
      ['algorithm.staleness.max=-1', 'algorithm.staleness={ max: -2 }'],
      '--set algorithm.staleness={ max: -2 }: algorithm.staleness.max: expected a number of at least 0, not -2',
    ],
    [
      ['data.batchSize=6'],
      '--set data.batchSize=6: batchSize 6 exceeds the 5 samples of worker 0\n  choose at most 5, or full',
    ],
    [
      ['data.partition={ kind: explicit, indices: [[0], [1]] }'],
      '--set data.partition={ kind: explicit, indices: [[0], [1]] }: data.partition.indices: indices holds 2 lists for 4 workers\n  give one list for each worker',
    ],
  ])('%j', async (set, expected) => {
    const message = await refused(...set);
    expect(message).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
  });

  it('a fault of the file is told with its line, whatever else is set', async () => {
    expect(
      await verdict(write('t.yaml', 'data: { dataset: quadratic }\nstop: { iterations: 0 }\n'), ['seed=8']),
    ).toMatch(/^~\/t\.yaml:2:9: stop\.iterations: /);
  });
});
