/** The tables that a scenario chooses from, and that a caller of the library may extend. */
import { datasets } from '../learning/datasets.js';
import type { DatasetRow } from '../learning/dataset.js';
import type { ModelRow } from '../learning/model.js';
import { models } from '../learning/models.js';
import { methodsOver, type Methods } from '../optimization/methods.js';
import { potentials, type PotentialRow } from '../optimization/potentials.js';

/** Rows of one's own, by the names that scenarios then use. */
export interface Extensions {
  readonly models?: Readonly<Record<string, ModelRow>>;
  readonly datasets?: Readonly<Record<string, DatasetRow>>;
  readonly potentials?: Readonly<Record<string, PotentialRow>>;
}

export interface Tables {
  readonly models: Readonly<Record<string, ModelRow>>;
  readonly datasets: Readonly<Record<string, DatasetRow>>;
  readonly potentials: Readonly<Record<string, PotentialRow>>;
  readonly methods: Methods;
}

export function extendTables(extensions: Extensions = {}): Tables {
  const allPotentials = { ...potentials, ...extensions.potentials };
  return {
    potentials: allPotentials,
    methods: methodsOver(allPotentials),
    models: { ...models, ...extensions.models },
    datasets: { ...datasets, ...extensions.datasets },
  };
}
