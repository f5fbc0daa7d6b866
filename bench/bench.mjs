/** npm run bench [-- --device D]: the comparison with PyTorch, or what a device does as workers are added. */
import { parseArgs } from 'node:util';
import { compare } from './comparison.mjs';
import { measureDevice } from './devices.mjs';

const { values } = parseArgs({ options: { device: { type: 'string' } } });
await (values.device === undefined ? compare() : measureDevice(values.device));
