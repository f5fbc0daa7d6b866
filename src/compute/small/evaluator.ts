/**
 * Small programs, evaluated node by node in JavaScript: a call of ONNX Runtime takes ten microseconds and more, whatever
 * it does.
 */
import type { Feeds, Tables } from '../feeds.js';
import { Ports, type Evaluation } from '../ports.js';
import type { Listing, Value } from '../onnx.js';
import type { Program } from '../trace.js';
import { arrayFor, operators, type Operand, type Values } from './operators.js';

export class Evaluator {
  private readonly ports: Ports;
  private readonly work: (() => void)[] = [];

  private constructor(program: Program, { types, constants, nodes, outputs }: Listing) {
    this.ports = new Ports(program);
    const arrays = new Map<Value, Values>();
    const operand = (value: Value): Operand => ({ ...types.get(value)!, values: arrays.get(value)! });
    for (const [name, { values }] of Object.entries(this.ports.in)) arrays.set(name, values);
    for (const { name, values, ...type } of constants) {
      const array = arrayFor(type);
      array.set(values);
      arrays.set(name, array);
    }
    for (const { operator, inputs, outputs: given, attributes } of nodes) {
      const typesOfOutputs = given.map((value) => types.get(value)!);
      const { outputs: filled, run } = operators[operator]!({
        inputs: inputs.map(operand),
        outputs: typesOfOutputs,
        attributes,
      });
      for (const [index, value] of given.entries()) arrays.set(value, filled[index]!);
      if (run !== undefined) this.work.push(run);
    }
    for (const [name, value] of outputs) {
      const [from, to] = [arrays.get(value)!, this.ports.out[name]!.values];
      this.work.push(() => {
        to.set(from);
      });
    }
  }

  /** What evaluates `program`; undefined where it is not small, or has an operator that is not in the table. */
  static for(program: Program): Evaluator | undefined {
    const { listing } = program;
    const isKnown = listing?.nodes.every(({ operator }) => operator in operators) === true;
    return isKnown ? new Evaluator(program, listing) : undefined;
  }

  /** Evaluates the feeds of every replica. */
  evaluate(feeds: readonly Feeds[], tables: Tables): Evaluation[] {
    this.ports.take(feeds, tables);
    for (const run of this.work) run();
    return feeds.map((_, replica) => this.ports.give(replica));
  }
}
