/** Rules for normalization: of batches, and of neighbouring channels. */
import type { OnnxGraph } from '../onnx.js';
import { arrange, symbolOf, valueOf, type TraceSymbol } from '../symbol.js';
import { writeBroadcast, writerOf } from './elementwise.js';
import type { Rule, RuleCall } from './rule.js';

/** offset + scale (x - mean) / sqrt(variance + epsilon) */
const batchNorm: Rule = ({ graph, inputs, attributes }) => {
  const { x, mean, variance, scale, offset } = inputs as Record<'x' | 'mean' | 'variance', TraceSymbol> &
    Partial<Record<'scale' | 'offset', TraceSymbol>>;
  const write = writerOf(graph);
  const deviation = write('Sqrt', write('Add', valueOf(graph, variance), attributes['varianceEpsilon'] as number));
  const factors = [mean, symbolOf(graph, deviation, variance.shape, variance.order)];
  const normal = writeBroadcast(graph, [x, ...factors], (_, value, center, width) =>
    write('Div', write('Sub', value, center), width),
  );
  const scaled = scale === undefined ? normal : writeBroadcast(graph, [normal, scale], (_, a, b) => write('Mul', a, b));
  return offset === undefined ? scaled : writeBroadcast(graph, [scaled, offset], (_, a, b) => write('Add', a, b));
};

/** The sums over the channels from `radius` before to `radius` after each, [batch, height, width, channels]. */
function neighbourSums(graph: OnnxGraph, values: string, radius: number): string {
  const dims = graph.dims(values);
  const channels = dims.at(-1)!;
  const size = 2 * radius + 1;
  const rows = graph.reshape(values, [1, 1, dims.slice(0, -1).reduce((a, b) => a * b, 1), channels]);
  const means = graph.node('AveragePool', [rows], graph.dims(rows), {
    attributes: { kernel_shape: [1, size], pads: [0, radius, 0, radius], count_include_pad: 1 },
  });
  return graph.reshape(writerOf(graph)('Mul', means, size), dims);
}

/** bias + alpha sum x_k^2 over the neighbours k of each channel. */
function norms(graph: OnnxGraph, x: string, attributes: RuleCall['attributes']): string {
  const { depthRadius, bias, alpha } = attributes as Record<'depthRadius' | 'bias' | 'alpha', number>;
  const write = writerOf(graph);
  return write('Add', write('Mul', neighbourSums(graph, write('Mul', x, x), depthRadius), alpha), bias);
}

/** x norm^-beta */
const localResponse: Rule = ({ graph, inputs, attributes }) => {
  const write = writerOf(graph);
  const x = arrange(graph, inputs['x']!);
  const power = write('Pow', norms(graph, x, attributes), -(attributes['beta'] as number));
  return symbolOf(graph, write('Mul', x, power), inputs['x']!.shape);
};

/** dy norm^-beta - 2 alpha beta x sum (dy_k y_k / norm_k) over the neighbours k. */
const localResponseGrad: Rule = ({ graph, inputs, attributes }) => {
  const { depthRadius, alpha, beta } = attributes as Record<'depthRadius' | 'alpha' | 'beta', number>;
  const write = writerOf(graph);
  const [x, y, dy] = ['x', 'y', 'dy'].map((name) => arrange(graph, inputs[name]!)) as [string, string, string];
  const norm = norms(graph, x, attributes);
  const mixed = neighbourSums(graph, write('Div', write('Mul', dy, y), norm), depthRadius);
  const direct = write('Mul', dy, write('Pow', norm, -beta));
  const value = write('Sub', direct, write('Mul', write('Mul', x, mixed), 2 * alpha * beta));
  return symbolOf(graph, value, inputs['x']!.shape);
};

export const normalizationRules: Readonly<Record<string, Rule>> = {
  FusedBatchNorm: batchNorm,
  LRN: localResponse,
  LRNGrad: localResponseGrad,
};
