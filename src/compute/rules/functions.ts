/** Rules for functions of one number. */
import { operator, real, unary, type Write } from './elementwise.js';
import type { Value } from '../onnx.js';
import type { Rule } from './rule.js';

const same = (name: string): Rule => real(operator(name));

/** log(1 + x) without loss near 0: with u = 1 + x rounded, log(u) x / (u - 1) (Kahan). */
export function log1p(write: Write, x: Value): Value {
  const u = write('Add', x, 1);
  const ratio = write('Div', x, write('Sub', u, 1));
  return write('Where', write('Equal', u, 1), x, write('Mul', write('Log', u), ratio));
}

/** exp(x) - 1; near 0, where that loses digits, 2 t / (1 - t) with t = tanh(x / 2). */
function expm1(write: Write, x: Value): Value {
  const t = write('Tanh', write('Mul', x, 0.5));
  const near = write('Div', write('Add', t, t), write('Sub', 1, t));
  const far = write('Sub', write('Exp', x), 1);
  return write('Where', write('Less', write('Abs', x), 0.5), near, far);
}

/** max(x, 0) + log(1 + exp(-|x|)): exp never overflows. */
function softplus(write: Write, x: Value): Value {
  const tail = write('Exp', write('Neg', write('Abs', x)));
  return write('Add', write('Relu', x), log1p(write, tail));
}

/** A rule that changes float32 only: whole numbers are their own floor. */
const rounding = (name: string): Rule => {
  const round = unary(operator(name));
  return (call) => (call.inputs['x']!.dtype === 'float32' ? round(call) : call.inputs['x']!);
};

export const functionRules: Readonly<Record<string, Rule>> = {
  Abs: unary(operator('Abs')),
  Neg: unary(operator('Neg')),
  Sign: unary(operator('Sign')),
  Square: unary((write, x) => write('Mul', x, x)),
  Floor: rounding('Floor'),
  Ceil: rounding('Ceil'),
  Round: rounding('Round'),
  ClipByValue: unary((write, x, { clipValueMin, clipValueMax }) => write('Clip', x, clipValueMin!, clipValueMax!)),
  Exp: same('Exp'),
  Expm1: real(expm1),
  Log: same('Log'),
  Log1p: real(log1p),
  Sqrt: same('Sqrt'),
  Rsqrt: real((write, x) => write('Reciprocal', write('Sqrt', x))),
  Reciprocal: same('Reciprocal'),
  Sigmoid: same('Sigmoid'),
  Softplus: real(softplus),
  Erf: same('Erf'),
  Sin: same('Sin'),
  Cos: same('Cos'),
  Tan: same('Tan'),
  Asin: same('Asin'),
  Acos: same('Acos'),
  Atan: same('Atan'),
  Sinh: same('Sinh'),
  Cosh: same('Cosh'),
  Tanh: same('Tanh'),
  Asinh: same('Asinh'),
  Acosh: same('Acosh'),
  Atanh: same('Atanh'),
};
