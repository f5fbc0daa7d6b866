/** Writes schema/scenario.schema.json, with which editors complete and check scenarios. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { scenarioSchema } from './schema.js';
import { extendTables } from './tables.js';

const schema = z.toJSONSchema(scenarioSchema(extendTables()), { io: 'input' });
const directory = new URL('../../../schema/', import.meta.url);
mkdirSync(directory, { recursive: true });
const text = JSON.stringify({ title: 'straggler scenario', ...schema }, null, 2);
writeFileSync(new URL('scenario.schema.json', directory), `${text}\n`);
