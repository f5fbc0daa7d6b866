/** npm run bench [-- --device D [--model M] [--workers N]]: peers beside this, or a device as workers are added. */
import { parseArgs } from 'node:util';
import { compare } from './comparison.mjs';
import { measureDevice } from './devices.mjs';

const several = { type: 'string', multiple: true };
const { values } = parseArgs({ options: { device: { type: 'string' }, model: several, workers: several } });
await (values.device === undefined ? compare() : measureDevice(values.device, values));
