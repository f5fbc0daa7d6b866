import { findEngines, type EngineReport } from '../../src/compute/engines.js';

/** The devices of ONNX Runtime that this machine has beside the processor. */
export async function findDevices(): Promise<EngineReport[]> {
  const engines = await findEngines();
  return engines.filter(
    ({ runner, device, library }) => runner === 'onnx' && device !== 'cpu' && library !== undefined,
  );
}
