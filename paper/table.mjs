/** Table 1 of Laude, Wu, Cremers (AISTATS 2019), theirs and ours. */
import { finalOf, potentials } from './runs.mjs';

const columns = [
  { title: 'objective', measure: 'objective', show: (value) => value.toFixed(2) },
  { title: 'train nll', measure: 'train_loss', show: (value) => value.toFixed(2) },
  { title: 'train error', measure: 'train_error', show: (value) => `${(100 * value).toFixed(3)} %` },
  { title: 'test nll', measure: 'test_loss', show: (value) => value.toFixed(1) },
  { title: 'test error', measure: 'test_error', show: (value) => `${(100 * value).toFixed(2)} %` },
];

/** The best values over 72 configurations, column by column, as printed. */
export const printed = {
  quad: ['2.49', '2.47', '0.00 %', '294.12', '0.65 %'],
  cubic: ['7.44', '6.87', '0.00 %', '231.42', '0.56 %'],
  tan: ['0.90', '0.83', '0.00 %', '300.84', '0.62 %'],
  'tan-sep': ['0.91', '0.87', '0.00 %', '306.91', '0.64 %'],
  log: ['2.36', '2.35', '0.00 %', '299.60', '0.64 %'],
  'log-sep': ['2.46', '2.44', '0.00 %', '299.82', '0.67 %'],
};

/** Markdown rows; ours are means over seeds with 95% intervals, of one configuration. */
export function table1(points) {
  const rows = potentials.flatMap((potential) => {
    const point = points.find(({ name }) => name === potential);
    const count = (point?.runs ?? []).filter(({ status }) => status === 'completed').length;
    const ours = columns.map(({ measure, show }) => interval(finalOf(point, measure), show));
    return [
      [potential, `ours, ${count} seed${count === 1 ? '' : 's'}`, ...ours],
      ['', 'paper', ...printed[potential]],
    ];
  });
  return markdown(['potential', '', ...columns.map(({ title }) => title)], rows);
}

function interval(found, show) {
  if (found === undefined) return 'not run';
  return found.halfWidth === undefined ? show(found.mean) : `${show(found.mean)} ± ${show(found.halfWidth)}`;
}

export function markdown(head, rows) {
  const widths = head.map((title, column) =>
    Math.max(title.length, 3, ...rows.map((row) => String(row[column]).length)),
  );
  const line = (cells) => `| ${cells.map((cell, column) => String(cell).padEnd(widths[column])).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}
