/** Names of actors, as they stand in event logs and in the seed texts of streams. */
export const consensusName = 'consensus';

export const monitorName = 'monitor';

export function workerName(worker: number): string {
  return `worker-${worker}`;
}

export const faultsName = 'faults';

/** The number of the worker of that name. */
export function workerNumber(name: string): number {
  return Number(name.slice('worker-'.length));
}
