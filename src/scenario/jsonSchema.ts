import { z } from 'zod';
import { scenarioSchema } from './schema.js';
import { extendTables } from './tables.js';

/** The JSON schema of scenarios as they are written, with which editors complete and check them. */
export function jsonSchema(): object {
  return { title: 'straggler scenario', ...z.toJSONSchema(scenarioSchema(extendTables()), { io: 'input' }) };
}
