/** Modules of loops over the memory of one program. */
import type { LoopFunction } from './text.js';

export type LoopCall = (...addresses: number[]) => void;

/** What a module of loops has. */
export interface Functions {
  readonly before?: LoopCall;
  readonly each?: LoopCall;
  readonly after?: LoopCall;
  readonly notFinite: (from: number, bytes: number) => number;
}

const compiled = new Map<string, Promise<WebAssembly.Module>>();

async function compile(text: string): Promise<WebAssembly.Module> {
  // Loaded where there are loops: it takes as long as all the rest of a small run.
  const { default: wabt } = await import('wabt');
  const module = (await wabt()).parseWat('loops', text);
  try {
    return await WebAssembly.compile(module.toBinary({}).buffer);
  } finally {
    module.destroy();
  }
}

export async function functionsOf(text: string, memory: WebAssembly.Memory): Promise<Functions> {
  let module = compiled.get(text);
  if (module === undefined) compiled.set(text, (module = compile(text)));
  const { exports } = await WebAssembly.instantiate(await module, { straggler: { memory } });
  return exports as unknown as Functions;
}
