/**
 * What the monitor is shown: observations in their order and with their times, several at once, because it lies outside
 * virtual time and showing costs as much as an event. What it makes of them goes to the ledger.
 */
import type { Context, Effect, Observation } from './effects.js';
import type { Ledger } from './ledger.js';
import type { Letter, Stage } from './stage.js';
import { bytesOf } from './traffic.js';

// So much may wait: what is observed holds tensors.
const lettersMax = 64;
const bytesMax = 1_048_576;

export class Watch {
  private letters: Letter[] = [];
  private bytes = 0;

  constructor(
    private readonly monitor: string,
    private readonly stage: Stage,
    private readonly ledger: Ledger,
  ) {}

  /** Something to show; `context` is of the moment, and must not change. */
  add(observation: Observation, context: Context): void {
    this.letters.push({ message: observation, context });
    this.bytes += bytesOf(observation);
  }

  get isEmpty(): boolean {
    return this.letters.length === 0;
  }

  get isFull(): boolean {
    return this.letters.length >= lettersMax || this.bytes >= bytesMax;
  }

  /** Shows what there is, and enters the measurements that the monitor takes. */
  async show(): Promise<void> {
    if (this.isEmpty) return;
    const { letters } = this;
    this.letters = [];
    this.bytes = 0;
    const answers = await this.stage.deliverAll(this.monitor, letters);
    for (const [index, effects] of answers.entries()) {
      if (effects.length === 0) continue;
      this.record(effects, letters[index]!.context.timeNs);
      await this.ledger.advance();
    }
  }

  /** What the monitor does must not reach the agenda. */
  record(effects: readonly Effect[], timeNs: number): void {
    for (const effect of effects) {
      if (effect.effect !== 'record' && effect.effect !== 'evaluate') {
        throw new Error(`${this.monitor} may not ${effect.effect}: it records and evaluates, and does nothing else`);
      }
      this.ledger.enter(effect, timeNs);
    }
  }
}
