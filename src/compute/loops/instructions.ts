/** By operator of ONNX, the instruction that does the same to four elements. */
export const instructions: Readonly<Record<string, string>> = {
  Abs: 'f32x4.abs',
  Add: 'f32x4.add',
  Div: 'f32x4.div',
  Mul: 'f32x4.mul',
  Neg: 'f32x4.neg',
  Sqrt: 'f32x4.sqrt',
  Sub: 'f32x4.sub',
};
