import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Effect, Network, Passage, Tensors } from '../../src/kernel/effects.js';
import type { CastMember, LoggedEvent, Loss } from '../../src/kernel/simulation.js';
import { Streams, type Stream } from '../../src/kernel/streams.js';
import { Traffic } from '../../src/kernel/traffic.js';
import { always } from '../../src/network/course.js';
import { FairShare } from '../../src/network/fairShare.js';
import type { LinkOptions } from '../../src/network/link.js';
import { network, type NetworkOptions, type Retransmission } from '../../src/network/network.js';
import { ms, play, scripted, send } from '../kernel/fakes.js';
import { transcript } from '../kernel/transcript.js';

const plain: LinkOptions = {
  latency: always(() => ms),
  jitter: undefined,
  rate: always(Infinity),
  loss: 0,
  corruption: 0,
  duplication: 0,
};

const streams = (): Streams => new Streams(1);

/** A network whose links are all alike. */
function alike(link: Partial<LinkOptions>, options: Partial<NetworkOptions> = {}): Network {
  return network({ link: () => ({ ...plain, ...link }), streams: streams(), ...options });
}

/** What an actor does at a time, before anything else of that time is answered. */
type Planned = readonly [atNs: number, effect: Effect];

/** An actor that does what is planned, and nothing else. */
function planned(name: string, plan: readonly Planned[]): CastMember {
  const timers = plan.map(([delayNs], number): Effect => {
    return { effect: 'after', delayNs, message: { kind: 'timer', facts: { number } } };
  });
  const answer = ({ kind, facts }: { kind: string; facts: object }): Effect[] =>
    kind === 'timer' ? [plan[(facts as { number: number }).number]![1]] : [];
  return scripted(name, { start: timers, answer });
}

interface Record {
  /** Messages that their actors got. */
  readonly delivered: readonly LoggedEvent[];
  readonly lost: readonly Loss[];
  /** Both, in their order, a line each. */
  readonly lines: string;
  readonly counts: { readonly messages: number; readonly bytes: number; readonly lost: number };
  readonly endsNs: number;
}

/** Lets `actors` run on a network until nothing is left to happen. */
async function record(actors: readonly CastMember[], net: Network): Promise<Record> {
  const [delivered, lost]: [LoggedEvent[], Loss[]] = [[], []];
  const told: Pick<LoggedEvent, 'timeNs' | 'actor' | 'kind' | 'facts'>[] = [];
  const { outcome } = await play(actors, {
    network: net,
    onEvent: (event) => {
      if (event.cause.via !== 'message') return;
      delivered.push(event);
      told.push({ ...event, facts: { ...event.facts, sender: event.cause.actor } });
    },
    onLoss: (loss) => {
      lost.push(loss);
      told.push({ ...loss, actor: loss.to, facts: { sender: loss.from, lost: loss.why } });
    },
  });
  expect(outcome.failure?.message).toContain('nothing is left to happen');
  const lines = transcript(told, { senderOf: ({ facts }) => facts['sender'] as string, hidden: ['sender'] });
  return { delivered, lost, lines, counts: outcome.counts, endsNs: outcome.timeNs };
}

/** What becomes of messages that a sends to b: each is sent at its time. */
function fromAToB(messages: readonly Planned[], net: Network): Promise<Record> {
  return record([planned('a', messages), scripted('b', {})], net);
}

const note = (number: number, tensors?: Tensors): Effect => send('b', 'note', { number }, tensors);
const numbersOf = ({ delivered }: Record): number[] => delivered.map(({ facts }) => facts['number'] as number);

/** Draws the given delays, one after the other. */
function delays(...values: readonly number[]): () => number {
  let index = 0;
  return () => values[index++ % values.length]!;
}

/** Nothing passes from an actor before a time. */
const cutUntil =
  (sender: string, untilNs: number) =>
  (from: string, _: string, timeNs: number): boolean =>
    from === sender && timeNs < untilNs;

describe('a network of links', () => {
  it('delivers after the bytes over the rate, and the latency', async () => {
    // LeNet-5 over 1 Gbit/s: 134,320 bytes * 8 / 1e9 = 1.07456 ms, and 2 ms of latency.
    const net = alike({ latency: always(() => 2 * ms), rate: always(125_000_000) });
    const { delivered, counts } = await fromAToB([[7, note(1, { z: new Float32Array(33_580) })]], net);
    expect(delivered.map(({ timeNs }) => timeNs)).toEqual([7 + 3_074_560]);
    expect(counts).toMatchObject({ messages: 1, bytes: 134_320, lost: 0 });
  });

  it('does not make messages wait for each other', async () => {
    const net = alike({ rate: always(1e6) });
    const tensors = { z: new Float32Array(250) };
    const { delivered } = await fromAToB(
      [
        [0, note(1, tensors)],
        [1, note(2, tensors)],
        [2, note(3)],
      ],
      net,
    );
    // 1000 bytes at 1 MB/s take a millisecond, and none take none.
    expect(delivered.map(({ timeNs }) => timeNs)).toEqual([ms + 2, 2 * ms, 2 * ms + 1]);
  });

  it('lets messages with jitter overtake each other', async () => {
    const net = alike({ jitter: delays(5 * ms, 0) });
    expect(
      (
        await fromAToB(
          [
            [0, note(1)],
            [1, note(2)],
          ],
          net,
        )
      ).lines,
    ).toMatchInlineSnapshot(`
      "
      [  1.000 ms] a -> b note number=2
      [  6.000 ms] a -> b note number=1
      "
    `);
  });

  it('loses a message where it is sent, and says why', async () => {
    expect((await fromAToB([[2 * ms, note(1)]], alike({ loss: 1 }))).lines).toMatchInlineSnapshot(`
      "
      [  2.000 ms] a -> b note lost="loss"
      "
    `);
    expect((await fromAToB([[2 * ms, note(1)]], alike({ corruption: 1 }))).lines).toMatchInlineSnapshot(`
      "
      [  2.000 ms] a -> b note lost="corruption"
      "
    `);
  });

  it('lets nothing pass from the beginning of a partition to just before its end; what is under way arrives', async () => {
    const isCut = (_: string, __: string, timeNs: number): boolean => timeNs >= 2 * ms && timeNs < 4 * ms;
    const messages = [2 * ms - 1, 2 * ms, 4 * ms - 1, 4 * ms].map((atNs, number): Planned => [atNs, note(number)]);
    const found = await fromAToB(messages, alike({}, { isCut }));
    expect(numbersOf(found)).toEqual([0, 3]);
    expect(found.lost.map(({ timeNs, why }) => [timeNs, why])).toEqual([
      [2 * ms, 'partition'],
      [4 * ms - 1, 'partition'],
    ]);
  });
});

describe('a message that the network doubles', () => {
  it('is delivered once, when the faster copy is there; the slower one is dropped, and counts as sent and lost', async () => {
    const net = alike({ duplication: 1, jitter: delays(3 * ms, ms) });
    const { lines, counts } = await fromAToB([[0, note(1, { z: new Float32Array(2) })]], net);
    expect(lines).toMatchInlineSnapshot(`
      "
      [  2.000 ms] a -> b note number=1
      [  4.000 ms] a -> b note lost="duplicate"
      "
    `);
    expect(counts).toMatchObject({ messages: 2, bytes: 16, lost: 1 });
  });

  it('is delivered once where both copies come at one time', async () => {
    const found = await fromAToB(
      [
        [0, note(1)],
        [0, note(2)],
      ],
      alike({ duplication: 1 }),
    );
    expect(numbersOf(found)).toEqual([1, 2]);
    expect(found.lost.map(({ why }) => why)).toEqual(['duplicate', 'duplicate']);
  });

  it('is lost only where each of its copies is, independently', async () => {
    const messages = Array.from({ length: 2000 }, (_, number): Planned => [number, note(number)]);
    const { delivered } = await fromAToB(messages, alike({ duplication: 1, loss: 0.5 }));
    // 1 - 1/4 of 2000, within three standard errors.
    expect(Math.abs(delivered.length - 1500)).toBeLessThan(3 * Math.sqrt(2000 * 0.75 * 0.25));
  });

  it('takes its place on a bottleneck twice', async () => {
    const share = new FairShare(1e6);
    const net = alike({ duplication: 1 }, { bottleneck: () => share });
    const { delivered } = await fromAToB([[0, note(1, { z: new Float32Array(250) })]], net);
    expect(delivered.map(({ timeNs }) => timeNs)).toEqual([2 * ms + ms]);
  });
});

describe('retransmission', () => {
  const retransmission = { timeoutNs: 10 * ms, backoff: 2, attempts: 5 };

  it('sends a message again, after waits that grow, until it is acknowledged', async () => {
    const found = await fromAToB([[0, note(1)]], alike({}, { retransmission, isCut: cutUntil('a', 25 * ms) }));
    // Sent at 0, 10 and 30 ms; acknowledged at 32.
    expect(found.lines).toMatchInlineSnapshot(`
      "
      [  0.000 ms] a -> b note lost="partition"
      [ 10.000 ms] a -> b note lost="partition"
      [ 31.000 ms] a -> b note number=1
      "
    `);
    // Three copies and an acknowledgement.
    expect(found.counts).toMatchObject({ messages: 4, lost: 2 });
  });

  it('delivers a message once, though its acknowledgements are lost', async () => {
    const found = await fromAToB([[0, note(1)]], alike({}, { retransmission, isCut: cutUntil('b', 35 * ms) }));
    // Sent at 0, 10, 30 and 70 ms; the acknowledgement of 71 ms arrives.
    expect(found.lines).toMatchInlineSnapshot(`
      "
      [  1.000 ms] b -> a ack lost="partition"
      [  1.000 ms] a -> b note number=1
      [ 11.000 ms] a -> b note lost="duplicate"
      [ 11.000 ms] b -> a ack lost="partition"
      [ 31.000 ms] a -> b note lost="duplicate"
      [ 31.000 ms] b -> a ack lost="partition"
      [ 71.000 ms] a -> b note lost="duplicate"
      "
    `);
    expect(found.counts).toMatchObject({ messages: 8, lost: 6 });
  });

  it('gives up after so many attempts', async () => {
    const options = { retransmission: { timeoutNs: 10 * ms, backoff: 3, attempts: 3 } };
    const { lost, delivered, endsNs } = await fromAToB([[0, note(1)]], alike({ loss: 1 }, options));
    expect(lost.map(({ timeNs, why }) => [timeNs / ms, why])).toEqual([
      [0, 'loss'],
      [10, 'loss'],
      [40, 'loss'],
    ]);
    expect([delivered.length, endsNs]).toEqual([0, 40 * ms]);
  });

  it('waits equally long each time with a backoff of 1', async () => {
    const options = { retransmission: { timeoutNs: 7 * ms, backoff: 1, attempts: 4 } };
    const { lost } = await fromAToB([[0, note(1)]], alike({ loss: 1 }, options));
    expect(lost.map(({ timeNs }) => timeNs / ms)).toEqual([0, 7, 14, 21]);
  });

  it('sends nothing again for an actor that went down meanwhile, but for what it sent after it was up', async () => {
    const down: Effect = { effect: 'strike', actor: 'a', strike: { kind: 'down', by: 0 } };
    const up: Effect = { effect: 'strike', actor: 'a', strike: { kind: 'up', by: 0, memory: 'kept' } };
    const a = scripted('a', {
      start: [note(1)],
      answer: ({ kind }) => (kind === 'rejoin' ? [note(2)] : []),
    });
    const actors = [
      a,
      scripted('b', {}),
      planned('faults', [
        [5 * ms, down],
        [6 * ms, up],
      ]),
    ];
    const found = await record(actors, alike({}, { retransmission, isCut: cutUntil('a', 15 * ms) }));
    expect(found.lines).toMatchInlineSnapshot(`
      "
      [  0.000 ms] a -> b note lost="partition"
      [  6.000 ms] a -> b note lost="partition"
      [ 17.000 ms] a -> b note number=2
      "
    `);
  });

  const strikes = (
    ...plan: readonly (readonly [atMs: number, kind: 'down' | 'up' | 'pause' | 'resume', by: number])[]
  ) =>
    planned(
      'faults',
      plan.map(([atMs, kind, by]): Planned => {
        const strike = kind === 'up' ? ({ kind, by, memory: 'kept' } as const) : { kind, by };
        return [atMs * ms, { effect: 'strike', actor: 'b', strike }];
      }),
    );

  it('does not take a message for delivered whose receiver was down', async () => {
    const actors = [planned('a', [[0, note(1)]]), scripted('b', {}), strikes([0, 'down', 0], [5, 'up', 0])];
    const found = await record(actors, alike({}, { retransmission }));
    expect(found.lines).toMatchInlineSnapshot(`
      "
      [  1.000 ms] a -> b note lost="down"
      [ 11.000 ms] a -> b note number=1
      "
    `);
  });

  it('does not acknowledge the second copy of a message whose first one found its receiver down', async () => {
    const actors = [planned('a', [[0, note(1)]]), scripted('b', {}), strikes([0, 'down', 0], [5, 'up', 0])];
    const found = await record(actors, alike({ duplication: 1 }, { retransmission }));
    expect(numbersOf(found)).toEqual([1]);
    expect(found.delivered[0]!.timeNs).toBe(11 * ms);
  });

  it('does not acknowledge a message before a pause of its receiver ends, so that one that ends in a crash loses nothing', async () => {
    const faults = strikes([0, 'pause', 0], [15, 'down', 1], [20, 'up', 1]);
    const found = await record(
      [planned('a', [[0, note(1)]]), scripted('b', {}), faults],
      alike({}, { retransmission }),
    );
    expect(found.lines).toMatchInlineSnapshot(`
      "
      [ 11.000 ms] a -> b note lost="duplicate"
      [ 15.000 ms] a -> b note lost="down"
      [ 31.000 ms] a -> b note number=1
      "
    `);
  });

  it('leaves the draws of first copies as they were without losses', async () => {
    const drawn = (stream: Stream): number => Math.floor(stream.double() * ms);
    const messages = Array.from({ length: 60 }, (_, number): Planned => [number * ms, note(number)]);
    const arrivals = async (link: Partial<LinkOptions>) => {
      const found = await fromAToB(messages, alike({ ...link, latency: always(drawn) }, { retransmission }));
      return new Map(found.delivered.map(({ facts, timeNs }) => [facts['number'], timeNs]));
    };
    const [all, some] = [await arrivals({}), await arrivals({ loss: 0.3 })];
    expect([all.size, some.size]).toEqual([60, 60]);
    const late = [...some].filter(([number, timeNs]) => timeNs > (number as number) * ms + ms);
    expect(late.length).toBeGreaterThan(8);
    for (const [number, timeNs] of some) {
      if (timeNs <= (number as number) * ms + ms) expect(timeNs).toBe(all.get(number));
    }
  });
});

describe('a bottleneck', () => {
  const tensors = { z: new Float32Array(250) };
  const names = ['w0', 'w1', 'w2'];

  it('makes M equal transfers M times as long, and each direction has its own', async () => {
    const [up, down] = [new FairShare(1e6), new FairShare(0.5e6)];
    const net = alike({}, { bottleneck: (_, to) => (to === 'centre' ? up : down) });
    const workers = names.map((name) => planned(name, [[0, send('centre', 'copy', {}, tensors)]]));
    const centre = scripted('centre', {
      start: names.map((name) => send(name, 'reply', {}, tensors)),
    });
    const { delivered } = await record([...workers, centre], net);
    // 1000 bytes at 1 and 0.5 MB/s, three at a time, and a millisecond of latency.
    expect(delivered.map(({ actor, timeNs }) => [actor, timeNs / ms])).toEqual([
      ['centre', 4],
      ['centre', 4],
      ['centre', 4],
      ['w0', 7],
      ['w1', 7],
      ['w2', 7],
    ]);
  });

  it('holds up nothing that has no bytes', async () => {
    const share = new FairShare(1e6);
    const found = await fromAToB(
      [
        [0, note(1, tensors)],
        [0, note(2)],
      ],
      alike({}, { bottleneck: () => share }),
    );
    expect(found.delivered.map(({ timeNs }) => timeNs / ms)).toEqual([1, 2]);
  });

  it('shares the capacity by what links allow', async () => {
    const share = new FairShare(1e6);
    const link = (from: string): LinkOptions => ({ ...plain, rate: always(from === 'w0' ? 0.1e6 : Infinity) });
    const workers = names.map((name) => planned(name, [[0, send('centre', 'copy', { from: name }, tensors)]]));
    const net = network({ link, bottleneck: () => share, streams: streams() });
    const { delivered } = await record([...workers, scripted('centre', {})], net);
    // 0.45 MB/s for the two others: 1000 bytes in 2,222,222 ns.
    expect(delivered.map(({ facts, timeNs }) => [facts['from'], timeNs])).toEqual([
      ['w1', ms + 2_222_222],
      ['w2', ms + 2_222_222],
      ['w0', ms + 10 * ms],
    ]);
  });
});

/** Networks with everything that can go wrong, and what three actors send to each other. */
const situations = fc.record({
  seed: fc.nat({ max: 1000 }),
  loss: fc.constantFrom(0, 0.1, 0.5),
  corruption: fc.constantFrom(0, 0.2),
  duplication: fc.constantFrom(0, 0.3, 1),
  jitter: fc.boolean(),
  shared: fc.boolean(),
  cut: fc.boolean(),
  retransmission: fc.option(
    fc.record({
      timeoutNs: fc.constantFrom(2 * ms, 20 * ms),
      backoff: fc.constantFrom(1, 1.5),
      attempts: fc.constantFrom(1, 4, 30),
    }),
    { nil: undefined },
  ),
  messages: fc.array(
    fc.record({
      from: fc.nat({ max: 2 }),
      to: fc.nat({ max: 2 }),
      atNs: fc.nat({ max: 40 * ms }),
      size: fc.constantFrom(0, 1, 1000),
    }),
    { minLength: 1, maxLength: 25 },
  ),
  strikes: fc.array(
    fc.record({
      who: fc.nat({ max: 2 }),
      atNs: fc.nat({ max: 40 * ms }),
      lastsNs: fc.nat({ max: 20 * ms }),
      kind: fc.constantFrom('down' as const, 'pause' as const),
    }),
    { maxLength: 5 },
  ),
});

type Situation = typeof situations extends fc.Arbitrary<infer Value> ? Value : never;

const names = ['a', 'b', 'c'];

function runOf(
  situation: Omit<Situation, 'retransmission'> & { retransmission?: Retransmission | undefined },
): Promise<Record> {
  const { seed, loss, corruption, duplication, jitter, shared, cut, retransmission, messages, strikes } = situation;
  const share = new FairShare(1e6);
  const link: LinkOptions = {
    ...plain,
    jitter: jitter ? (stream) => Math.floor(stream.double() * 10 * ms) : undefined,
    rate: always(0.7e6),
    loss,
    corruption,
    duplication,
  };
  const net = network({
    link: () => link,
    ...(shared ? { bottleneck: () => share } : {}),
    ...(cut ? { isCut: (from, to, ns) => [from, to].includes('c') && ns > 10 * ms && ns < 30 * ms } : {}),
    ...(retransmission === undefined ? {} : { retransmission }),
    streams: new Streams(seed),
  });
  const actors = names.map((name, index) =>
    planned(
      name,
      messages.flatMap(({ from, to, atNs, size }, number): Planned[] => {
        const tensors = size === 0 ? undefined : { z: new Float32Array(size) };
        return from === index ? [[atNs, send(names[to]!, 'note', { number }, tensors)]] : [];
      }),
    ),
  );
  const plan = strikes.flatMap(({ who, atNs, lastsNs, kind }, by): Planned[] => {
    const end = kind === 'down' ? ({ kind: 'up', by, memory: 'kept' } as const) : ({ kind: 'resume', by } as const);
    const actor = names[who]!;
    return [
      [atNs, { effect: 'strike', actor, strike: { kind, by } }],
      [atNs + lastsNs, { effect: 'strike', actor, strike: end }],
    ];
  });
  return record([...actors, planned('faults', plan)], net);
}

describe('whatever happens on a network', () => {
  it('a message is delivered at most once, and in the end every copy was delivered or lost, to the byte', async () => {
    const reasons = new Set<string>();
    const property = fc.asyncProperty(situations, async (situation) => {
      const { delivered, lost, counts } = await runOf(situation);
      const numbers = delivered.map(({ facts }) => facts['number']);
      expect(new Set(numbers).size).toBe(numbers.length);
      for (const { why } of lost) reasons.add(why);
      const bytes = [...delivered.map(({ cause }) => cause), ...lost].reduce((sum, one) => sum + one.bytes, 0);
      expect(counts.bytes).toBe(bytes);
      expect(counts.lost).toBe(lost.length);
      // Only acknowledgements arrive unseen: at most one for every copy that has arrived.
      const arrived = delivered.length + lost.filter(({ why }) => why === 'duplicate').length;
      const lostAcknowledgements = lost.filter(({ kind }) => kind === 'ack').length;
      const acknowledgements = counts.messages - delivered.length - lost.length;
      expect(acknowledgements).toBeGreaterThanOrEqual(0);
      expect(acknowledgements + lostAcknowledgements).toBeLessThanOrEqual(
        situation.retransmission === undefined ? 0 : arrived,
      );
    });
    await fc.assert(property, { seed: 1, numRuns: 200 });
    expect([...reasons].sort()).toEqual(['corruption', 'down', 'duplicate', 'loss', 'partition']);
  });

  it('a message that is sent again often enough is delivered, where nobody goes down', async () => {
    let retransmitted = 0;
    const property = fc.asyncProperty(situations, async (situation) => {
      const retransmission = { timeoutNs: 15 * ms, backoff: 1, attempts: 60 };
      const strikes = situation.strikes.filter(({ kind }) => kind === 'pause');
      const { delivered, counts } = await runOf({ ...situation, retransmission, strikes });
      expect(delivered).toHaveLength(situation.messages.length);
      retransmitted += counts.lost > 0 ? 1 : 0;
    });
    await fc.assert(property, { seed: 2, numRuns: 100 });
    expect(retransmitted).toBeGreaterThan(20);
  });
});

describe('the books of a network', () => {
  const flawed = (flaw: (passage: readonly Passage[], traffic: Traffic) => readonly Passage[]): Network => {
    const traffic = new Traffic();
    return {
      send: (parcel) => {
        traffic.send(parcel);
        return flaw([{ passage: 'arrive', parcel, delayNs: ms }], traffic);
      },
      arrived: (parcel) => {
        traffic.deliver(parcel);
        return [];
      },
      totals: traffic.totals,
      check: (isDue) => {
        traffic.check(isDue);
      },
    };
  };
  const one = (net: Network) =>
    play([planned('a', [[0, note(1, { z: new Float32Array(2) })]]), scripted('b', {})], { network: net });

  it('balance where a message goes its way', async () => {
    const { outcome } = await one(flawed((passages) => passages));
    expect(outcome.failure?.message).toContain('deadlock');
  });

  it('show a message that is delivered twice', async () => {
    await expect(one(flawed((passages) => [...passages, ...passages]))).rejects.toThrow('note from a to b ended twice');
  });

  it('show a message that is forgotten', async () => {
    await expect(one(flawed(() => []))).rejects.toThrow(
      '1 messages (8 bytes) sent, but 0 (0 bytes) delivered, lost or in flight',
    );
  });

  it('show a message that is lost and delivered', async () => {
    const both = flawed((passages, traffic) => {
      const [first] = passages;
      if (first?.passage === 'arrive') traffic.lose(first.parcel);
      return passages;
    });
    await expect(one(both)).rejects.toThrow('note from a to b ended twice');
  });

  it('show, after any event, a message that is sent twice as one', async () => {
    const again = flawed((passages, traffic) => {
      const [first] = passages;
      if (first?.passage === 'arrive') traffic.send(first.parcel);
      return passages;
    });
    await expect(one(again)).rejects.toThrow('2 messages (16 bytes) sent, but 1 (16 bytes)');
  });
});
