/** Loops as WebAssembly text: four elements at a time, each node rounded as in ONNX Runtime, so that bits are the same. */
import { sizeOf } from '../table.js';
import type { Node, Value } from '../onnx.js';
import { instructions } from './instructions.js';
import { operandsOf, type Loop, type Place, type Split } from './parts.js';

/** A function, and the places whose addresses it takes. */
export interface LoopFunction {
  readonly text: string;
  readonly takes: readonly Place[];
}

const get = (name: string): string => `(local.get $${name})`;
const set = (name: string, value: string): string => `(local.set $${name} ${value})`;
const lines = (list: readonly string[]): string => list.join('\n');

/** `loop` as a function of that name; undefined where it has no result. */
export function loopFunction(name: string, loop: Loop, split: Split): LoopFunction | undefined {
  const { nodes, keeps, sums = new Map<Value, Value>() } = loop;
  if (keeps.length + sums.size === 0) return undefined;
  const { listing, length, numbers, places } = split;
  const operands = operandsOf(loop);
  const vectors = operands.filter((value) => sizeOf(listing.types.get(value)!.dims) > 1);
  const scalars = operands.filter((value) => !vectors.includes(value));
  const placed = [...new Set([...operands, ...keeps, ...sums.keys()])].filter((value) => !numbers.has(value));
  const locals = [...operands, ...nodes.flatMap(({ outputs }) => outputs)];
  const local = (value: Value): string => `x${locals.indexOf(value)}`;
  const address = (value: Value): string => `at${placed.indexOf(value)}`;
  const at = (value: Value): string => `(i32.add ${get(address(value))} ${get('byte')})`;
  const scalar = (value: Value): string =>
    numbers.has(value)
      ? `(f32x4.splat (f32.const ${literal(numbers.get(value)!)}))`
      : `(v128.load32_splat ${get(address(value))})`;
  const added = (sum: Value, value: Value): string => `(f32x4.add (v128.load ${at(sum)}) ${get(local(value))})`;
  const calculated = ({ operator, inputs }: Node): string =>
    `(${instructions[operator]!} ${inputs.map((value) => get(local(value))).join(' ')})`;
  const stores = [
    ...keeps.map((value) => [value, get(local(value))]),
    ...[...sums].map(([sum, value]) => [sum, added(sum, value)]),
  ] as const;
  const text = `(func (export "${name}") ${placed.map((value) => `(param $${address(value)} i32)`).join(' ')}
    (local $byte i32)
    ${locals.map((value) => `(local $${local(value)} v128)`).join(' ')}
    ${lines(scalars.map((value) => set(local(value), scalar(value))))}
    (loop $next
      ${lines(vectors.map((value) => set(local(value), `(v128.load ${at(value)})`)))}
      ${lines(nodes.map((node) => set(local(node.outputs[0]!), calculated(node))))}
      ${lines(stores.map(([value, result]) => `(v128.store ${at(value!)} ${result!})`))}
      (br_if $next (i32.lt_u (local.tee $byte (i32.add ${get('byte')} (i32.const 16))) (i32.const ${4 * length})))))`;
  return { text, takes: placed.map((value) => places.get(value)!) };
}

/** A float32 number as it is written. */
function literal(number: number): string {
  if (Number.isNaN(number)) return 'nan';
  if (Object.is(number, -0)) return '-0';
  return Number.isFinite(number) ? String(Math.fround(number)) : number > 0 ? 'inf' : '-inf';
}

const magnitudes = (address: string): string =>
  `(v128.and (v128.load ${address}) (i32x4.splat (i32.const 0x7fffffff)))`;
const largest = (address: string): string => set('largest', `(i32x4.max_u ${get('largest')} ${magnitudes(address)})`);

/** 1 where any of the numbers, which are four or more, is not finite, else 0: magnitudes compare as whole numbers do. */
const notFinite = `(func (export "notFinite") (param $from i32) (param $bytes i32) (result i32)
    (local $last i32) (local $largest v128)
    ${set('last', `(i32.sub (i32.add ${get('from')} ${get('bytes')}) (i32.const 16))`)}
    (loop $next
      ${largest(get('from'))}
      (br_if $next (i32.lt_u (local.tee $from (i32.add ${get('from')} (i32.const 16))) ${get('last')})))
    ${largest(get('last'))}
    (v128.any_true (i32x4.ge_u ${get('largest')} (i32x4.splat (i32.const 0x7f800000)))))`;

/** A module of functions over the memory that it is given. */
export const moduleText = (functions: readonly LoopFunction[]): string =>
  `(module (import "straggler" "memory" (memory 1))\n${lines([...functions.map(({ text }) => text), notFinite])})`;
