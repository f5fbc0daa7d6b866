/**
 * node paper/report.mjs RUNS [OUT]: Table 1 and Figure 1 from the runs of scenarios/paper/paper.yaml in RUNS, printed
 * and written to OUT (RUNS by default) as report.md and figure1.svg.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { claims } from './claims.mjs';
import { figure } from './figure.mjs';
import { courseOf, potentials, readPoints } from './runs.mjs';
import { markdown, table1 } from './table.mjs';

const [runs, out = runs] = process.argv.slice(2);
if (runs === undefined) {
  process.stderr.write('give the directory of the sweep, runs/paper\n');
  process.exit(2);
}
const points = readPoints(runs);
const count = (wanted) => points.flatMap((point) => point.runs).filter(({ status }) => status === wanted).length;

/** What was run: the settings in which points differ, and how long it took. */
function configurations() {
  const rows = points.map((point) => {
    const ended = point.runs.filter(({ status }) => status === 'completed' || status === 'diverged');
    const [run] = ended;
    if (run === undefined) return [point.name, 'not run', '', '', ''];
    const { scenario } = JSON.parse(readFileSync(join(run.path, 'manifest.json'), 'utf8'));
    const { algorithm: a, workers, stop } = scenario;
    const coupling = a.method === 'alternating' ? `lambda ${a.lambda}, eta ${a.eta}, ${a.consensusScaling}` : a.method;
    const steps = `sigma ${a.workerStep}, kappa ${a.momentum}`;
    const minutes = ended.map(({ wallSeconds }) => wallSeconds / 60);
    const wall = minutes.map((value) => value.toFixed(1)).join(', ');
    return [point.name, `${workers} x ${stop.iterations}`, coupling, steps, wall];
  });
  return markdown(['point', 'workers x iterations', 'coupling', 'steps', 'minutes a run'], rows);
}

const named = (name) => points.find((point) => point.name === name);
/** The curves of a row of panels: names as shown, with the points that have them. */
const panelsOf = (title, shown) =>
  [
    { measure: 'train_loss', title: 'training nll, a sum over 60,000', factor: 1 },
    { measure: 'test_error', title: 'test error, %', factor: 100 },
  ].map((panel) => ({
    title: `${title}: ${panel.title}`,
    curves: shown.flatMap(([name, point]) => {
      const run = named(point)?.runs.find(({ status }) => status === 'completed' || status === 'diverged');
      if (run === undefined) return [];
      // The untrained network, at iteration 0, would take half of the picture.
      const course = courseOf(run, panel.measure).filter(([iteration, value]) => iteration > 0 && value > 0);
      return [{ name, points: course.map(([iteration, value]) => [iteration, panel.factor * value]) }];
    }),
  }));
const sequential = [
  ['mSGD, 0.0008, kappa 0.9', 'msgd-0.9-0.0008'],
  ['mSGD, 0.0008, kappa 0.99', 'msgd-0.99-0.0008'],
  ['mSGD, 0.005, kappa 0.9', 'msgd-0.9-0.005'],
];
const shown = ['quad', 'cubic', 'tan'];
const panels = [
  ...panelsOf('4 workers', [...shown.map((name) => [name, name]), ...sequential]),
  ...panelsOf('8 workers', [...shown.map((name) => [name, `${name}-8-workers`]), ...sequential]),
];

const report = `# Laude, Wu, Cremers (AISTATS 2019), section 6, run again

${count('completed')} runs completed, ${count('diverged')} diverged, ${points.flatMap((point) => point.runs).length - count('completed') - count('diverged')} not done.
Losses are sums over the set, as in the paper. Ours are means over seeds with 95 % intervals, of one configuration a
potential at the end of the run; the paper's are the best of 72 configurations, column by column.

${table1(points)}

## The paper's claims

${claims(points)
  .map((claim) => `- ${claim}`)
  .join('\n')}

## Figure 1

![Training loss and test error by iteration](figure1.svg)

Ten epochs a worker; the paper ran its 4 workers for 50. One seed, measured once an epoch.

## What was run

${configurations()}
`;
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'report.md'), report);
writeFileSync(join(out, 'figure1.svg'), figure(panels));
process.stdout.write(`${report}\nwritten to ${out}: report.md, figure1.svg\n`);
for (const name of potentials) if (named(name) === undefined) process.exitCode = 1;
