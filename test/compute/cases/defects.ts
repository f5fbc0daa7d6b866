/**
 * What libraries get wrong, by device and title of the test: TensorFlow.js 4.22.0 on WebAssembly, where some of
 * these destroy memory, so that they are not even run, and ONNX Runtime 1.30.0 on webgpu.
 */
const bools = 'reads conditions, one byte each, as if they had four, and destroys its memory';
const hanging = 'leaves out windows that hang over the image';
const pooled = 'has a wrong gradient of max pooling';
const angles = 'computes sin and cos to 2^-11 only, as WGSL allows';
const powers = 'fails where the last axis of a power is broadcast';
const resized = 'has the gradient of its own resizing wrong for batches';

export const defects: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  wasm: {
    'agrees on the values of comparisons of conditions': bools,
    'agrees on the values of casts between all types': bools,
    'agrees on the values of oneHot': 'writes whole numbers where real ones are asked for',
    'agrees on the gradients of oneHot': bools,
    'agrees on the values of arithmetic of whole numbers': 'clips whole numbers as if they were real',
    'agrees on the values of matMul of whole numbers': 'refuses whole numbers',
    'agrees on the values of fused matMul': 'adds the wrong bias where a factor is transposed',
    'agrees on the values of conv2d same with strides': 'gives zeros for unequal strides with the padding same',
    'agrees on the values of conv2d with the last windows hanging over': hanging,
    'agrees on the values of pooling with the last windows hanging over': hanging,
    'agrees on the values of depthwiseConv2d with the last windows hanging over': hanging,
    'agrees on the values of conv2d in NCHW': 'refuses NCHW',
    'agrees on the gradients of conv2d in NCHW': 'refuses NCHW',
    'agrees on the gradients of maxPool of windows that tile': pooled,
    'agrees on the gradients of maxPool of other windows': pooled,
    'agrees on the gradients of maxPool sends the gradient to the first of equals': pooled,
    'agrees on the gradients of avgPool with a border': 'counts the border in the gradient, not in the average',
    'agrees on the gradients of resizeNearestNeighbor': resized,
    'agrees on the gradients of resizeBilinear': resized,
  },
  webgpu: {
    'agrees on the values of sin': angles,
    'agrees on the values of cos': angles,
    'agrees on the gradients of sin': angles,
    'agrees on the gradients of cos': angles,
    'agrees on the gradients of tan': angles,
    'agrees on the values of pow': powers,
    'agrees on the gradients of pow': powers,
    'agrees on the gradients of norm': powers,
  },
};
