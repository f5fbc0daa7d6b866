/** Rules for activations, and for the kernels' habit of adding a bias and an activation in one call. */
import { converted, symbolOf, valueOf, type TraceSymbol } from '../symbol.js';
import { arithmeticRules } from './arithmetic.js';
import { binary, operator, real, unary, type Binary } from './elementwise.js';
import { factsOf, monotone } from './facts.js';
import { functionRules } from './functions.js';
import { cannotCompile, type Rule, type RuleCall, type SingleRule } from './rule.js';

const relu: SingleRule = ({ graph, inputs }) =>
  monotone(graph, inputs['x']!, (x) => {
    const value = valueOf(graph, x);
    const result = graph.node('Relu', [value], graph.dims(value));
    factsOf(graph).rectified.set(value, result);
    return symbolOf(graph, result, x.shape, x.order);
  });

const prelu: Binary = (write, x, alpha) => write('Where', write('Less', x, 0), write('Mul', alpha, x), x);

/** dy where y >= 0, else dy (y + 1), since y = exp(x) - 1 there. */
const eluGrad: Binary = (write, dy, y) => write('Where', write('Less', y, 0), write('Mul', dy, write('Add', y, 1)), dy);

/** An operator over the last axis, which may lie anywhere. */
function overLastAxis(name: string): SingleRule {
  return ({ graph, inputs }) => {
    const logits = converted(graph, inputs['logits']!, 'float32');
    const value = valueOf(graph, logits);
    const axis = logits.order.indexOf(logits.shape.length - 1);
    return symbolOf(
      graph,
      graph.node(name, [value], graph.dims(value), { attributes: { axis } }),
      logits.shape,
      logits.order,
    );
  };
}

export const activationRules: Readonly<Record<string, Rule>> = {
  Relu: relu,
  Relu6: unary((write, x) => write('Clip', x, 0, 6)),
  LeakyRelu: real((write, x, { alpha }) => write('LeakyRelu', x, { alpha: { float: alpha! } })),
  Prelu: binary(prelu, ['x', 'alpha']),
  Elu: real(operator('Elu')),
  EluGrad: binary(eluGrad, ['dy', 'y']),
  Selu: real(operator('Selu')),
  Softmax: overLastAxis('Softmax'),
};

/** Activations that the fused kernels name, as rules of `x` (and `alpha`). */
const fusedActivations: Readonly<Record<string, Rule | undefined>> = {
  linear: ({ inputs }) => inputs['x']!,
  relu: activationRules['Relu']!,
  relu6: activationRules['Relu6']!,
  elu: activationRules['Elu']!,
  prelu: activationRules['Prelu']!,
  leakyrelu: activationRules['LeakyRelu']!,
  sigmoid: functionRules['Sigmoid']!,
};

/** A fused kernel: `linear`, then a bias, then an activation. The kernel is named for the error alone. */
export function fused(kernel: string, linear: SingleRule): SingleRule {
  return (call) => {
    const { graph, inputs, attributes } = call;
    const run = (rule: Rule, named: RuleCall['inputs']): TraceSymbol => {
      const alpha = attributes['leakyreluAlpha'] as number | undefined;
      return rule({ graph, inputs: named, list: [], attributes: { alpha } }) as TraceSymbol;
    };
    const { bias, preluActivationWeights: alpha } = inputs;
    const product = linear(call);
    const sum = bias === undefined ? product : run(arithmeticRules['Add']!, { a: product, b: bias });
    const activation = (attributes['activation'] as string | undefined) ?? 'linear';
    const rule = fusedActivations[activation];
    if (rule === undefined) throw cannotCompile(kernel, `with the activation ${activation}`, 'apply it separately');
    return run(rule, { x: sum, ...(alpha && { alpha }) });
  };
}
