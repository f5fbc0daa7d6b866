import { describe, expect, it } from 'vitest';
import { Streams, type Stream } from '../../src/kernel/streams.js';
import { always } from '../../src/network/course.js';
import { drawFortune, linkTransferNs, type Fortune, type LinkOptions } from '../../src/network/link.js';
import { network } from '../../src/network/network.js';

const drawNs = (stream: Stream): number => Math.floor(stream.double() * 1e9);

const plain: LinkOptions = {
  latency: always(drawNs),
  jitter: undefined,
  rate: always(Infinity),
  loss: 0,
  corruption: 0,
  duplication: 0,
};

const streamOf = (purpose: string): Stream => new Streams(1).stream('worker-0', purpose);

/** What becomes of `count` messages, one after the other. */
function fortunes(options: Partial<LinkOptions>, count: number, timeNs = 0): Fortune[] {
  const streams = new Streams(1);
  const ofCopies = (purpose: string): Stream => streams.stream('worker-0', `${purpose}/consensus/deliver`);
  return Array.from({ length: count }, () => drawFortune({ ...plain, ...options }, ofCopies, timeNs));
}

const latencies = (drawn: readonly Fortune[]): number[] => drawn.map(({ latencyNs }) => latencyNs);
const draws = (purpose: string, count: number, draw = drawNs): number[] => {
  const stream = streamOf(purpose);
  return Array.from({ length: count }, () => draw(stream));
};

describe('the time on a link', () => {
  it('is the bytes over the rate, and nothing where there are no bytes', () => {
    expect(linkTransferNs({ ...plain, rate: always(125_000_000) }, 134_320, 0)).toBe(1_074_560);
    expect(linkTransferNs({ ...plain, rate: always(1) }, 0, 0)).toBe(0);
    expect(linkTransferNs(plain, 134_320, 0)).toBe(0);
  });

  it('does not depend on what else the link carries: links do not queue', () => {
    const slow = { ...plain, rate: always(1e9) };
    expect([0, 0, 3, 1e12].map((timeNs) => linkTransferNs(slow, 500, timeNs))).toEqual([500, 500, 500, 500]);
  });

  it('has a latency that is drawn for each message, by what holds when it is sent', () => {
    expect(latencies(fortunes({}, 5))).toEqual(draws('latency/consensus/deliver', 5));
    const latency = [
      { fromNs: 0, value: () => 10 },
      { fromNs: 100, value: () => 20 },
    ];
    expect([0, 99, 100].map((timeNs) => fortunes({ latency }, 1, timeNs)[0]!.latencyNs)).toEqual([10, 10, 20]);
  });

  it('has a jitter on top, from a stream of its own', () => {
    const jitter = draws('jitter/consensus/deliver', 5);
    const expected = draws('latency/consensus/deliver', 5).map((latencyNs, index) => latencyNs + jitter[index]!);
    expect(latencies(fortunes({ jitter: drawNs }, 5))).toEqual(expected);
  });
});

/** How long messages without bytes take that are sent over a network, one after the other. */
function delaysOf(messages: readonly { from: string; to: string; kind: string }[]): number[] {
  const links = network({ link: () => plain, streams: new Streams(1) });
  return messages.map(({ from, to, kind }) => {
    const [passage] = links.send({ from, to, message: { kind, facts: {} }, bytes: 0, sentNs: 0, event: 0 });
    if (passage?.passage !== 'arrive') throw new Error(`${kind} from ${from} to ${to} did not arrive`);
    return passage.delayNs;
  });
}

describe('the streams of links', () => {
  it('are those of the sender, one for each receiver, so that much traffic on a link leaves others untouched', () => {
    const links = [
      { from: 'worker-0', to: 'consensus' },
      { from: 'worker-1', to: 'consensus' },
      { from: 'consensus', to: 'worker-0' },
      { from: 'consensus', to: 'worker-1' },
    ];
    const expected = links.map(({ from, to }) => {
      const stream = new Streams(1).stream(from, `latency/${to}/deliver`);
      return [drawNs(stream), drawNs(stream)];
    });
    const busy = [0, 0, 1, 2, 0, 3, 3, 0, 2, 1];
    const delays = delaysOf(busy.map((link) => ({ ...links[link]!, kind: 'deliver' })));
    const found = links.map((_, link) => delays.filter((__, index) => busy[index] === link));
    expect(found.map((ofLink) => ofLink.slice(0, 2))).toEqual(expected);
    expect(new Set(found.flat()).size).toBe(busy.length);
  });

  it('are apart for each kind of message, so that telling progress leaves the latencies of copies as they were', () => {
    const ofCopies = (kinds: readonly string[]): number[] => {
      const delays = delaysOf(kinds.map((kind) => ({ from: 'worker-0', to: 'consensus', kind })));
      return delays.filter((_, index) => kinds[index] === 'deliver');
    };
    expect(ofCopies(['progress', 'deliver', 'progress', 'deliver'])).toEqual(ofCopies(['deliver', 'deliver']));
  });

  it.each([
    ['loss', { loss: 0.5 }],
    ['corruption', { corruption: 0.5 }],
    ['duplication', { duplication: 0.5 }],
    ['both losses', { loss: 0.5, corruption: 0.5 }],
  ])('leave the latencies as they were with %s', (_, options) => {
    expect(latencies(fortunes(options, 50))).toEqual(draws('latency/consensus/deliver', 50));
  });

  it('leave it as it was which messages are lost, whatever else can happen to them', () => {
    const lost = (options: Partial<LinkOptions>): boolean[] =>
      fortunes({ loss: 0.5, ...options }, 50).map((fortune) => fortune.lost === 'loss');
    const alone = draws('loss/consensus/deliver', 50, (stream) => stream.double()).map((draw) => draw < 0.5);
    expect(lost({})).toEqual(alone);
    expect(lost({ corruption: 0.5, duplication: 0.5, jitter: drawNs })).toEqual(alone);
    // A lower probability loses some of the same messages.
    const fewer = fortunes({ loss: 0.2 }, 50).map((fortune) => fortune.lost === 'loss');
    expect(fewer.filter(Boolean).length).toBeGreaterThan(3);
    expect(fewer.every((isLost, index) => !isLost || alone[index]!)).toBe(true);
  });
});

describe('what becomes of a message', () => {
  it('is said with its reason; what is lost cannot arrive damaged', () => {
    const reasons = fortunes({ loss: 0.5, corruption: 0.5 }, 2000).map(({ lost }) => lost ?? 'arrives');
    const count = (reason: string): number => reasons.filter((one) => one === reason).length;
    // 1/2, 1/4 and 1/4 of 2000, three standard errors being 3 sqrt(2000 p (1 - p)).
    expect(Math.abs(count('loss') - 1000)).toBeLessThan(3 * Math.sqrt(500));
    expect(Math.abs(count('corruption') - 500)).toBeLessThan(3 * Math.sqrt(375));
    expect(Math.abs(count('arrives') - 500)).toBeLessThan(3 * Math.sqrt(375));
    expect(count('loss') + count('corruption') + count('arrives')).toBe(2000);
  });

  it.each([0.02, 0.3, 0.9])('is to be doubled with the probability that is given: %d', (duplication) => {
    const count = fortunes({ duplication }, 5000).filter(({ doubled }) => doubled).length;
    expect(Math.abs(count - 5000 * duplication)).toBeLessThan(3 * Math.sqrt(5000 * duplication * (1 - duplication)));
  });

  it('is that it arrives once, where nothing else is asked for', () => {
    const [fortune] = fortunes({ latency: always(() => 5) }, 1);
    expect(fortune).toEqual({ lost: undefined, doubled: false, latencyNs: 5 });
  });
});
