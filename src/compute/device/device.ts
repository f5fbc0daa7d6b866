/** A device other than the processor, where functions are evaluated on this thread, one call after the other. */
import type { Vector } from '../../vector.js';
import type { Feeds, Tables } from '../feeds.js';
import { checked, countNotFinite } from '../checked.js';
import type { Call, Place } from '../place.js';
import type { Evaluation } from '../ports.js';
import type { TensorFunction } from '../tensorFunction.js';
import type { Program } from '../trace.js';
import { DeviceMemory } from './memory.js';
import { DeviceSession } from './session.js';
import { withinMemory } from '../shortage.js';
import { DeviceTables } from './tables.js';

// How many calls are evaluated together at most, and how many elements their largest tensors have then.
export const togetherOnDeviceMax = { calls: 256, elements: 128 * 1024 * 1024 };

export class Device implements Place {
  readonly isProcessor = false;
  private readonly sessions = new Map<Program, Promise<DeviceSession>>();

  private constructor(
    private readonly tables: Tables,
    private readonly memory: DeviceMemory,
    private readonly resident: DeviceTables,
    private readonly stays: boolean,
  ) {}

  /** `stays` says whether large results stay there. */
  static async open(name: string, tables: Tables, stays: boolean): Promise<Device> {
    const memory = await withinMemory(name, 'hold the data', DeviceMemory.open(name, tables));
    return new Device(tables, memory, new DeviceTables(memory, tables), stays);
  }

  resolve(call: Call): Call {
    return this.resident.resolve(call);
  }

  completed(definition: TensorFunction): TensorFunction {
    return this.stays ? checked(definition, countNotFinite) : definition;
  }

  mostTogether({ largest }: Program): number {
    return Math.min(togetherOnDeviceMax.calls, togetherOnDeviceMax.elements / largest);
  }

  async evaluate(program: Program, calls: readonly Feeds[]): Promise<Evaluation<Vector>[]> {
    let session = this.sessions.get(program);
    if (session === undefined) {
      this.sessions.set(program, (session = DeviceSession.open(program, this.memory, this.stays)));
    }
    const evaluation = session.then((opened) => opened.evaluate(calls, this.tables));
    return withinMemory(this.memory.device, `evaluate ${program.name}, ${calls.length} at once`, evaluation);
  }

  help(): undefined {
    return undefined;
  }

  async onCpu(): Promise<Record<string, string[]>> {
    const left: Record<string, string[]> = {};
    for (const [{ name }, opening] of this.sessions) {
      const { onCpu } = await opening;
      if (onCpu.length > 0) left[name] = [...new Set([...(left[name] ?? []), ...onCpu])].sort();
    }
    return left;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
