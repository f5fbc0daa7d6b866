/** Rules for arithmetic of two numbers, and sums of many. */
import type { Value } from '../onnx.js';
import { converted, splat, symbolOf, type TraceSymbol } from '../symbol.js';
import { binary, broadcastShape, operator, writeBinary, writeBroadcast, type Write } from './elementwise.js';
import { factsOf, isSame, monotone } from './facts.js';
import type { Rule, SingleRule } from './rule.js';

/** x + 0, x - 0, x * 1, x / 1 are x. */
function withNeutral(name: string, neutral: number, sides: 'right' | 'both'): SingleRule {
  return ({ graph, inputs }) => {
    const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
    const shape = broadcastShape([a, b]).join();
    if (splat(b) === neutral && a.shape.join() === shape) return a;
    if (sides === 'both' && splat(a) === neutral && b.shape.join() === shape) return b;
    return writeBinary(graph, operator(name), a, b);
  };
}

/**
 * A product with a 0/1 mask selects: cheaper than a cast and a multiplication. Where the mask is 0, an
 * infinite or undefined factor gives 0.
 */
const multiply: Rule = (call) => {
  const { graph, inputs } = call;
  const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
  const [{ mask, shape, order }, other] = b.mask === undefined ? [a, b] : [b, a];
  if (mask === undefined) return withNeutral('Mul', 1, 'both')(call);
  const condition = symbolOf(graph, mask, shape, order);
  const { pooledGradients, positive } = factsOf(graph);
  const [pooled, compared] = [pooledGradients.get(other), positive.get(condition)];
  if (pooled !== undefined && compared !== undefined && isSame(compared, pooled.input)) {
    return pooled.whereInputIsPositive();
  }
  return writeBroadcast(graph, [condition, other], (write, where, value) => write('Where', where, value, 0));
};

const addN: Rule = ({ graph, list }) => {
  if (list.length === 1) return list[0]!;
  // The Sum of ONNX Runtime takes real numbers only, and is not there on webgpu.
  return writeBroadcast(graph, list, (write, ...values) => values.reduce((sum, value) => write('Add', sum, value)));
};

/** The remainder with the sign of b, as in Python. */
function modulo(write: Write, a: Value, b: Value): Value {
  const remainder = write('Mod', a, b, { fmod: 1 });
  const strange = write('Less', write('Mul', remainder, b), 0);
  return write('Where', strange, write('Add', remainder, b), remainder);
}

/** The rule `whole` for int32 and `fraction` for float32. */
const byType =
  (whole: SingleRule, fraction: SingleRule): SingleRule =>
  (call) =>
    (call.inputs['a']!.dtype === 'int32' ? whole : fraction)(call);

/** floor(a / b) as int32, whatever the types are. */
const floorDiv = byType(
  binary((write, a, b) => write('Div', write('Sub', a, write('Mod', a, b)), b)),
  (call) => converted(call.graph, binary((write, a, b) => write('Floor', write('Div', a, b)))(call), 'int32'),
);

/** The angle of (b, a): atan(a / b), turned by pi where b < 0. */
function atan2(write: Write, a: Value, b: Value): Value {
  const half = write('Atan', write('Div', a, b));
  const turn = write('Where', write('Less', a, 0), -Math.PI, Math.PI);
  const angle = write('Where', write('Less', b, 0), write('Add', half, turn), half);
  return write('Where', write('Equal', b, 0), write('Mul', write('Sign', a), Math.PI / 2), angle);
}

/** A sum; a convolution takes a bias for each channel itself. */
const add: SingleRule = (call) => {
  const { graph, inputs } = call;
  const { a, b } = inputs as { a: TraceSymbol; b: TraceSymbol };
  const plain = withNeutral('Add', 0, 'both');
  const isPerChannel = a.shape.length === 4 && b.shape.length === 1 && b.shape[0] === a.shape[3];
  if (!isPerChannel) return plain(call);
  return monotone(graph, a, (images) => {
    const biased = factsOf(graph).biased.get(images);
    return biased?.(b) ?? plain({ ...call, inputs: { a: images, b } });
  });
};

export const arithmeticRules: Readonly<Record<string, Rule>> = {
  Add: add,
  AddN: addN,
  Sub: withNeutral('Sub', 0, 'right'),
  Multiply: multiply,
  RealDiv: withNeutral('Div', 1, 'right'),
  FloorDiv: floorDiv,
  Mod: byType(binary(operator('Mod')), binary(modulo)),
  Maximum: binary(operator('Max')),
  Minimum: binary(operator('Min')),
  Pow: binary(operator('Pow')),
  Atan2: binary(atan2),
  SquaredDifference: binary((write, a, b) => {
    const difference = write('Sub', a, b);
    return write('Mul', difference, difference);
  }),
};
