/** The paper's claims (section 6), each with whether it held here, and by which numbers. */
import { courseOf, finalOf, potentials } from './runs.mjs';

const percent = (value) => `${(100 * value).toFixed(3)} %`;
const nll = (value) => value.toFixed(2);

export function claims(points) {
  const named = (name) => points.find((point) => point.name === name);
  const mean = (name, measure) => finalOf(named(name), measure)?.mean;
  const missing = potentials.filter((name) => mean(name, 'train_loss') === undefined);
  if (missing.length > 0) return [`Not judged yet: no completed run of ${missing.join(', ')}.`];
  return [trainErrors(mean), trainLosses(mean), cubicTests(named), stability(points)];
}

function trainErrors(mean) {
  const worst = Math.max(...potentials.map((name) => mean(name, 'train_error')));
  // 0.00 % as the paper rounds it.
  return verdict(
    '(i) all potentials reach 0.00 % training error',
    worst < 0.00005,
    `the largest mean is ${percent(worst)}`,
  );
}

function trainLosses(mean) {
  const loss = (name) => mean(name, 'train_loss');
  const order = [...potentials].sort((a, b) => loss(a) - loss(b));
  const held =
    loss('tan') < Math.min(loss('log'), loss('quad')) &&
    loss('cubic') > Math.max(loss('log'), loss('quad')) &&
    loss('tan') <= loss('tan-sep') &&
    loss('log') <= loss('log-sep');
  const said = order.map((name) => `${name} ${nll(loss(name))}`).join(' < ');
  return verdict('(ii) training loss: tan < log, quad < cubic, and the separable forms a little above', held, said);
}

function cubicTests(named) {
  const parts = ['test_loss', 'test_error'].map((measure) => {
    const cubic = finalOf(named('cubic'), measure);
    const others = potentials.filter((name) => name !== 'cubic').map((name) => finalOf(named(name), measure));
    const least = others.reduce((best, next) => (next.mean < best.mean ? next : best));
    const apart = cubic.mean + (cubic.halfWidth ?? 0) < least.mean - (least.halfWidth ?? 0);
    return { measure, lower: cubic.mean < least.mean, apart, cubic: cubic.mean, least: least.mean };
  });
  const said = parts.map(({ measure, cubic, least, apart }) => {
    const show = measure === 'test_error' ? percent : nll;
    const intervals = apart ? 'intervals apart' : 'intervals overlap';
    return `${measure === 'test_error' ? 'test error' : 'test nll'} ${show(cubic)} against ${show(least)} (${intervals})`;
  });
  return verdict(
    '(iii) cubic is clearly best on the test set',
    parts.every(({ apart }) => apart),
    said.join(', '),
  );
}

/** A training loss that mSGD reaches too, in the middle of its course. */
const level = 2000;

function stability(points) {
  const first = (point) => {
    const found = point.runs.flatMap((run) =>
      courseOf(run, 'train_loss')
        .filter(([, loss]) => loss < level)
        .slice(0, 1),
    );
    return found.length === 0 ? Infinity : Math.min(...found.map(([iteration]) => iteration));
  };
  const ours = Math.max(...potentials.map((name) => first(points.find((point) => point.name === name))));
  const sequential = points
    .filter(({ name }) => name.startsWith('msgd'))
    .map((point) => {
      const end = finalOf(point, 'train_loss')?.mean;
      return { name: point.name, end, first: first(point) };
    });
  if (sequential.length === 0) return '(iv) not judged: mSGD was not run.';
  const same = sequential.find(({ name }) => name === 'msgd-0.9-0.005');
  const best = Math.min(...sequential.map((each) => each.first));
  const held = (same?.end ?? Infinity) > level && ours <= best;
  const said = sequential
    .map(({ name, end, first: at }) => {
      const reached = at === Infinity ? 'never below' : `below from iteration ${at}`;
      return `${name} ends at ${end === undefined ? 'divergence' : nll(end)}, ${reached}`;
    })
    .join('; ');
  return verdict(
    `(iv) stable at a learning rate where mSGD is not, and fewer iterations to a training loss below ${level}`,
    held,
    `all potentials are below from iteration ${ours} (measured every 3,000); ${said}`,
  );
}

function verdict(claim, held, numbers) {
  return `${claim}: ${held ? 'held' : 'did NOT hold'} here; ${numbers}.`;
}
