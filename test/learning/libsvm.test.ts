import { describe, expect, it } from 'vitest';
import { folder, loadDataset, refusal } from './refusals.js';

const { path: home, write } = folder();
const small = write('small', '+1 1:0.5 3:-2 # a comment: 1:9\n\n# nothing\n-1 2:1e1\n1\n');
const load = (keys: Record<string, unknown>) => loadDataset('libsvm', { path: small, ...keys }, { home });

describe('libsvm', () => {
  it('sparse lines become dense rows, absent features 0', async () => {
    const { train, outputs, classification } = await load({});
    expect(train.inputs.rowShape).toEqual([3]);
    expect([...train.inputs.values]).toEqual([0.5, 0, -2, 0, 10, 0, 0, 0, 0]);
    expect([...train.targets.values]).toEqual([1, 0, 1]);
    expect({ outputs, classification }).toEqual({ outputs: 2, classification: true });
  });

  it('features sets the width, and labels can be values', async () => {
    const { train } = await load({ features: 5, targets: 'values' });
    expect(train.inputs.rowShape).toEqual([5]);
    expect([...train.targets.values]).toEqual([1, -1, 1]);
  });

  it('the width is the largest index of both files', async () => {
    const { train, test } = await load({ testPath: write('test', '-1 4:1\n') });
    expect(train.inputs.rowShape).toEqual([4]);
    expect([...test!.inputs.values]).toEqual([0, 0, 0, 1]);
    expect([...test!.targets.values]).toEqual([0]);
  });

  it.each([
    ['an empty file', '# only this\n', ' holds no samples'],
    ['a label that is no number', '1 1:1\nred 1:1\n', ':2: the label "red" is not a number'],
    ['an index of 0', '1 0:1\n', ':1: the index 0 is below 1'],
    ['indices out of order', '1 1:1\n1 3:1 2:1\n', ':2: the index 2 follows 3'],
    ['an index twice', '1 3:1 3:1\n', ':1: the index 3 follows 3'],
    ['a pair without a value', '1 3:\n', ':1: "3:" is not a pair index:value'],
    ['a value that is no number', '1 3:x\n', ':1: "3:x" is not a pair index:value'],
    ['a broken index', '1 1.5:1\n', ':1: "1.5:1" is not a pair index:value'],
    ['a query id', '1 qid:3 1:1\n', ':1: "qid:3" is not a pair index:value'],
    ['an index beyond features', '1 1:1\n0 6:1\n', ':2: the index 6 exceeds features: 5'],
    ['a single class', '1 1:1\n1 2:1\n', ' holds one class only, "1"; a classification needs at least 2'],
  ])('%s is refused', async (_, content, fault) => {
    expect(await refusal(() => load({ path: write('bad', content), features: 5 }), home)).toMatchObject({
      message: `~/bad${fault}`,
      path: 'data.path',
    });
  });

  it('rows too wide to be dense are refused before memory is taken', async () => {
    const path = write('wide', '1 1:1\n0 2000000000:1\n');
    expect(await refusal(() => load({ path }))).toMatchObject({
      message: 'the data would take 16,000,000,000 bytes of memory as dense rows, the limit is 2,147,483,648',
      path: 'data.path',
    });
  });

  it('an unknown test label is refused', async () => {
    const testPath = write('test', '-1 1:1\n3 1:1\n');
    expect((await refusal(() => load({ testPath }), home)).message).toBe(
      '~/test:2: the class "3" does not occur in training, where "-1", "1" do',
    );
  });
});
