import type { LoggedEvent } from '../../src/kernel/simulation.js';

type Event = Pick<LoggedEvent, 'timeNs' | 'actor' | 'kind' | 'facts'>;

/**
 * A line an event, `[ 12.000 ms] worker-2 -> consensus deliver step=3`. `senderOf` names who sent a message, and is
 * undefined for what an actor does itself; `hidden` facts are left out.
 */
export function transcript(
  events: readonly Event[],
  { senderOf, hidden }: { senderOf: (event: Event) => string | undefined; hidden: readonly string[] },
): string {
  const lines = events.map((event) => {
    const { timeNs, actor, kind, facts } = event;
    const sender = senderOf(event);
    const time = (timeNs / 1e6).toFixed(3).padStart(7);
    const shown = Object.entries(facts).filter(([name]) => !hidden.includes(name));
    const words = shown.map(([name, fact]) => `${name}=${JSON.stringify(fact)}`);
    return [`[${time} ms]`, ...(sender === undefined ? [] : [sender, '->']), actor, kind, ...words].join(' ');
  });
  return `\n${lines.join('\n')}\n`;
}
