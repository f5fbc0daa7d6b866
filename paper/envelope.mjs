/**
 * node paper/envelope.mjs RUN [OUT]: the gradient of the envelope beside that of the loss, from a run of
 * scenarios/mnist-envelope.yaml, written to OUT (RUN by default) as envelope.svg and, as data, envelope.csv.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { figure } from './figure.mjs';
import { courseOf } from './runs.mjs';

const [run, out = run] = process.argv.slice(2);
if (run === undefined) {
  process.stderr.write('give the directory of a run of mnist-envelope\n');
  process.exit(2);
}
const names = ['gap_mean', 'envelope_gradient', 'loss_gradient'];
// At iteration 0 the gap is 0, and there is nothing to plot.
const courses = Object.fromEntries(names.map((name) => [name, courseOf({ path: run }, name).slice(1)]));

/** How far the logarithm goes up and down from one measurement to the next, on average. */
function roughness(name) {
  const logarithms = courses[name].map(([, value]) => Math.log(value));
  const steps = logarithms.slice(1).map((value, index) => Math.abs(value - logarithms[index]));
  return steps.reduce((sum, step) => sum + step, 0) / steps.length;
}

const panels = [
  { title: 'gradient norms', names: ['envelope_gradient', 'loss_gradient'] },
  { title: 'mean gap ||u - z_j||', names: ['gap_mean'] },
].map(({ title, names: shown }) => ({ title, curves: shown.map((name) => ({ name, points: courses[name] })) }));
const lines = courses['gap_mean'].map(([iteration], row) => [iteration, ...names.map((name) => courses[name][row][1])]);

mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'envelope.svg'), figure(panels));
writeFileSync(
  join(out, 'envelope.csv'),
  [['iteration', ...names], ...lines].map((row) => `${row.join(',')}\n`).join(''),
);
for (const name of names) {
  const [first, last] = [courses[name][0], courses[name].at(-1)].map(([, value]) => value.toPrecision(3));
  process.stdout.write(
    `${name}: ${first} at first, ${last} at last; the logarithm moves by ${roughness(name).toFixed(3)} a measurement\n`,
  );
}
process.stdout.write(`written to ${out}: envelope.svg, envelope.csv\n`);
