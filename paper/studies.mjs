/**
 * node paper/studies.mjs [STUDY]...: runs what is not done of the studies in scenarios/studies, by default of all, into
 * runs/studies/STUDY, and puts their tables into the README there.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { resultsColumns } from '../dist/src/cli/sweepResults.js';
import { markdown } from './table.mjs';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'scenarios/studies');
const readme = join(folder, 'README.md');
const isSweep = (file) => /^points:/m.test(readFileSync(join(folder, file), 'utf8'));
const studies = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml') && isSweep(file))
  .map((file) => file.replace('.yaml', ''));
const wanted = process.argv.slice(2);

const unknown = wanted.filter((study) => !studies.includes(study));
if (unknown.length > 0) {
  console.error(`${unknown.join(', ')}: no study of scenarios/studies\n  choose among ${studies.join(', ')}`);
  process.exit(2);
}

for (const study of wanted.length > 0 ? wanted : studies) {
  const out = join('runs/studies', study);
  const file = relative(root, join(folder, `${study}.yaml`));
  const args = [join(root, 'bin/straggler.mjs'), 'sweep', file, '--out', out];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  // After an interruption, or a run that failed, the table would not be whole.
  if (status !== 0) process.exit(status ?? 1);
  const { points } = JSON.parse(readFileSync(join(root, out, 'summary.json'), 'utf8'));
  writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), study, table(points)));
}

/** What the terminal shows, less the wall time, which is the machine's. */
function table(points) {
  const columns = resultsColumns(points).filter(({ head }) => head !== 'wall time');
  const rows = points.map((_, row) => columns.map(({ cells }) => cells[row]));
  return markdown(
    columns.map(({ head }) => head),
    rows,
  );
}

/** The text with the table between the markers of `study`. */
function withTable(text, study, content) {
  const [begin, end] = [`<!-- table ${study} -->\n`, '\n<!-- end -->'];
  const from = text.indexOf(begin);
  if (from < 0) throw new Error(`${readme} has no line ${begin.trim()}`);
  const to = text.indexOf(end, from);
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}
