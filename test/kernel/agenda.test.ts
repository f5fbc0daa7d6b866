import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Agenda, type AgendaKey } from '../../src/kernel/agenda.js';

/** The total order of DESIGN.md, section 2, as a comparison of lists. */
function compare(a: AgendaKey, b: AgendaKey): number {
  const [left, right] = [a, b].map(({ timeNs, priority, source, sequence }) => [timeNs, priority, source, sequence]);
  const place = left!.findIndex((value, index) => value !== right![index]);
  return place < 0 ? 0 : left![place]! - right![place]!;
}

// Few values of each component, so that ties reach the last one.
const key = fc.record({
  timeNs: fc.nat({ max: 3 }),
  priority: fc.nat({ max: 2 }),
  source: fc.nat({ max: 2 }),
});

/** Distinct entries in any order: each has its own sequence number. */
const entries = fc
  .array(key, { maxLength: 200 })
  .map((list) => list.map((entry, sequence): AgendaKey => ({ ...entry, sequence })))
  .chain((list) => fc.shuffledSubarray(list, { minLength: list.length }));

function drain(agenda: Agenda<AgendaKey>): AgendaKey[] {
  return Array.from({ length: agenda.size }, () => agenda.pop()!);
}

describe('the agenda', () => {
  it('pops entries in the total order (timeNs, priority, source, sequence), whatever the order of pushes', () => {
    fc.assert(
      fc.property(entries, (pushed) => {
        const agenda = new Agenda<AgendaKey>();
        for (const entry of pushed) agenda.push(entry);
        expect(drain(agenda)).toEqual([...pushed].sort(compare));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('keeps the order when pushes and pops alternate', () => {
    const instruction = fc.oneof(key, fc.constant('pop' as const));
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 200 }), (instructions) => {
        const agenda = new Agenda<AgendaKey>();
        let sorted: AgendaKey[] = [];
        instructions.forEach((entry, place) => {
          // Later pushes have smaller sequence numbers.
          const sequence = 1000 - place;
          if (entry === 'pop') {
            expect(agenda.peek()).toEqual(sorted[0]);
            expect(agenda.pop()).toEqual(sorted.shift());
          } else {
            agenda.push({ ...entry, sequence });
            sorted = [...sorted, { ...entry, sequence }].sort(compare);
          }
          expect(agenda.size).toBe(sorted.length);
        });
      }),
      { seed: 2, numRuns: 100 },
    );
  });

  it('compares numbers, not digits, and times beyond 32 bits', () => {
    const times = [9007199254740991, 9, 10, 4294967297, 2147483648, 4294967296, 100];
    const agenda = new Agenda<AgendaKey>();
    for (const timeNs of times) agenda.push({ timeNs, priority: 0, source: 0, sequence: 0 });
    expect(drain(agenda).map(({ timeNs }) => timeNs)).toEqual([
      9, 10, 100, 2147483648, 4294967296, 4294967297, 9007199254740991,
    ]);
  });

  it('is empty at first and after the last pop', () => {
    const agenda = new Agenda<AgendaKey>();
    expect([agenda.size, agenda.peek(), agenda.pop()]).toEqual([0, undefined, undefined]);
    const entry = { timeNs: 5, priority: 0, source: 0, sequence: 0 };
    agenda.push(entry);
    expect(agenda.entries()).toEqual([entry]);
    expect([agenda.pop(), agenda.pop(), agenda.size]).toEqual([entry, undefined, 0]);
  });

  it.each([0.5, NaN, Infinity, Number.MAX_SAFE_INTEGER + 1])('refuses the time %d ns', (timeNs) => {
    const agenda = new Agenda<AgendaKey>();
    expect(() => {
      agenda.push({ timeNs, priority: 0, source: 0, sequence: 0 });
    }).toThrow(`virtual time ${timeNs} ns is not a safe integer`);
    expect(agenda.size).toBe(0);
  });
});
