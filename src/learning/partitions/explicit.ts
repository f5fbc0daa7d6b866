import { z } from 'zod';
import { BadInput, type ScenarioPath } from '../../conditions.js';
import { readText } from '../inputFile.js';
import type { PartitionRow } from '../partition.js';

const lists = z.array(z.array(z.int().min(0)));

const options = z.object({
  indices: lists.optional().describe('For each worker, the list of its training samples, counted from 0'),
  path: z
    .string()
    .min(1)
    .optional()
    .describe("Path of a JSON file with such lists, for example a run's partition.json; give this or indices"),
});

/** The lists `I_j` as they are given, each put in ascending order. */
export const explicit: PartitionRow<typeof options> = {
  description: 'the lists of samples written out, or read from a JSON file',
  options,
  assign: ({ indices, path }, { workers, count, resolve }) => {
    if ((indices === undefined) === (path === undefined)) {
      throw new BadInput(
        `the partition explicit takes indices or path, ${indices === undefined ? 'neither' : 'both'} of them given`,
        { path: ['data', 'partition'], remedy: 'give exactly one of them' },
      );
    }
    const source =
      path === undefined
        ? { lists: indices!, called: 'indices', path: ['data', 'partition', 'indices'] }
        : readLists(resolve(path));
    if (source.lists.length !== workers) {
      throw new BadInput(`${source.called} holds ${source.lists.length} lists for ${workers} workers`, {
        path: source.path,
        remedy: 'give one list for each worker',
      });
    }
    return source.lists.map((list, worker) => {
      const sorted = Int32Array.from(list).sort();
      const fault = faultOf(list, sorted, count);
      if (fault === undefined) return sorted;
      throw new BadInput(`the list of worker ${worker} in ${source.called} ${fault}`, {
        path: source.path,
        remedy: `give each worker at least one sample, each once, from 0 to ${count - 1}`,
      });
    });
  },
};

function faultOf(list: readonly number[], sorted: Int32Array, count: number): string | undefined {
  if (list.length === 0) return 'is empty';
  const outside = list.find((index) => index >= count);
  if (outside !== undefined) return `holds sample ${outside}, and the training set has ${count}`;
  const twice = sorted.find((index, place) => index === sorted[place - 1]);
  return twice === undefined ? undefined : `holds sample ${twice} twice`;
}

function readLists(file: string): { lists: readonly (readonly number[])[]; called: string; path: ScenarioPath } {
  const path = ['data', 'partition', 'path'];
  const refuse = (fault: string): never => {
    throw new BadInput(`${file} ${fault}`, {
      path,
      remedy: 'give a JSON list of lists of whole numbers: [[0, 2], [1]]',
    });
  };
  const parsed = lists.safeParse(parseJson(readText({ file, path }), refuse));
  if (parsed.success) return { lists: parsed.data, called: file, path };
  const issue = parsed.error.issues[0]!;
  return refuse(`holds no lists of samples: ${issue.message} at [${issue.path.join('][')}]`);
}

function parseJson(text: string, refuse: (fault: string) => never): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse(`is no JSON: ${(error as Error).message}`);
  }
}
