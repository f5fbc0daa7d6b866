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
    const known = cubic.halfWidth !== undefined && least.halfWidth !== undefined;
    const apart = known && cubic.mean + cubic.halfWidth < least.mean - least.halfWidth;
    const intervals = known ? (apart ? 'intervals apart' : 'intervals overlap') : 'one seed, no interval';
    return { measure, apart, intervals, cubic: cubic.mean, least: least.mean };
  });
  const said = parts.map(({ measure, cubic, least, intervals }) => {
    const show = measure === 'test_error' ? percent : nll;
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
  /** The first measured iteration below the level, of the slowest seed. */
  const first = (point) =>
    Math.max(...point.runs.map((run) => courseOf(run, 'train_loss').find(([, loss]) => loss < level)?.[0] ?? Infinity));
  const named = (name) => points.find((point) => point.name === name);
  const same = named('msgd-0.9-0.005');
  const end = same === undefined ? undefined : (finalOf(same, 'train_loss')?.mean ?? divergedEnd(same));
  if (end === undefined) return '(iv) not judged: mSGD has not been run at our learning rate.';
  const ours = Math.max(...potentials.map((name) => first(named(name))));
  const sequential = points.filter(({ name }) => name.startsWith('msgd'));
  const said = sequential.map((point) => {
    const [at, last] = [first(point), finalOf(point, 'train_loss')?.mean ?? divergedEnd(point)];
    const reached = at === Infinity ? 'never below' : `below from iteration ${at}`;
    return `${point.name} ends at ${last === Infinity ? 'divergence' : last === undefined ? 'an unknown loss' : nll(last)}, ${reached}`;
  });
  const held = end > level && ours < Infinity && ours <= Math.min(...sequential.map(first));
  return verdict(
    `(iv) stable at a learning rate where mSGD is not, and fewer iterations to a training loss below ${level}`,
    held,
    `all potentials are below from iteration ${ours} (measured every 3,000); ${said.join('; ')}`,
  );
}

/** Infinity where a run diverged, undefined where none has ended. */
function divergedEnd({ runs }) {
  return runs.some(({ status }) => status === 'diverged') ? Infinity : undefined;
}

function verdict(claim, held, numbers) {
  return `${claim}: ${held ? 'held' : 'did NOT hold'} here; ${numbers}.`;
}
