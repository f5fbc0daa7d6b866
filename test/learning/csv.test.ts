import { describe, expect, it } from 'vitest';
import { folder, loadDataset, refusal } from './refusals.js';

const { path: home, write } = folder();
const flowers = write('flowers.csv', 'length,kind,width\n1.5,rose,2\n-3e1,lily,.5\n0,rose,7\n');
const load = (keys: Record<string, unknown>, seed = 7) =>
  loadDataset('csv', { path: flowers, label: 'kind', ...keys }, { home, seed });
const refused = (keys: Record<string, unknown>) => refusal(() => load(keys), home);

describe('csv', () => {
  it('features are the other columns in order, classes the labels in the order of their text', async () => {
    const { train, test, outputs, classification, defaults } = await load({});
    expect(train.inputs).toMatchObject({ rowShape: [2], dtype: 'float32', scale: 1 });
    expect([...train.inputs.values]).toEqual([1.5, 2, -30, 0.5, 0, 7]);
    expect([...train.targets.values]).toEqual([1, 0, 1]);
    expect(train.targets.values).toBeInstanceOf(Int32Array);
    expect({ outputs, classification, test }).toEqual({ outputs: 2, classification: true, test: undefined });
    expect(defaults).toEqual({ loss: 'cross-entropy', model: 'softmax' });
  });

  it('numeric labels are ordered as numbers, and 1 and 1.0 are one class', async () => {
    const path = write('numbers.csv', 'y,x\n10,0\n9,0\n1,0\n1.0,0\n');
    const { train, outputs } = await load({ path, label: 'y' });
    expect([...train.targets.values]).toEqual([2, 1, 0, 0]);
    expect(outputs).toBe(3);
  });

  it('values are kept as float32 targets of one output', async () => {
    const path = write('values.csv', 'y,x\n10.5,0\n-2,1\n');
    const { train, outputs, classification, defaults } = await load({ path, label: 'y', targets: 'values' });
    expect(train.targets).toMatchObject({ rowShape: [1], dtype: 'float32' });
    expect([...train.targets.values]).toEqual([10.5, -2]);
    expect({ outputs, classification, loss: defaults.loss }).toEqual({
      outputs: 1,
      classification: false,
      loss: 'squared-error',
    });
  });

  it('byte order marks, quotes, blanks, empty lines and Windows line ends are understood', async () => {
    const path = write('windows.csv', '\uFEFFa, "the, kind" ,b\r\n 1 ,"x ""y""",2\r\n\r\n3,z,4\r\n');
    const { train } = await load({ path, label: 'the, kind' });
    expect([...train.inputs.values]).toEqual([1, 2, 3, 4]);
    expect([...train.targets.values]).toEqual([0, 1]);
  });

  it('a test file is encoded with the classes of training', async () => {
    const testPath = write('test.csv', 'length,kind,width\n1,rose,1\n');
    const { test } = await load({ testPath });
    expect([...test!.targets.values]).toEqual([1]);
    expect([...test!.inputs.values]).toEqual([1, 1]);
  });

  const many = write('many.csv', `x,y\n${Array.from({ length: 100 }, (_, row) => `${row},${row % 2}`).join('\n')}\n`);

  it('testFraction splits the samples without loss, in file order, at random by the seed', async () => {
    const keys = { path: many, label: 'y', testFraction: 0.3 };
    const { train, test } = await load(keys);
    expect([train.count, test!.count]).toEqual([70, 30]);
    const [kept, held] = [[...train.inputs.values], [...test!.inputs.values]];
    expect([...kept, ...held].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, row) => row));
    expect(kept).toEqual([...kept].sort((a, b) => a - b));
    expect([...train.targets.values]).toEqual(kept.map((row) => row % 2));
    expect([...(await load(keys)).test!.inputs.values]).toEqual(held);
    expect([...(await load(keys, 8)).test!.inputs.values]).not.toEqual(held);
  });

  it('standardize gives training columns mean 0 and variance 1, and shifts test columns alike', async () => {
    const path = write('scales.csv', 'y,a,b\n0,1,5\n1,3,5\n');
    const testPath = write('scales-test.csv', 'y,a,b\n1,4,6\n');
    const { train, test } = await load({ path, testPath, label: 'y', standardize: true });
    // Column a has mean 2 and standard deviation 1; column b is constant and only shifted.
    expect([...train.inputs.values]).toEqual([-1, 0, 1, 0]);
    expect([...test!.inputs.values]).toEqual([2, 1]);
  });

  it.each([
    ['an empty file', '', 'is empty', 'path'],
    ['a file of blank lines', '\n\n', 'is empty', 'path'],
    ['a header without samples', 'length,kind\n', 'has a header line and no samples', 'path'],
    ['a file without the label', 'a,Kind\n1,2\n', 'has no column "kind"; its columns are "a", "Kind"', 'label'],
    ['a column named twice', 'a,kind,a\n1,x,2\n', ':1 names the column "a" twice', 'path'],
    ['a file of labels alone', 'kind\nx\ny\n', 'has no column beside the label', 'path'],
    ['text among numbers', 'a,kind\n1,x\n\ntwo,y\n', ':4: column "a" holds "two", not a number', 'path'],
    ['a missing number', 'a,kind\n,x\n', ':2: column "a" holds "", not a number', 'path'],
    ['a number beyond float32', 'a,kind\n1e39,x\n', ':2: column "a" holds "1e39", not a number', 'path'],
    ['a missing label', 'a,kind\n1,\n', ':2 has no value in the label column "kind"', 'path'],
    ['a short line', 'a,kind,b\n1,x,2\n1,x\n', ':3 has 2 values, the header names 3 columns', 'path'],
    ['a long line', 'a,kind\n1,x,2\n', ':2 has 3 values, the header names 2 columns', 'path'],
    ['a single class', 'a,kind\n1,x\n2,x\n', 'holds one class only, "x"; a classification needs at least 2', 'path'],
  ])('%s is refused', async (_, content, fault, key) => {
    const message = `~/bad.csv${fault.startsWith(':') ? '' : ' '}${fault}`;
    expect(await refused({ path: write('bad.csv', content) })).toMatchObject({ message, path: `data.${key}` });
  });

  it('an unclosed quote is refused with its line', async () => {
    const { message, path } = await refused({ path: write('bad.csv', 'a,kind\n1,"x\n') });
    expect(message).toMatch(/^~\/bad\.csv is no CSV file: Quote Not Closed.* at line 2$/);
    expect(path).toBe('data.path');
  });

  it('a label column that differs in case is suggested', async () => {
    expect((await refused({ label: 'Kind ' })).remedy).toBe('did you mean "kind"?');
  });

  it('a long list of columns is cut', async () => {
    const names = Array.from({ length: 25 }, (_, column) => `c${column}`);
    const { message } = await refused({ path: write('bad.csv', `${names.join(',')}\n`) });
    expect(message).toMatch(/"c18", "c19" and 5 more$/);
  });

  it('a label that is no number is refused as a value', async () => {
    expect(await refused({ targets: 'values' })).toMatchObject({
      message: '~/flowers.csv:2: the label "rose" is not a number',
      path: 'data.path',
    });
  });

  it('a test label that does not occur in training is refused', async () => {
    const testPath = write('test.csv', 'length,kind,width\n1,rose,1\n1,tulip,1\n');
    expect(await refused({ testPath })).toMatchObject({
      message: '~/test.csv:3: the class "tulip" does not occur in training, where "lily", "rose" do',
      path: 'data.testPath',
    });
  });

  it('test columns that differ are refused', async () => {
    const testPath = write('test.csv', 'length,kind,height\n1,rose,1\n');
    expect(await refused({ testPath })).toMatchObject({
      message: '~/test.csv has "height" as feature 2, ~/flowers.csv has "width"',
      path: 'data.testPath',
    });
    const shorter = write('test.csv', 'length,kind\n1,rose\n');
    expect((await refused({ testPath: shorter })).message).toContain('has nothing as feature 2');
  });

  it('testPath and testFraction together are refused, and a fraction that leaves a part empty', async () => {
    expect((await refused({ testPath: flowers, testFraction: 0.5 })).message).toBe(
      'testPath and testFraction are both given',
    );
    expect((await refused({ testFraction: 0.1 })).message).toBe(
      'testFraction 0.1 makes 0 of 3 samples the test set, both parts need at least 1',
    );
    expect((await refused({ testFraction: 0.9 })).path).toBe('data.testFraction');
  });
});
