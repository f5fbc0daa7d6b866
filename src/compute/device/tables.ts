/** Functions of rows of tables, where the tables lie on a device: there they take the tables, and which rows. */
import type * as tf from '@tensorflow/tfjs';
import { tableShape, type DeviceMemory } from './memory.js';
import type { InputValue, Tables } from '../feeds.js';
import type { Call } from '../place.js';
import type { InputSpec, TensorFunction } from '../tensorFunction.js';

/** An input that is rows of a table on the device, and the input that says which. */
interface Tabled {
  readonly name: string;
  readonly table: string;
  readonly rows: string;
}

export class DeviceTables {
  private readonly known = new Map<TensorFunction, Map<string, TensorFunction>>();

  constructor(
    private readonly memory: DeviceMemory,
    private readonly tables: Tables,
  ) {}

  /** The call, with tables and the numbers of rows in place of rows. Inputs that take the same rows share them. */
  resolve({ definition, feeds }: Call): Call {
    const given: Record<string, InputValue> = { ...feeds };
    const tabled: Tabled[] = [];
    let key = '';
    const rows: Int32Array[] = [];
    for (const name of Object.keys(definition.inputs)) {
      const value = feeds[name];
      if (value === undefined || !('table' in value)) continue;
      const vector = this.memory.table(this.tables[value.table]!);
      if (vector === undefined) continue;
      if (!rows.includes(value.indices)) rows.push(value.indices);
      const place = `rows${rows.indexOf(value.indices)}`;
      tabled.push({ name, table: value.table, rows: place });
      key += `${name} ${value.table} ${place};`;
      given[name] = vector;
      given[place] = value.indices;
    }
    return tabled.length === 0
      ? { definition, feeds }
      : { definition: this.functionOf(definition, tabled, key), feeds: given };
  }

  private functionOf(definition: TensorFunction, tabled: readonly Tabled[], key: string): TensorFunction {
    let functions = this.known.get(definition);
    if (functions === undefined) this.known.set(definition, (functions = new Map<string, TensorFunction>()));
    let known = functions.get(key);
    if (known === undefined) functions.set(key, (known = this.taking(definition, tabled)));
    return known;
  }

  private taking(definition: TensorFunction, tabled: readonly Tabled[]): TensorFunction {
    const tables = tabled.map(({ name, table }): [string, InputSpec] => {
      const { dtype } = this.tables[table]!;
      return [name, { shape: tableShape(this.tables[table]!), dtype }];
    });
    const rows = tabled.map((input): [string, InputSpec] => [input.rows, { shape: [null], dtype: 'int32' }]);
    return {
      name: definition.name,
      inputs: { ...definition.inputs, ...Object.fromEntries(tables), ...Object.fromEntries(rows) },
      evaluate: (inputs) => {
        const taken = tabled.map(({ name, rows: which }): [string, tf.Tensor] => [
          name,
          inputs[name]!.gather(inputs[which] as tf.Tensor1D),
        ]);
        return definition.evaluate({ ...inputs, ...Object.fromEntries(taken) });
      },
    };
  }
}
