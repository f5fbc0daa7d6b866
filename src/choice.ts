/**
 * Choices: scenario objects whose discriminator names a row of a table, `{ kind: dirichlet, alpha: 0.3 }`.
 * A leaf that every room may import.
 */
import { z } from 'zod';

/** Rows that say, as a zod object, which keys they take beside the discriminator. */
export type ChoiceRows = Readonly<Record<string, { readonly options: z.ZodObject; readonly description?: string }>>;

/** What a choice parses to: the discriminator and the keys of the row it names. */
export type Choice<Key extends string, Rows extends ChoiceRows> = {
  [Name in keyof Rows & string]: { [K in Key]: Name } & Keys<z.infer<Rows[Name]['options']>>;
}[keyof Rows & string];

/** The keys of a row: where it has none, zod infers an object that can have none. */
type Keys<Parsed> = string extends keyof Parsed ? unknown : Parsed;

/**
 * The schema of a choice; keys of `common` are taken with every row, and `fallback` names the row that an
 * absent discriminator means. Unknown keys are refused.
 */
export function choice<Key extends string, Rows extends ChoiceRows>(
  key: Key,
  rows: Rows,
  { common = {}, fallback }: { common?: z.ZodRawShape; fallback?: keyof Rows & string } = {},
): z.ZodType<Choice<Key, Rows>> {
  const members = Object.entries(rows).map(([name, { options, description }]) => {
    const literal = z.literal(name).describe(description ?? name);
    const discriminator = name === fallback ? literal.default(name) : literal;
    return options.safeExtend({ [key]: discriminator, ...common }).strict();
  });
  return z.discriminatedUnion(key, members as never);
}
