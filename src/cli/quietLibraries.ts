/** Keeps libraries from printing of their own accord: what they find amiss reaches the user as an error. */
import * as tf from '@tensorflow/tfjs';
import ort from 'onnxruntime-node';

export function quietLibraries(): void {
  // Else the eager runner greets every run with a recommendation of tfjs-node.
  tf.enableProdMode();
  // Else a device that is not there is also told in ONNX Runtime's own words.
  ort.env.logLevel = 'fatal';
}
