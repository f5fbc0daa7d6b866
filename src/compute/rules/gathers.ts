/** Rules that address elements by index. */
import { util } from '@tensorflow/tfjs';
import type { OnnxGraph, Value } from '../onnx.js';
import {
  arrange,
  converted,
  narrowed,
  physicalDims,
  symbolOf,
  valueOf,
  type SymbolType,
  type TraceSymbol,
} from '../symbol.js';
import { constantOf } from './creation.js';
import { writerOf } from './elementwise.js';
import { cannotCompile, type Rule } from './rule.js';
import { integers } from './shapes.js';

const gather: Rule = ({ graph, inputs, attributes }) => {
  const { x, indices } = inputs as { x: TraceSymbol; indices: TraceSymbol };
  const axis = util.parseAxisParam(attributes['axis'] as number, [...x.shape])[0]!;
  if ((attributes['batchDims'] as number) > 0) {
    throw cannotCompile('GatherV2', 'with batchDims', 'gather from the reshaped tensor with offsets for the batch');
  }
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const value = graph.node('Gather', [arrange(graph, x), arrange(graph, indices)], shape, { attributes: { axis } });
  return symbolOf(graph, value, shape);
};

/** The value of whole numbers as int64, which some ONNX operators insist on. */
function wide(graph: OnnxGraph, value: Value): Value {
  return graph.node('Cast', [value], graph.dims(value), { type: 'int64', attributes: { to: 7 } });
}

/** Each row of `indices` is a place in the first axes of `params`. */
const gatherNd: Rule = ({ graph, inputs }) => {
  const { params, indices } = inputs as { params: TraceSymbol; indices: TraceSymbol };
  const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(indices.shape.at(-1))];
  const value = graph.node('GatherND', [arrange(graph, params), wide(graph, arrange(graph, indices))], shape);
  return symbolOf(graph, value, shape);
};

/**
 * Row s of the result sums the rows of x whose id is s; other ids count for nothing. On a GPU the rows of one id
 * may be added in another order at each run.
 */
const unsortedSegmentSum: Rule = ({ graph, inputs, attributes }) => {
  const { x, segmentIds } = inputs as { x: TraceSymbol; segmentIds: TraceSymbol };
  const segments = attributes['numSegments'] as number;
  if (segmentIds.shape.length !== 1) {
    throw cannotCompile('UnsortedSegmentSum', 'with ids of several axes', 'flatten the ids and the rows');
  }
  const write = writerOf(graph);
  const ids = valueOf(graph, segmentIds);
  const known = write('And', write('GreaterOrEqual', ids, 0), write('Less', ids, segments));
  // Rows of no segment go to one more, which is cut off.
  const places = graph.reshape(wide(graph, write('Where', known, ids, segments)), [...segmentIds.shape, 1]);
  const rowShape = x.shape.slice(1);
  const dims = [segments + 1, ...rowShape];
  const zeros = graph.expand(graph.constant(x.dtype, [], [0]), dims);
  const operands = [zeros, places, arrange(graph, x)];
  const sums = graph.node('ScatterND', operands, dims, { attributes: { reduction: 'add' } });
  const shape = [segments, ...rowShape];
  return symbolOf(graph, graph.cropped(sums, shape), shape);
};

const oneHot: Rule = ({ graph, inputs, attributes }) => {
  const indices = inputs['indices']!;
  const depth = attributes['depth'] as number;
  const dtype = (attributes['dtype'] as SymbolType | undefined) ?? 'int32';
  const on = (attributes['onValue'] as number | undefined) ?? 1;
  const off = (attributes['offValue'] as number | undefined) ?? 0;
  const shape = [...indices.shape, depth];
  const write = writerOf(graph);
  const classes = valueOf(
    graph,
    constantOf([depth], 'int32', (index) => index),
  );
  const hit = write('Equal', graph.reshape(arrange(graph, indices), [...indices.shape, 1]), classes);
  if (on === 1 && off === 0) return converted(graph, symbolOf(graph, hit, shape), dtype);
  return converted(graph, symbolOf(graph, write('Where', hit, on, off), shape), dtype);
};

/** The k largest along the last axis, and where they were; the first of equals first. */
const topK: Rule = ({ graph, inputs, attributes }) => {
  const x = inputs['x']!;
  const { k, sorted } = attributes as { k: number; sorted: boolean };
  const shape = [...x.shape.slice(0, -1), k];
  const dims = physicalDims(shape, x.order);
  const axis = x.order.indexOf(shape.length - 1);
  const outputs = [
    { dims, type: x.dtype },
    { dims, type: 'int64' },
  ] as const;
  const flags = { axis, sorted: sorted ? 1 : 0 };
  const [values, places] = graph.nodeOf('TopK', [valueOf(graph, x), integers(graph, [k])], outputs, flags);
  return [symbolOf(graph, values!, shape, x.order), narrowed(graph, places!, shape, x.order)];
};

export const gatherRules: Readonly<Record<string, Rule>> = {
  GatherV2: gather,
  GatherNd: gatherNd,
  UnsortedSegmentSum: unsortedSegmentSum,
  OneHot: oneHot,
  TopK: topK,
};
