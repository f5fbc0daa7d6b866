import type { Program } from './trace.js';

/** What a session needs of a program; crosses to threads. */
export type Executable = Pick<Program, 'name' | 'bytes' | 'loops' | 'inputs' | 'outputs' | 'replicas' | 'shared'>;
