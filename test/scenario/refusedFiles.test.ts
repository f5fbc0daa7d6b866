import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/scenario.js';
import { folder, refusal, verdict } from './refused.js';

const { path: home, write } = folder();
const said = (text: string): Promise<string> => verdict(write('s.yaml', text));

/** Lines of a scenario that is good, but for what a row adds. */
const good = 'data: { dataset: quadratic, dimension: 3 }\nstop: { iterations: 5 }\n';
const logistic = 'data: { dataset: logistic, samplesPerWorker: 5, testSamples: 0, batchSize: 2 }\nstop: { steps: 5 }\n';

describe('a scenario file that is no scenario', () => {
  const shape = 'expected a scenario: keys such as "data:" and "stop:", each with its value';
  it.each([
    ['empty', '', `~/s.yaml:1:1: ${shape}`],
    ['a comment', '# nothing yet\n', `~/s.yaml:1:1: ${shape}`],
    ['a list', '# a list\n- data\n- stop\n', `~/s.yaml:2:1: ${shape}`],
    ['a word', 'quadratic\n', `~/s.yaml:1:1: ${shape}`],
    [
      'an open bracket',
      'data: { dataset: quadratic\nstop: { iterations: 5 }\n',
      '~/s.yaml:2:1: not valid YAML: Flow map in block collection must be sufficiently indented and end with a }',
    ],
    ['tabs', 'data:\n\tdataset: quadratic\n', '~/s.yaml:2:1: not valid YAML: Tabs are not allowed as indentation'],
    [
      'crooked indentation',
      'data: { dataset: quadratic }\n stop: { iterations: 5 }\n',
      '~/s.yaml:2:1: not valid YAML: All mapping items must start at the same column',
    ],
    ['a key twice', `${good}workers: 2\nworkers: 3\n`, '~/s.yaml:4:1: the key workers is there twice'],
    [
      'a key twice within a line',
      'data: { dataset: quadratic, dataset: mnist }\n',
      '~/s.yaml:1:29: the key dataset is there twice',
    ],
    ['two documents', `${good}---\n${good}`, '~/s.yaml:3:1: expected one YAML document, and a second one begins here'],
    [
      'an alias without its anchor',
      `${good}workers: *many\n`,
      '~/s.yaml:3:10: not valid YAML: Unresolved alias (the anchor must be set before the alias): many',
    ],
    ['an unknown tag', `${good}workers: !many 3\n`, '~/s.yaml:3:10: not valid YAML: Unresolved tag: !many'],
  ])('%s', async (_, text, expected) => {
    expect(await said(text)).toBe(expected);
  });

  it('aliases that multiply each other are refused before they fill the memory', async () => {
    const level = (name: string, of: string): string => `${name}: &${name} [${Array(9).fill(of).join(', ')}]\n`;
    const bomb = level('a', 'x') + level('b', '*a') + level('c', '*b') + level('d', '*c') + level('e', '*d');
    expect(await said(bomb)).toMatch(/^~\/s\.yaml:\d+:\d+: not valid YAML: Excessive alias count/);
  });

  it('a value that contains itself is refused in one line', async () => {
    expect(await said(`${good}workers: &w [*w]\n`)).toBe(
      '~/s.yaml:3:1: workers: expected a whole number, not &a1 [ *a1 ]',
    );
  });

  it('a file that is not there or a directory is named', async () => {
    mkdirSync(join(home, 'folder.yaml'));
    const remedy = '  give the path of a scenario, for example scenarios/mnist-sync.yaml';
    expect(await refusal(() => loadScenario(join(home, 'absent.yaml')), home)).toBe(
      `the scenario ~/absent.yaml does not exist\n${remedy}`,
    );
    expect(await refusal(() => loadScenario(join(home, 'folder.yaml')), home)).toBe(
      `the scenario ~/folder.yaml is a directory, not a file\n${remedy}`,
    );
  });

  it('JSON is YAML too, and has lines', async () => {
    expect(await said('{\n  "data": { "dataset": "quadratic" },\n  "stop": { "iterations": 0 }\n}\n')).toBe(
      '~/s.yaml:3:13: stop.iterations: expected a number of at least 1, not 0',
    );
  });
});

describe('unknown keys', () => {
  it.each([
    ['at the top', `${good}algoritm: {}\n`, '~/s.yaml:3:1: algoritm: unknown key; did you mean algorithm?'],
    [
      'like none',
      `${good}foo: 1\n`,
      '~/s.yaml:3:1: foo: unknown key; the keys here are name, seed, data, model, loss, initial, workers, algorithm, network, protocol, monitor, stop, engine',
    ],
    [
      'in data',
      'data: { dataset: quadratic, dimenson: 3 }\nstop: { iterations: 5 }\n',
      '~/s.yaml:1:29: data.dimenson: unknown key; did you mean dimension?',
    ],
    [
      'of another dataset',
      'data: { dataset: quadratic, testFraction: 0.5 }\nstop: { iterations: 5 }\n',
      '~/s.yaml:1:29: data.testFraction: unknown key; the keys here are dimension, condition, spread, rotate, dataset, partition, batchSize, sampling',
    ],
    [
      'in data.partition',
      'data: { dataset: logistic, partition: { kind: dirichlet, alpha: 1, minimun: 2 } }\nstop: { steps: 5 }\n',
      '~/s.yaml:1:68: data.partition.minimun: unknown key; did you mean minimum?',
    ],
    [
      'in model',
      `${good}model: { kind: mlp, hiden: [3] }\n`,
      '~/s.yaml:3:21: model.hiden: unknown key; did you mean hidden?',
    ],
    [
      'in algorithm',
      `${good}algorithm:\n  lamda: 1\n`,
      '~/s.yaml:4:3: algorithm.lamda: unknown key; did you mean lambda?',
    ],
    [
      'in a schedule',
      `${good}algorithm:\n  workerStep: { schedule: constant, vale: 1 }\n`,
      '~/s.yaml:4:37: algorithm.workerStep.vale: unknown key; did you mean value?',
    ],
    [
      'in algorithm.staleness',
      `${good}algorithm: { staleness: { mx: 3 } }\n`,
      '~/s.yaml:3:27: algorithm.staleness.mx: unknown key; did you mean max?',
    ],
    [
      'in network',
      `${good}network: { latancy: 1ms }\n`,
      '~/s.yaml:3:12: network.latancy: unknown key; did you mean latency?',
    ],
    [
      'in a distribution',
      `${good}network:\n  stepTime: { distribution: lognormal, median: 10ms, sgma: 0.3 }\n`,
      '~/s.yaml:4:54: network.stepTime.sgma: unknown key; did you mean sigma?',
    ],
    [
      'in a list',
      `${good}network:\n  stragglers:\n    - { workers: [0], slowdown: 2 }\n    - { workers: [1], slowdwn: 2 }\n`,
      '~/s.yaml:6:23: network.stragglers.1.slowdwn: unknown key; did you mean slowdown?',
    ],
    [
      'in monitor',
      `${good}monitor: { measure: [gap] }\n`,
      '~/s.yaml:3:12: monitor.measure: unknown key; did you mean measures?',
    ],
    [
      'in monitor.every',
      `${good}monitor: { every: { iteration: 3 } }\n`,
      '~/s.yaml:3:21: monitor.every.iteration: unknown key; did you mean iterations?',
    ],
    [
      'in stop, which is not also called empty',
      'data: { dataset: quadratic }\nstop: { iteration: 5 }\n',
      '~/s.yaml:2:9: stop.iteration: unknown key; did you mean iterations?',
    ],
    ['in engine', `${good}engine: { thread: 2 }\n`, '~/s.yaml:3:11: engine.thread: unknown key; did you mean threads?'],
    [
      'for a discriminator, which is not also called missing',
      'data: { datset: quadratic }\nstop: { iterations: 5 }\n',
      '~/s.yaml:1:9: data.datset: unknown key; did you mean dataset?',
    ],
    [
      'that JavaScript knows',
      `${good}constructor: 1\n`,
      '~/s.yaml:3:1: constructor: unknown key; the keys here are name, seed, data, model, loss, initial, workers, algorithm, network, protocol, monitor, stop, engine',
    ],
    [
      'that JavaScript fears',
      `${good}__proto__: { a: 1 }\n`,
      '~/s.yaml:3:1: __proto__: unknown key; the keys here are name, seed, data, model, loss, initial, workers, algorithm, network, protocol, monitor, stop, engine',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(text)).toBe(expected);
  });
});

describe('missing keys', () => {
  it.each([
    ['data', 'stop: { iterations: 5 }\n', '~/s.yaml:1:1: data: missing, expected { dataset: ... }'],
    ['stop', 'data: { dataset: quadratic }\n', '~/s.yaml:1:1: stop: missing, expected { iterations: ... }'],
    [
      'a key without a value',
      'data: { dataset: quadratic }\nstop:\n',
      '~/s.yaml:2:1: stop: expected { iterations: ... }, but it is empty',
    ],
    [
      'data.dataset',
      'data: {}\nstop: { iterations: 5 }\n',
      '~/s.yaml:1:1: data.dataset: missing, expected one of mnist, idx, csv, libsvm, quadratic, logistic',
    ],
    [
      'data.partition.kind',
      'data: { dataset: logistic, partition: { alpha: 1 } }\nstop: { steps: 5 }\n',
      '~/s.yaml:1:28: data.partition.kind: missing, expected one of shared, iid, shards, dirichlet, explicit, natural',
    ],
    [
      'data.partition.alpha',
      'data: { dataset: logistic, partition: { kind: dirichlet } }\nstop: { steps: 5 }\n',
      '~/s.yaml:1:28: data.partition.alpha: missing, expected a number',
    ],
    [
      'network.latency.distribution',
      `${good}network: { latency: { mean: 1ms } }\n`,
      '~/s.yaml:3:12: network.latency.distribution: missing, expected one of constant, uniform, normal, lognormal, exponential, pareto',
    ],
    [
      'what ends the run',
      'data: { dataset: quadratic }\nstop: {}\n',
      '~/s.yaml:2:1: stop: expected at least one of iterations, steps, virtualTime, target, not {}',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(text)).toBe(expected);
  });
});

describe('values of the wrong type or out of range', () => {
  const algorithm = (key: string): string => `${good}algorithm:\n  ${key}\n`;
  const network = (key: string): string => `${good}network:\n  ${key}\n`;
  const units = 'with a unit (ns, us, µs, ms, s, min, h)';
  it.each([
    [algorithm('lambda: 0'), '4:3: algorithm.lambda: expected a number above 0, not 0'],
    [algorithm('lambda: -1'), '4:3: algorithm.lambda: expected a number above 0, not -1'],
    [algorithm('lambda: .inf'), '4:3: algorithm.lambda: expected a number, not .inf'],
    [algorithm('lambda: .nan'), '4:3: algorithm.lambda: expected a number, not .nan'],
    [algorithm('lambda: "0.1"'), '4:3: algorithm.lambda: expected a number, not "0.1"'],
    [algorithm('lambda: [0.1, 0.2]'), '4:3: algorithm.lambda: expected a number, not [ 0.1, 0.2 ]'],
    [algorithm('eta: 0'), '4:3: algorithm.eta: expected a number above 0, not 0'],
    [algorithm('eta: -2'), '4:3: algorithm.eta: expected a number above 0, not -2'],
    [algorithm('momentum: 1'), '4:3: algorithm.momentum: expected a number below 1, not 1'],
    [algorithm('momentum: -0.1'), '4:3: algorithm.momentum: expected a number of at least 0, not -0.1'],
    [algorithm('overlap: yes'), '4:3: algorithm.overlap: expected true or false, not "yes"'],
    [algorithm('localSteps: 0'), '4:3: algorithm.localSteps: expected a number of at least 1, not 0'],
    [algorithm('localSteps: 1.5'), '4:3: algorithm.localSteps: expected a whole number, not 1.5'],
    [algorithm('workerStep: fast'), '4:3: algorithm.workerStep: expected a number, or { schedule: ... }, not "fast"'],
    [algorithm('quorum: none'), '4:3: algorithm.quorum: expected all, or a whole number, not "none"'],
    [algorithm('quorum: 0'), '4:3: algorithm.quorum: expected a number of at least 1, not 0'],
    [algorithm('quorum: 5'), '4:3: algorithm.quorum: expected at most 4, the number of workers, not 5'],
    [
      algorithm('quorum: 1\n  coupling: jacobi'),
      '5:3: algorithm.coupling: jacobi needs quorum: all; choose overlap: true for other quorums',
    ],
    [
      algorithm('workerStep: { schedule: piecewise, values: [1, 2], boundaries: [5, 9] }'),
      '4:38: algorithm.workerStep.values: expected one value more than boundaries, not [ 1, 2 ]',
    ],
    [
      algorithm('workerStep: { schedule: piecewise, values: [1, 2, 3], boundaries: [9, 5] }'),
      '4:57: algorithm.workerStep.boundaries: expected boundaries in increasing order, not [ 9, 5 ]',
    ],
    [network('latency: -2ms'), '4:3: network.latency: expected a duration of at least 0, not "-2ms"'],
    [network('latency: 2'), `4:3: network.latency: expected a duration such as 10ms, ${units}, not 2`],
    [network('latency: 2 MS'), `4:3: network.latency: expected a duration such as 10ms, ${units}, not "2 MS"`],
    [
      network('latency: 3toString'),
      `4:3: network.latency: expected a duration such as 10ms, ${units}, not "3toString"`,
    ],
    [network('latency: fast'), '4:3: network.latency: expected a duration such as 10ms, not "fast"'],
    [network('latency: 1e30h'), '4:3: network.latency: expected a smaller duration, not "1e30h"'],
    [
      network('latency: true'),
      '4:3: network.latency: expected a duration such as 10ms, or { distribution: ... }, or { piecewise: ... }, or { trace: ... }, not true',
    ],
    [
      network('latency: { distribution: normal, mean: 3, sd: 1ms }'),
      `4:36: network.latency.mean: expected a duration such as 10ms, ${units}, not 3`,
    ],
    [
      network('latency: { distribution: lognormal, median: 3ms, sigma: -1 }'),
      '4:52: network.latency.sigma: expected a number of at least 0, not -1',
    ],
    [
      network('bandwidth: 1Gbps'),
      '4:3: network.bandwidth: expected a rate such as 1Gbit/s, with a unit (bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s, MB/s, GB/s), not "1Gbps"',
    ],
    [network('bandwidth: 0Gbit/s'), '4:3: network.bandwidth: expected a rate above zero, not "0Gbit/s"'],
    [
      network('bandwidth: unlimted'),
      '4:3: network.bandwidth: expected a rate such as 1Gbit/s, not "unlimted"; did you mean unlimited?',
    ],
    [network('stragglers: 3'), '4:3: network.stragglers: expected a list, not 3'],
    [
      network('stragglers: [{ workers: [0, 4], slowdown: 2 }]'),
      '4:31: network.stragglers.0.workers.1: expected a worker from 0 to 3, not 4',
    ],
    [
      network('stragglers: [{ workers: [-1], slowdown: 2 }]'),
      '4:28: network.stragglers.0.workers.0: expected a number of at least 0, not -1',
    ],
    [
      network('stragglers: [{ workers: [], slowdown: 2 }]'),
      '4:18: network.stragglers.0.workers: expected at least 1 item, not []',
    ],
    [
      network('stragglers: [{ workers: [0], slowdown: 0 }]'),
      '4:32: network.stragglers.0.slowdown: expected a number above 0, not 0',
    ],
    [`${good}workers: four\n`, '3:1: workers: expected a whole number, not "four"'],
    [`${good}workers: 0\n`, '3:1: workers: expected a number of at least 1, not 0'],
    [`${good}workers: 1e9\n`, '3:1: workers: expected a number of at most 100000, not 1000000000'],
    [`${good}workers: -1e300\n`, '3:1: workers: expected a number of at least 1, not -1e+300'],
    [`${good}seed: -1\n`, '3:1: seed: expected a number of at least 0, not -1'],
    [`${good}name: a b/c\n`, '3:1: name: expected letters, digits, dots, dashes and underscores, not "a b/c"'],
    [`${good}initial: 3\n`, '3:1: initial: expected text, not 3'],
    [`${good}engine: { threads: 0 }\n`, '3:11: engine.threads: expected a number of at least 1, not 0'],
    [`${good}engine: { threads: many }\n`, '3:11: engine.threads: expected auto, or a whole number, not "many"'],
    [`${good}monitor: { measures: gap }\n`, '3:12: monitor.measures: expected a list, not "gap"'],
    [`${good}monitor: { every: 3 }\n`, '3:12: monitor.every: expected { iterations: ... }, not 3'],
    ['data: quadratic\nstop: { iterations: 5 }\n', '1:1: data: expected { dataset: ... }, not "quadratic"'],
    [
      'data: { dataset: csv, path: "", label: y }\nstop: { iterations: 5 }\n',
      '1:23: data.path: expected text that is not empty, not ""',
    ],
    [
      'data: { dataset: logistic, partition: dirichlet }\nstop: { steps: 5 }\n',
      '1:28: data.partition: expected { kind: ... }, not "dirichlet"',
    ],
    [
      'data: { dataset: quadratic }\nstop: { virtualTime: 1s }\n',
      '2:9: stop.virtualTime: no virtual time passes without delays; set network.stepTime, or stop.iterations',
    ],
    [
      `data: { dataset: quadratic }\nstop: { virtualTime: 1s }\nnetwork: { stepTime: { distribution: constant, value: 0s } }\n`,
      '2:9: stop.virtualTime: no virtual time passes without delays; set network.stepTime, or stop.iterations',
    ],
    [
      'data: { dataset: quadratic }\nstop: { virtualTime: 0s }\n',
      '2:9: stop.virtualTime: expected a duration above zero, not "0s"',
    ],
    [
      'data: { dataset: quadratic }\nstop: { iterations: 0 }\n',
      '2:9: stop.iterations: expected a number of at least 1, not 0',
    ],
  ])('%j ends in %s', async (text, expected) => {
    expect(await said(text)).toBe(`~/s.yaml:${expected}`);
  });

  it('a long value is cut, and stays on one line', async () => {
    const text = `${good}workers: [${Array.from({ length: 100 }, (_, index) => index).join(', ')}]\n`;
    expect(await said(text)).toMatch(
      /^~\/s\.yaml:3:1: workers: expected a whole number, not \[ 0, 1, [^\n]{1,60}\.\.\.$/,
    );
  });
});

describe('names that no table has', () => {
  it.each([
    [
      `${good}algorithm: { method: alternatin }\n`,
      '3:14: algorithm.method: expected one of alternating, easgd, eamsgd, allreduce-ea, downpour, mdownpour, async-sgd, local-sgd, msgd, not "alternatin"; did you mean alternating?',
    ],
    [
      `${good}model: lenet\n`,
      '3:1: model: expected one of lenet5, mlp, softmax, vector, or { kind: ... }, not "lenet"; did you mean lenet5?',
    ],
    [
      `${good}model: { kind: mpl }\n`,
      '3:10: model.kind: expected one of lenet5, mlp, softmax, vector, not "mpl"; did you mean mlp?',
    ],
    [`${good}loss: mse\n`, '3:1: loss: expected one of cross-entropy, squared-error, not "mse"'],
    [`${good}engine: { runner: tf }\n`, '3:11: engine.runner: expected one of onnx, eager, not "tf"'],
    [
      `${good}monitor: { measures: [gap, test_eror] }\n`,
      /^3:28: monitor\.measures\.1: expected one of \d+ names, not "test_eror"; did you mean test_error\?$/,
    ],
    [
      `${good}monitor: { measures: [everything] }\n`,
      /^3:23: monitor\.measures\.0: expected one of gap, gap_max, [\w, ]+, not "everything"$/,
    ],
    [
      'data: { dataset: mnst }\nstop: { iterations: 5 }\n',
      '1:9: data.dataset: expected one of mnist, idx, csv, libsvm, quadratic, logistic, not "mnst"; did you mean mnist?',
    ],
    [
      'data: { dataset: toString }\nstop: { iterations: 5 }\n',
      '1:9: data.dataset: expected one of mnist, idx, csv, libsvm, quadratic, logistic, not "toString"',
    ],
    [
      'data: { dataset: logistic, partition: { kind: dirchlet } }\nstop: { steps: 5 }\n',
      '1:41: data.partition.kind: expected one of shared, iid, shards, dirichlet, explicit, natural, not "dirchlet"; did you mean dirichlet?',
    ],
    [
      'data: { dataset: quadratic, sampling: epochs }\nstop: { steps: 5 }\n',
      '1:29: data.sampling: expected one of uniform, epoch, not "epochs"; did you mean epoch?',
    ],
    [
      'data: { dataset: quadratic }\nstop: { target: { measure: gap_men, below: 1 } }\n',
      /^2:19: stop\.target\.measure: expected one of \d+ names, not "gap_men"; did you mean gap_mean\?$/,
    ],
  ])('%j', async (text, expected) => {
    const [place, message] = split(await said(text));
    expect(place).toBe('~/s.yaml');
    if (typeof expected === 'string') expect(message).toBe(expected);
    else expect(message).toMatch(expected);
  });

  it('an unknown potential is told the known ones', async () => {
    expect(await said(`${good}algorithm: { potential: cubi }\n`)).toBe(
      '~/s.yaml:3:14: algorithm.potential: expected one of quad, cubic, tan, tan-sep, log, log-sep, or { kind: ... }, not "cubi"; did you mean cubic?',
    );
    expect(await said(`${good}algorithm: { potential: { kind: cubic, quadratik: 1 } }\n`)).toBe(
      '~/s.yaml:3:40: algorithm.potential.quadratik: unknown key; did you mean quadratic?',
    );
  });
});

describe('methods and their keys', () => {
  it.each([
    ['method: easgd, lambda: 1', '3:29: algorithm.lambda: unknown key; '],
    [
      'method: easgd, exchange: split',
      '3:29: algorithm.exchange: split needs quorum: 1; choose atomic for other quorums',
    ],
    ['method: eamsgd, momentum: 1', '3:30: algorithm.momentum: expected a number below 1, not 1'],
    ['method: easgd, movingRate: 1', '3:29: algorithm.movingRate: expected a number below 1, not 1'],
    ['method: easgd, movingRate: 0', '3:29: algorithm.movingRate: expected a number above 0, not 0'],
    ['method: msgd', '3:14: algorithm.method: msgd has one worker, not 4: set workers: 1'],
    ['method: downpour, quorum: 5', '3:32: algorithm.quorum: expected at most 4, the number of workers'],
    ['method: local-sgd, localSteps: 0', '3:33: algorithm.localSteps: expected a number of at least 1, not 0'],
    ['method: async-sgd, workerStep: 1', '3:33: algorithm.workerStep: unknown key; '],
    [
      'method: eamsgd, quorum: 3, localSteps: 3, staleness: { max: 0 }',
      '3:69: algorithm.staleness.max: a bound with a quorum of 3 needs localSteps: 1 and overlap: false',
    ],
    [
      'method: downpour, quorum: 2, localSteps: 2, staleness: { max: 5 }',
      '3:71: algorithm.staleness.max: a bound with a quorum of 2 needs localSteps: 1 and overlap: false',
    ],
    ['penaltyAt: ahead', '3:14: algorithm.penaltyAt: expected one of lookahead, current, not "ahead"'],
  ])('%s', async (keys, expected) => {
    const message = await said(`${good}algorithm: { ${keys} }\n`);
    expect(message.slice('~/s.yaml:'.length, '~/s.yaml:'.length + expected.length)).toBe(expected);
  });

  it.each([
    ['method: local-sgd', 'penalty_force', 'a method that couples u and z_j, which local-sgd with these keys does not'],
    ['method: downpour', 'residual_5a', 'a method that couples u and z_j, which downpour with these keys does not'],
    [
      'method: easgd, workerStep: { schedule: inverse-sqrt, value: 0.1 }',
      'splitting_objective',
      'a method that couples u and z_j, which easgd with these keys does not',
    ],
    ['potential: tan', 'optimality_gap', 'the potential quad, for which the minimum is known'],
  ])('with %s there is no %s', async (keys, measure, needs) => {
    expect(await said(`${good}algorithm: { ${keys} }\nmonitor: { measures: [gap, ${measure}] }\n`)).toBe(
      `~/s.yaml:4:28: monitor.measures.1: ${measure} needs ${needs}\n  leave it out`,
    );
  });

  it('an envelope needs a lambda', async () => {
    const keys = 'algorithm: { method: downpour }\nmonitor: { measures: [envelope_gradient]';
    expect(await said(`${good}${keys} }\n`)).toBe(
      '~/s.yaml:4:12: monitor.measures: envelopes need a coupling, and the method has none of its own\n  set monitor.envelope.lambda',
    );
    expect(await said(`${good}${keys}, envelope: { lambda: 0 } }\n`)).toBe(
      '~/s.yaml:4:55: monitor.envelope.lambda: expected a number above 0, not 0',
    );
  });
});

describe('what only the data can tell', () => {
  it.each([
    [
      'a batch larger than a worker has samples',
      logistic.replace('batchSize: 2', 'batchSize: 6'),
      '~/s.yaml:1:65: data.batchSize: batchSize 6 exceeds the 5 samples of worker 0\n  choose at most 5, or full',
    ],
    [
      'a draw that leaves a worker empty',
      logistic.replace('batchSize', 'partition: { kind: dirichlet, alpha: 1e-6 }, batchSize'),
      /^~\/s\.yaml:1:65: data\.partition: worker \d gets 0 of 20 samples in a Dirichlet draw with alpha 0\.000001, the minimum is 1\n {2}choose a larger alpha, another seed or fewer workers$/,
    ],
    [
      'a test measure without a test set',
      `${logistic}monitor: { measures: [gap, test_error] }\n`,
      '~/s.yaml:3:28: monitor.measures.1: test_error needs a test set, and the data has none\n  leave it out',
    ],
    [
      'an error rate without classes',
      `${good}monitor: { measures: [train_error] }\n`,
      '~/s.yaml:3:23: monitor.measures.0: train_error needs classes, and the data has values\n  leave it out',
    ],
    [
      'a target that cannot be measured',
      'data: { dataset: quadratic }\nstop: { target: { measure: test_loss, below: 1 } }\n',
      '~/s.yaml:2:19: stop.target.measure: test_loss needs a test set, and the data has none\n  leave it out',
    ],
    [
      'a loss for other targets',
      `${good}loss: cross-entropy\n`,
      '~/s.yaml:3:1: loss: the loss cross-entropy needs classes, and the data has values\n  choose squared-error',
    ],
    [
      'a model for other inputs',
      `${good}model: lenet5\n`,
      '~/s.yaml:3:1: model: lenet5 needs images of at least 16 x 16, not inputs of shape [3, 3]\n  choose mlp or softmax',
    ],
    [
      'a model that no memory holds',
      `${logistic}model: { kind: mlp, hidden: [3000000000] }\n`,
      '~/s.yaml:3:1: model: with 36,000,000,001 parameters, u, z_j and v_j of 4 workers take 1,296,000,000,036 bytes, the limit is 17,179,869,184\n  choose a smaller model or fewer workers',
    ],
    [
      'a dataset that is not there',
      'data: { dataset: csv, path: absent.csv, label: y }\nstop: { iterations: 5 }\n',
      '~/s.yaml:1:23: data.path: ~/absent.csv does not exist\n  give the path of a readable file; relative paths start at the scenario file',
    ],
    [
      'an initial file that is not there',
      `${good}initial: absent.safetensors\n`,
      '~/s.yaml:3:1: initial: ~/absent.safetensors does not exist\n  give the path of a readable file; relative paths start at the scenario file',
    ],
    [
      'an initial file that is something else',
      `${good}initial: s.yaml\n`,
      '~/s.yaml:3:1: initial: ~/s.yaml is not a usable safetensors file: it is cut short in its header, or is something else\n  give a file of float32 tensors, such as the final.safetensors of a run',
    ],
    [
      'a device that no runner has',
      `${good}engine: { device: gpu }\n`,
      '~/s.yaml:3:11: engine.device: the runner onnx has no device gpu\n  choose one of cpu, webgpu, cuda',
    ],
    [
      'a minimum that floating point cannot reach',
      `${good}algorithm: { lambda: 1e-320 }\nmonitor: { measures: [optimality_gap] }\n`,
      /^~\/s\.yaml:4:12: monitor\.measures: the minimum of F was not found in 100 Newton steps/,
    ],
  ])('%s', async (_, text, expected) => {
    expect(await said(text)).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
  });

  it('an IDX file that is cut short', async () => {
    write('images', Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3));
    write('labels', Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 0, 1));
    expect(
      await said('data: { dataset: idx, trainImages: images, trainLabels: labels }\nstop: { iterations: 5 }\n'),
    ).toMatch(
      /^~\/s\.yaml:1:23: data\.trainImages: ~\/images is cut short: its header promises 1,584 bytes, it has 19\n/,
    );
  });

  it('text in a column of numbers', async () => {
    write('t.csv', 'a,b,y\n1,2,0\n1,tall,1\n');
    expect(await said('data: { dataset: csv, path: t.csv, label: y }\nstop: { iterations: 5 }\n')).toBe(
      '~/s.yaml:1:23: data.path: ~/t.csv:3: column "b" holds "tall", not a number\n  mend the value, or remove the column',
    );
  });

  it('an engine that this machine does not have', async () => {
    expect(await said(`${good}engine: { runner: eager, device: tensorflow }\n`)).toBe(
      '~/s.yaml:3:26: engine.device: the device tensorflow of the runner eager is not there: neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed\n' +
        '  npm install @tensorflow/tfjs-node-gpu (CUDA 11) or npm install @tensorflow/tfjs-node; `straggler doctor` lists what this machine has',
    );
  });
});

describe('several faults', () => {
  it('each has its line', async () => {
    const text = `data: { dataset: quadratic }
stop: { iterations: 0 }
algorithm: { lamda: 1, momentum: 1 }
network: { latency: 3 }
`;
    expect((await said(text)).split('\n')).toEqual([
      '~/s.yaml:3:24: algorithm.momentum: expected a number below 1, not 1',
      '~/s.yaml:3:14: algorithm.lamda: unknown key; did you mean lambda?',
      expect.stringMatching(/^~\/s\.yaml:4:12: network\.latency: expected a duration such as 10ms/),
      '~/s.yaml:2:9: stop.iterations: expected a number of at least 1, not 0',
    ]);
  });

  it('more than ten are counted', async () => {
    const keys = Array.from({ length: 13 }, (_, index) => `strange${index}: 1\n`).join('');
    const lines = (await said(good + keys)).split('\n');
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('and 3 more');
  });
});

/** `~/s.yaml:3:1: ...` in two parts. */
function split(message: string): [string, string] {
  const colon = message.indexOf(':');
  return [message.slice(0, colon), message.slice(colon + 1)];
}
