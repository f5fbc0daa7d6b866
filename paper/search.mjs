/**
 * node paper/search.mjs RUNS: what the coarse search found, from the runs of scenarios/paper/search.yaml in RUNS, as a
 * markdown table. The configuration with the lowest test nll of each potential is marked.
 */
import { finalOf, potentials, readPoints } from './runs.mjs';
import { markdown } from './table.mjs';

const [runs] = process.argv.slice(2);
if (runs === undefined) {
  process.stderr.write('give the directory of the sweep, runs/search\n');
  process.exit(2);
}
const points = readPoints(runs);
const rows = potentials.flatMap((potential) => {
  const own = points.filter(({ name }) => name.replace(/-eta.*/, '') === potential);
  const losses = own.map((point) => finalOf(point, 'test_loss')?.mean ?? Infinity);
  return own.map((point, index) => {
    const [, eta, scaling] = /-eta(.*)-(scaled|mean)$/.exec(point.name);
    const mark = losses[index] === Math.min(...losses) ? 'lowest' : '';
    const shown = (measure, digits, factor = 1) => {
      const found = finalOf(point, measure);
      return found === undefined ? 'diverged' : (factor * found.mean).toFixed(digits);
    };
    const train = [shown('train_loss', 0), shown('train_error', 2, 100)];
    return [potential, eta, scaling, ...train, shown('test_loss', 1), shown('test_error', 2, 100), mark];
  });
});
const head = ['potential', 'eta', 'move of u', 'train nll', 'train error, %', 'test nll', 'test error, %', ''];
process.stdout.write(`${markdown(head, rows)}\n`);
