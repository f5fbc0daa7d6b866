import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runCommand } from '../../src/cli/run.js';
import { folder, refusal } from '../scenario/refused.js';
import { short, straggler } from './straggler.js';

const { path: home, write } = folder();
write('bad.yaml', 'data: { dataset: quadratic, dimenson: 3 }\nstop: { iterations: 5 }\nalgorithm: { lambda: 0 }\n');

const help = '(see straggler --help)\n';

describe('arguments that are refused', () => {
  afterEach(() => {
    expect(readdirSync(home)).toEqual(['bad.yaml']);
  });

  it.each([
    [['rn'], `straggler: unknown command 'rn'\n(Did you mean run?)\n${help}`],
    [['run'], `straggler: missing required argument 'scenario'\n${help}`],
    [['verify'], `straggler: missing required argument 'run'\n${help}`],
    [['run', 'quadratic', 'twice'], `straggler: too many arguments for 'run'. Expected 1 argument but got 2.\n${help}`],
    [
      ['run', 'quadratic', '--sed', '8'],
      `straggler: unknown option '--sed'\n(Did you mean one of --seed, --set?)\n${help}`,
    ],
    [
      ['run', 'quadratic', '--seed', '-1'],
      `straggler: option '--seed <number>' argument '-1' is invalid. Expected a whole number of at least 0.\n${help}`,
    ],
    [
      ['run', 'quadratic', '--seed', 'abc'],
      `straggler: option '--seed <number>' argument 'abc' is invalid. Expected a whole number of at least 0.\n${help}`,
    ],
    [
      ['run', 'quadratic', '--seed', ''],
      `straggler: option '--seed <number>' argument '' is invalid. Expected a whole number of at least 0.\n${help}`,
    ],
    [['run', 'quadratic', '--set'], `straggler: option '--set <path=value>' argument missing\n${help}`],
    [['doctor', 'now'], `straggler: too many arguments for 'doctor'. Expected 0 arguments but got 1.\n${help}`],
    [
      ['run', 'bad.yaml'],
      'straggler: bad.yaml:1:29: data.dimenson: unknown key; did you mean dimension?\n' +
        'straggler: bad.yaml:3:14: algorithm.lambda: expected a number above 0, not 0\n',
    ],
    [
      [...['run', ...short], '--set', 'algorithm.lamda=1'],
      'straggler: --set algorithm.lamda=1: unknown key; did you mean lambda?\n',
    ],
    [
      ['verify', '.'],
      'straggler: . is not a run directory: it has no manifest.json\n  give a directory that `straggler run` wrote\n',
    ],
  ])('%j: status 2, one message, nothing written', (args, message) => {
    const { status, stdout, stderr } = straggler(home, ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  });

  it.each([
    ['quadratik', {}, 'there is no scenario quadratik\n  did you mean quadratic?'],
    [
      'sync.yaml',
      {},
      /^there is no scenario sync\.yaml\n {2}give a YAML file, or a shipped one: [\w, -]*quadratic[\w, -]*$/,
    ],
    [home, {}, /^~ is a directory, not a scenario\n {2}give a YAML file, or a shipped one: /],
    ['quadratic', { out: join(home, 'bad.yaml') }, 'the run directory ~/bad.yaml is a file\n  name another with --out'],
    ['quadratic', { out: home }, 'the run directory ~ is not empty\n  name another with --out'],
    [
      'quadratic',
      { out: join(home, 'run'), set: ['engine.device=gpu'] },
      '--set engine.device=gpu: the runner onnx has no device gpu\n  choose one of cpu, webgpu, cuda',
    ],
    [
      'quadratic',
      { out: join(home, 'run'), set: ['data.batchSize=2'] },
      '--set data.batchSize=2: batchSize 2 exceeds the 1 sample of worker 0\n  choose at most 1, or full',
    ],
  ])('%s with %j is refused, and nothing is written', async (scenario, options, message) => {
    expect(await refusal(() => runCommand(scenario, options), home)).toEqual(
      typeof message === 'string' ? message : expect.stringMatching(message),
    );
  });

  it('no command at all prints the help, as an error', () => {
    const { status, stdout, stderr } = straggler(home);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: straggler \[options\] \[command\]\n/);
  });
});

describe('help', () => {
  it('of the program names the commands and what the exit status means', () => {
    const { status, stdout, stderr } = straggler(home, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const text of ['run [options] <scenario>', 'verify <run>', 'doctor', 'Examples:'])
      expect(stdout).toContain(text);
    expect(stdout).toMatch(
      /Exit status: 0 done, 1 a bug, 2 bad scenario or arguments, 3 .*\n4 digests differ, 130 or 143 interrupted\.\n$/,
    );
  });

  it.each([
    ['run', ['--seed <number>', '--out <directory>', '--set <path=value>', '--events', '--quiet']],
    ['verify', ['a run directory']],
    ['doctor', ['engines and devices']],
  ])('of %s names its options', (command, texts) => {
    const { status, stdout, stderr } = straggler(home, command, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: straggler ${command} `));
    for (const text of texts) expect(stdout).toContain(text);
    expect(stdout).not.toContain('default: []');
  });

  it('the version is that of the package', () => {
    expect(straggler(home, '--version')).toEqual({ status: 0, stdout: '0.1.0\n', stderr: '' });
  });
});

it('doctor lists every engine, with what is missing where it is not there', () => {
  const { status, stdout } = straggler(home, 'doctor');
  expect(status).toBe(0);
  const rows = stdout.split('\n').flatMap((line) => {
    const [, runner, device, found] = line.split('│').map((cell) => cell.trim());
    return /^(onnx|eager)$/.test(runner ?? '')
      ? [`${runner!} ${device!} ${/^(yes|no)$/.test(found ?? '') ? 'told' : 'untold'}`]
      : [];
  });
  expect(rows).toEqual(
    ['onnx cpu', 'onnx webgpu', 'onnx cuda', 'eager cpu', 'eager wasm', 'eager tensorflow', 'eager webgpu'].map(
      (row) => `${row} told`,
    ),
  );
  expect(stdout).toMatch(/│ onnx +│ cpu +│ yes +│/);
  expect(stdout).toMatch(/onnxruntime-node \d+\.\d+\.\d+/);
});
