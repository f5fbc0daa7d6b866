/** Which of the adapters that vulkaninfo lists Dawn takes, and how it is called. */
import { expect, it } from 'vitest';
import { adapterOf, vulkanAdapter } from '../../src/compute/device/adapter.js';

/** The lines that count of `vulkaninfo --summary` (vulkan-tools 1.3.239), of this machine and others. */
const summary = (...devices: readonly string[][]): string =>
  `Devices:\n========\n${devices
    .map(
      ([kind, name, driver, info, version], index) =>
        `GPU${index}:\n\tdriverVersion      = ${version!}\n\tdeviceType         = PHYSICAL_DEVICE_TYPE_${kind!}\n` +
        `\tdeviceName         = ${name!}\n\tdriverName         = ${driver!}\n\tdriverInfo         = ${info!}\n`,
    )
    .join('')}`;

const swiftShader = ['CPU', 'SwiftShader Device (Subzero)', 'SwiftShader driver', '', '5.0.0'];
const llvmpipe = ['CPU', 'llvmpipe (LLVM 15.0.6, 256 bits)', 'llvmpipe', 'Mesa 22.3.6', '0.0.1'];
const intel = [
  'INTEGRATED_GPU',
  'Intel(R) Graphics (ADL GT2)',
  'Intel open-source Mesa driver',
  'Mesa 22.3.6',
  '22.3.6',
];
const nvidia = ['DISCRETE_GPU', 'NVIDIA H100 80GB HBM3', 'NVIDIA', '580.159.04', '580.159.4.0'];

it.each([
  { devices: [swiftShader], adapter: 'SwiftShader Device (Subzero), SwiftShader driver 5.0.0' },
  { devices: [llvmpipe, intel, nvidia], adapter: 'NVIDIA H100 80GB HBM3, NVIDIA 580.159.04' },
  { devices: [llvmpipe, intel], adapter: 'Intel(R) Graphics (ADL GT2), Intel open-source Mesa driver Mesa 22.3.6' },
  { devices: [], adapter: undefined },
])('$adapter is taken', ({ devices, adapter }) => {
  expect(vulkanAdapter(summary(...devices))).toBe(adapter);
});

it('a device that need not be a GPU has no adapter', async () => {
  expect(await adapterOf('cpu')).toBeUndefined();
});
