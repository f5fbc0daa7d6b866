/** The table of methods: what a worker and the consensus node compute, with the method's own keys. */
import { alternating, type Potentials } from './methods/alternating.js';
import { allReduceEa, eamsgd, easgd } from './methods/elastic.js';
import { asyncSgd, momentumDownpour } from './methods/parameterServer.js';
import { downpour, localSgd } from './methods/restarting.js';
import { msgd } from './methods/sequential.js';

/** The methods, with the potentials that Algorithm 1 chooses from. */
export function methodsOver(potentials: Potentials) {
  return {
    alternating: alternating(potentials),
    easgd,
    eamsgd,
    'allreduce-ea': allReduceEa,
    downpour,
    mdownpour: momentumDownpour,
    'async-sgd': asyncSgd,
    'local-sgd': localSgd,
    msgd,
  } as const;
}

export type Methods = ReturnType<typeof methodsOver>;
