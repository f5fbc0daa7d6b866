/**
 * Replicas: a function traced once for several sets of inputs, as `vmap` of JAX does. Where every replica has a tensor of
 * its own, kernels are called on all of them at once, with the replicas as the first axis; a kernel for which the table
 * below does not say how is called for each replica by itself, in the same graph.
 */
import { slice_util, util } from '@tensorflow/tfjs';
import type { OnnxGraph } from './onnx.js';
import { activationRules } from './rules/activations.js';
import { arithmeticRules } from './rules/arithmetic.js';
import { conditionRules } from './rules/conditions.js';
import { functionRules } from './rules/functions.js';
import type { Rule, RuleCall } from './rules/rule.js';
import { expanded, pack, withAxis } from './rules/shapes.js';
import { unpack } from './rules/slices.js';
import { converted, symbolOf, type SymbolType, type TraceSymbol } from './symbol.js';
import { sizeOf } from './table.js';

/** A tensor of which every replica has its own: stacked, with the replicas as the first axis, or apart, or both. */
export class Replicated {
  private constructor(
    /** The shape of one replica's tensor. */
    readonly shape: readonly number[],
    readonly dtype: SymbolType,
    private whole: TraceSymbol | undefined,
    private parts: readonly TraceSymbol[] | undefined,
  ) {}

  static stacked(symbol: TraceSymbol): Replicated {
    return new Replicated(symbol.shape.slice(1), symbol.dtype, symbol, undefined);
  }

  static apart(parts: readonly TraceSymbol[]): Replicated {
    const { shape, dtype } = parts[0]!;
    return new Replicated(shape, dtype, undefined, parts);
  }

  get isStacked(): boolean {
    return this.whole !== undefined;
  }

  /** `[replicas, ...shape]` */
  stacked(graph: OnnxGraph): TraceSymbol {
    this.whole ??= pack({ graph, list: this.parts!, inputs: {}, attributes: { axis: 0 } }) as TraceSymbol;
    return this.whole;
  }

  apart(graph: OnnxGraph): readonly TraceSymbol[] {
    this.parts ??= separated(graph, this.whole!);
    return this.parts;
  }
}

/** The tensor of each replica. Numbers that stand for conditions go on doing so. */
function separated(graph: OnnxGraph, whole: TraceSymbol): TraceSymbol[] {
  const { mask, shape, order, dtype } = whole;
  const value = mask === undefined ? whole : symbolOf(graph, mask, shape, order);
  const parts = unpack({ graph, list: [], inputs: { value }, attributes: { axis: 0 } }) as TraceSymbol[];
  return parts.map((part) => converted(graph, part, dtype));
}

/** What a kernel is called with: tensors that all replicas share, and tensors of each. */
export type Held = TraceSymbol | Replicated;

export interface ReplicatedCall {
  readonly graph: OnnxGraph;
  readonly replicas: number;
  readonly inputs: Readonly<Record<string, Held>>;
  readonly list: readonly Held[];
  readonly attributes: RuleCall['attributes'];
}

/** Calls a kernel of which an input is replicated. */
export function callReplicated(kernel: string, rule: Rule, call: ReplicatedCall): Held | Held[] {
  const held = [...Object.values(call.inputs), ...call.list];
  // What lies apart stays so on the processor: the convolutions from which it comes are worth more undisturbed.
  const together = call.graph.onDevice || held.every((input) => !(input instanceof Replicated) || input.isStacked);
  const stacked = together ? liftOf(kernel, call)?.(call) : undefined;
  if (stacked === undefined) return callApart(rule, call);
  const result = rule(stacked);
  return Array.isArray(result) ? result.map((symbol) => Replicated.stacked(symbol)) : Replicated.stacked(result);
}

const liftOf = (kernel: string, { graph }: ReplicatedCall): Lift | undefined =>
  lifts[kernel] ?? (graph.onDevice ? deviceLifts[kernel] : undefined);

function callApart(rule: Rule, call: ReplicatedCall): Held | Held[] {
  const results = Array.from({ length: call.replicas }, (_, replica) =>
    rule(ruleCall(call, (held) => (held instanceof Replicated ? held.apart(call.graph)[replica]! : held))),
  );
  const [first] = results;
  if (!Array.isArray(first)) return Replicated.apart(results as TraceSymbol[]);
  return first.map((_, output) => Replicated.apart((results as TraceSymbol[][]).map((outputs) => outputs[output]!)));
}

/** The call of a rule, with a symbol for every input. */
function ruleCall(
  { graph, inputs, list, attributes }: ReplicatedCall,
  symbolFor: (held: Held) => TraceSymbol,
): RuleCall {
  const symbols = Object.fromEntries(Object.entries(inputs).map(([name, held]) => [name, symbolFor(held)]));
  return { graph, inputs: symbols, list: list.map(symbolFor), attributes };
}

/** The call on stacked tensors that does the same for all replicas at once, or undefined where there is none. */
type Lift = (call: ReplicatedCall) => RuleCall | undefined;

type Attributes = RuleCall['attributes'];
type Shift = (attributes: Attributes, shape: readonly number[], replicas: number) => Attributes;

/** For inputs that broadcast: ones come between the replicas and the axes of those with fewer than others. */
const broadcasting: Lift = (call) => {
  const { graph, inputs, list } = call;
  const rank = Math.max(...[...Object.values(inputs), ...list].map(({ shape }) => shape.length));
  return ruleCall(call, (held) => {
    if (!(held instanceof Replicated)) return held;
    let symbol = held.stacked(graph);
    for (let axis = held.shape.length; axis < rank; axis += 1) symbol = withAxis(graph, symbol, 1);
    return symbol;
  });
};

/** For kernels that name axes: all inputs are stacked, and `shift` says what the attributes are then. */
const shifting =
  (shift: Shift): Lift =>
  (call) => {
    const { graph, replicas, inputs, list } = call;
    const { shape } = Object.values(inputs)[0] ?? list[0]!;
    const attributes = shift(call.attributes, shape, replicas);
    return ruleCall({ ...call, attributes }, (held) =>
      held instanceof Replicated ? held.stacked(graph) : expanded(graph, held, replicas),
    );
  };

/** The axes that the attribute `name` names, counted behind the replicas. */
const axesAfter = (axes: number | number[] | undefined, rank: number): number[] =>
  util
    .parseAxisParam(axes ?? Array.from({ length: rank }, (_, axis) => axis), new Array<number>(rank).fill(1))
    .map((axis) => axis + 1);

/** For kernels of one axis under the attribute `name`, of a tensor that has `more` axes than the first input. */
const oneAxis = (name: string, more = 0): Lift =>
  shifting((attributes, shape) => ({
    ...attributes,
    [name]: axesAfter(attributes[name] as number, shape.length + more)[0]!,
  }));

const reducing = shifting(({ axis, reductionIndices, ...attributes }, shape) => ({
  ...attributes,
  axis: axesAfter((axis ?? reductionIndices) as number | number[] | undefined, shape.length),
}));

const reshaping = shifting((attributes, shape, replicas) => ({
  ...attributes,
  shape: [replicas, ...util.inferFromImplicitShape(attributes['shape'] as number[], sizeOf(shape))],
}));

const transposing = shifting((attributes) => ({
  ...attributes,
  perm: [0, ...(attributes['perm'] as number[]).map((axis) => axis + 1)],
}));

const slicing = shifting((attributes, shape, replicas) => {
  const [begin, size] = slice_util.parseSliceParams(
    { shape: [...shape] } as Parameters<typeof slice_util.parseSliceParams>[0],
    attributes['begin'] as number[],
    attributes['size'] as number[],
  ) as [number[], number[]];
  return { ...attributes, begin: [0, ...begin], size: [replicas, ...size] };
});

const tiling = shifting((attributes) => ({ ...attributes, reps: [1, ...(attributes['reps'] as number[])] }));

const padding = shifting((attributes) => ({
  ...attributes,
  paddings: [[0, 0], ...(attributes['paddings'] as [number, number][])],
}));

const turning = shifting((attributes, shape) => ({
  ...attributes,
  dims: axesAfter(attributes['dims'] as number[], shape.length),
}));

/** Rows of each replica's own tensor, the same rows for all; or rows of one tensor, of each replica others. */
const gathering: Lift = (call) => {
  const { x, indices } = call.inputs as { x: Held; indices: Held };
  const { graph, attributes } = call;
  const [axis] = util.parseAxisParam(attributes['axis'] as number, [...x.shape]);
  if (x instanceof Replicated && !(indices instanceof Replicated)) {
    return {
      graph,
      list: [],
      inputs: { x: x.stacked(graph), indices },
      attributes: { ...attributes, axis: axis! + 1 },
    };
  }
  if (x instanceof Replicated || !(indices instanceof Replicated) || axis !== 0) return undefined;
  return { graph, list: [], inputs: { x, indices: indices.stacked(graph) }, attributes };
};

const named = (lift: Lift, ...kernels: string[]): Record<string, Lift> =>
  Object.fromEntries(kernels.map((kernel) => [kernel, lift]));

const lifts: Readonly<Record<string, Lift | undefined>> = {
  ...named(broadcasting, ...[functionRules, arithmeticRules, conditionRules, activationRules].flatMap(Object.keys)),
  ...named(broadcasting, 'BatchMatMul', '_FusedMatMul', 'FusedBatchNorm', 'Identity', 'OneHot', 'TopK'),
  ...named(broadcasting, 'ZerosLike', 'OnesLike'),
  ...named(reducing, 'Sum', 'Mean', 'Max', 'Min', 'Prod', 'All', 'Any', 'ArgMax', 'ArgMin'),
  ...named(oneAxis('axis'), 'Cumsum', 'Cumprod', 'Concat', 'SplitV', 'Unpack'),
  Pack: oneAxis('axis', 1),
  ExpandDims: oneAxis('dim', 1),
  Reshape: reshaping,
  Transpose: transposing,
  Slice: slicing,
  Tile: tiling,
  ...named(padding, 'PadV2', 'MirrorPad'),
  Reverse: turning,
  GatherV2: gathering,
};

/** For rules that take further axes in front, and inputs that all replicas share without them. */
const inFront: Lift = (call) =>
  ruleCall(call, (held) => (held instanceof Replicated ? held.stacked(call.graph) : held));

const deviceLifts: Readonly<Record<string, Lift | undefined>> = {
  ...named(inFront, 'Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter'),
  ...named(
    shifting((attributes) => attributes),
    ...['MaxPool', 'MaxPoolGrad', 'AvgPool', 'AvgPoolGrad'],
  ),
};
