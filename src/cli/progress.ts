/** The progress bar of a run, on standard error. */
import { SingleBar } from 'cli-progress';
import type { Run } from '../scenario/simulate.js';
import type { Settings } from '../scenario/schema.js';

const framesPerSecond = 5;

/** Follows the limit that is nearest to being reached; without one (only `stop.target`) it counts moves. */
export function showProgress(run: Run, { name, stop }: Settings): { stop: () => void } {
  const limits = [
    { unit: 'moves', total: stop.iterations },
    { unit: 'steps', total: stop.steps },
    { unit: 'virtual s', total: stop.virtualTime === undefined ? undefined : stop.virtualTime / 1e9 },
  ].flatMap(({ unit, total }) => (total === undefined ? [] : [{ unit, total }]));
  const seen = { moves: 0, steps: 0, 'virtual s': 0 };
  const shown = limits[0] ?? { unit: 'moves', total: Infinity };
  const bar = new SingleBar({
    format:
      limits.length === 0
        ? `${name} {done} | {virtual} virtual s | {duration_formatted}`
        : `${name} {bar} {percentage}% | {done} | {virtual} virtual s | {eta_formatted} left`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    etaBuffer: 50,
    fps: framesPerSecond,
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  });
  bar.start(1, 0, { done: `0 ${shown.unit}`, virtual: '0.00' });
  const subscription = run.events$.subscribe(({ kind, timeNs }) => {
    if (kind === 'move') seen.moves += 1;
    else if (kind === 'step') seen.steps += 1;
    seen['virtual s'] = timeNs / 1e9;
  });
  const show = (): void => {
    const nearest = limits
      .map(({ unit, total }) => ({ unit, total, share: seen[unit as keyof typeof seen] / total }))
      .reduce((best, next) => (next.share > best.share ? next : best), { ...shown, share: 0 });
    const total = limits.length === 0 ? '' : ` of ${format(nearest.total)}`;
    const done = `${format(seen[nearest.unit as keyof typeof seen])}${total} ${nearest.unit}`;
    bar.update(Math.min(1, nearest.share), { done, virtual: seen['virtual s'].toFixed(2) });
  };
  const timer = setInterval(show, 1000 / framesPerSecond);
  return {
    stop: () => {
      clearInterval(timer);
      subscription.unsubscribe();
      show();
      bar.stop();
    },
  };
}

function format(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: 2 });
}
