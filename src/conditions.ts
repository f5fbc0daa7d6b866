/**
 * Conditions: what a user can cause and mend, in contrast to a bug (an assertion, exit status 1).
 * This leaf is the one file that every room may import.
 */

/** A path into a scenario, as zod and `yaml` write it: `['data', 'partition', 'alpha']`. */
export type ScenarioPath = readonly (string | number)[];

/**
 * Bad input: a scenario, an argument or a file that cannot be used. Exit status 2.
 * `message` names the value and the limit, `remedy` says what to do. Where the cause is a key of the
 * scenario, `path` names it and the command line adds file, line and column.
 */
export class BadInput extends Error {
  override readonly name = 'BadInput';
  readonly path: ScenarioPath | undefined;
  readonly remedy: string | undefined;

  constructor(message: string, where: { path?: ScenarioPath; remedy?: string } = {}) {
    super(message);
    this.path = where.path;
    this.remedy = where.remedy;
  }
}

/** A run that cannot go on: it diverged, or an invariant that it promised does not hold. Exit status 3. */
export class Stopped extends Error {
  override readonly name = 'Stopped';

  constructor(
    readonly status: 'diverged' | 'failed',
    message: string,
  ) {
    super(message);
  }
}
