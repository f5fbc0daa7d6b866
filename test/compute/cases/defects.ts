/**
 * What libraries get wrong, by engine and title of the test: TensorFlow.js 4.22.0 on WebAssembly, where some of
 * these destroy memory, so that they are not even run, ONNX Runtime 1.30.0 on webgpu, and TensorFlow.js 4.22.0 on
 * WebGPU, where a shader that does not compile leaves what lay in the memory of its output.
 */
const bools = 'reads conditions, one byte each, as if they had four, and destroys its memory';
const hanging = 'leaves out windows that hang over the image';
const pooled = 'has a wrong gradient of max pooling';
const angles = 'computes sin and cos to 2^-11 only, as WGSL allows';
const powers = 'fails where the last axis of a power is broadcast';
const borders = 'counts the border in the gradient, not in the average';
const turnedBools = 'writes shaders that do not compile to transpose conditions';
const lengths = 'takes the shader for the first length summed in reverse for every length';
const resized = 'has the gradient of its own resizing wrong for batches';

export const defects: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'eager wasm': {
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
    'agrees on the values of conv2d of many channels in NCHW': 'refuses NCHW',
    'agrees on the gradients of conv2d of many channels in NCHW': 'refuses NCHW',
    'agrees on the gradients of maxPool of windows that tile': pooled,
    'agrees on the gradients of maxPool of other windows': pooled,
    'agrees on the gradients of maxPool sends the gradient to the first of equals': pooled,
    'agrees on the gradients of avgPool with a border': borders,
    'agrees on the gradients of resizeNearestNeighbor': resized,
    'agrees on the gradients of resizeBilinear': resized,
  },
  'onnx webgpu': {
    'agrees on the values of sin': angles,
    'agrees on the values of cos': angles,
    'agrees on the gradients of sin': angles,
    'agrees on the gradients of cos': angles,
    'agrees on the gradients of tan': angles,
    'agrees on the values of pow': powers,
    'agrees on the gradients of pow': powers,
    'agrees on the gradients of norm': powers,
  },
  'eager webgpu': {
    'agrees on the values of sin': angles,
    'agrees on the values of cos': angles,
    'agrees on the gradients of sin': angles,
    'agrees on the gradients of cos': angles,
    'agrees on the gradients of tan': angles,
    'agrees on the values of masks multiply': turnedBools,
    'agrees on the gradients of masks multiply': turnedBools,
    'agrees on the values of all': turnedBools,
    'agrees on the values of any': turnedBools,
    'agrees on the values of cumsum': lengths,
    'agrees on the gradients of cumsum': lengths,
    'agrees on the values of cumsum and cumprod along every axis': lengths,
    'agrees on the gradients of prod': lengths,
    'agrees on the values of outputs of constants alone': 'divides by zero in a linspace of one number',
    'agrees on the values of unsortedSegmentSum': 'adds segments past the last to the first',
    'agrees on the gradients of maxPool sends the gradient to the first of equals': 'sends it to the last of equals',
    'agrees on the gradients of avgPool with a border': borders,
    'agrees on the gradients of resizeNearestNeighbor': resized,
    'agrees on the gradients of resizeBilinear': resized,
  },
};
