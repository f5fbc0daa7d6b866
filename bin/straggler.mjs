#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';

// Parameter vectors come and go by the megabyte. With V8's own limit they have the whole heap marked every 15 iterations
// of LeNet-5, which takes 4 % of the time; with this one every few hundred.
setFlagsFromString('--heap-growing-percent=400');

await import('../dist/src/cli/main.js');
