/** Writes schema/scenario.schema.json. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { jsonSchema } from './jsonSchema.js';

const directory = new URL('../../../schema/', import.meta.url);
mkdirSync(directory, { recursive: true });
writeFileSync(new URL('scenario.schema.json', directory), `${JSON.stringify(jsonSchema(), null, 2)}\n`);
