export type LoopCall = (...addresses: number[]) => void;

/** What a module of loops has. */
export interface Functions {
  readonly before?: LoopCall;
  readonly each?: LoopCall;
  readonly after?: LoopCall;
  readonly notFinite: (from: number, bytes: number) => number;
}

/** The functions of a module over `memory`. */
export function functionsOf(code: Uint8Array, memory: WebAssembly.Memory): Functions {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { straggler: { memory } });
  return instance.exports as Functions;
}
