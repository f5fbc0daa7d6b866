/** What is tried before a run, so that what cannot be computed is told before it and not in its midst. */
import { togetherOnDeviceMax } from '../compute/device/device.js';
import type { Runner } from '../compute/runner.js';
import { BadInput, type ScenarioPath } from '../conditions.js';
import type { Engine } from '../kernel/effects.js';
import { scaledPenalty } from '../optimization/envelope.js';
import type { Coupling } from '../optimization/method.js';
import type { LoadedProblem } from './problem.js';
import type { Settings } from './schema.js';

interface Trial {
  readonly runner: Runner;
  readonly engine: Engine;
  /** Of the run, and of the envelopes that are measured. */
  readonly coupling: Coupling | undefined;
  readonly envelope: Coupling | undefined;
}

/** Tries the potentials and a worker step. Throws BadInput where one cannot be used or computed. */
export async function tryOut(problem: LoadedProblem, { runner, engine, coupling, envelope }: Trial): Promise<void> {
  try {
    await tryPotential(runner, coupling, ['algorithm', 'potential']);
    await tryPotential(runner, envelope, ['monitor', 'envelope']);
    await tryStep(engine, problem);
  } catch (error) {
    throw explained(error, problem.settings);
  }
}

/** At the start u = z_j: a potential that is not finite there, as one of the user's own may be, cannot be used. */
async function tryPotential(runner: Runner, coupling: Coupling | undefined, path: ScenarioPath): Promise<void> {
  if (coupling === undefined) return;
  const w = new Float32Array(coupling.penalty.layout.count);
  const { value, gradient, outside } = await runner.call(scaledPenalty(coupling), { w });
  if (outside![0] === 0 && Number.isFinite(value![0]!) && gradient!.every(Number.isFinite)) return;
  throw new BadInput('the potential is not finite at 0, where a run starts: u = z_j', {
    path,
    remedy: 'choose one whose domain contains 0, such as quad, and lambda and eta within the range of float32',
  });
}

/** One step of worker 0, thrown away; on a device, whose memory may not do for them, as many as workers may take at once. */
async function tryStep(engine: Engine, { settings, assignment, start }: LoadedProblem): Promise<void> {
  const { batchSize } = settings.data;
  const indices = assignment[0]!.slice(0, batchSize === 'full' ? undefined : batchSize);
  const inputs = {
    z: start,
    v: new Float32Array(start.length),
    u: start,
    sigma: Float32Array.of(0),
    fresh: Float32Array.of(1),
    inputs: { table: 'train/inputs', indices },
    targets: { table: 'train/targets', indices },
  };
  const count = settings.engine.device === 'cpu' ? 1 : Math.min(settings.workers, togetherOnDeviceMax.calls);
  const results = Array.from({ length: count }, () => engine.run({ task: 'workerStep', inputs }));
  for (const result of results) result.catch(() => undefined); // the first one tells
  for (const result of results) await (engine.wait?.(result) ?? result);
}

/** A model that the engine cannot compute, as a condition with its key; any other error as it is. */
function explained(error: unknown, { engine: { runner, device } }: Settings): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof BadInput && error.path === undefined) {
    return new BadInput(error.message, {
      path: ['model'],
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    });
  }
  const [, kernel] = /^Kernel '(\w+)' not registered for backend/.exec(error.message) ?? [];
  if (kernel === undefined) return error;
  return new BadInput(`the device ${device} of the runner ${runner} lacks ${kernel}, which this model needs`, {
    path: ['engine', 'device'],
    remedy: 'choose the runner onnx, or the device cpu',
  });
}
