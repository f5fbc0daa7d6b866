/** Assembles a simulation from a scenario: data, model, rules, actors, network and engine. */
import { consensus } from '../../actors/consensus.js';
import { measures, type MeasureRow } from '../../actors/measures.js';
import { monitor } from '../../actors/monitor.js';
import { faults } from '../../actors/faults.js';
import { consensusName, faultsName, monitorName, workerName } from '../../actors/names.js';
import { worker } from '../../actors/worker.js';
import { openRunner } from '../compute/engines.js';
import type { Layout } from '../compute/layout.js';
import type { Fingerprint, Runner } from '../compute/runner.js';
import type { Limits, Simulation } from '../kernel/simulation.js';
import { Streams } from '../kernel/streams.js';
import type { Dataset } from '../learning/dataset.js';
import { sampleLosses, type Learner } from '../learning/evaluation.js';
import type { Assignment } from '../learning/partition.js';
import { sampler } from '../learning/sampling.js';
import type { Rules } from '../optimization/method.js';
import { planMeasures, type Measuring } from './measuring.js';
import { loadProblem, tablesOf, type LoadedProblem } from './problem.js';
import type { Scenario } from './scenario.js';
import type { Settings } from './schema.js';
import { bindTasks } from './tasks.js';
import { tryOut } from './trial.js';
import { planFaults, refuseUnreachable, wireNetwork, wireStepTimes } from './wiring.js';

/** Everything that a run needs and that its record tells of. */
export interface Assembly {
  /** The settings, with what follows from the data filled in: model, loss, partition, batch size. */
  readonly settings: Settings;
  readonly simulation: Omit<Simulation, `on${string}` | 'signal'>;
  readonly layout: Layout;
  readonly dataset: Dataset;
  readonly assignment: Assignment;
  readonly rules: Rules;
  /** u^0 = z_j^0, `[P]`. */
  readonly start: Float32Array;
  readonly fingerprint: Fingerprint;
  readonly onCpu: Runner['onCpu'];
  readonly close: () => Promise<void>;
}

/** Throws BadInput (with the path of the key) where the scenario cannot be run here. */
export async function assemble(scenario: Scenario): Promise<Assembly> {
  const { tables } = scenario;
  const streams = new Streams(scenario.settings.seed);
  const problem = await loadProblem(scenario, streams);
  const { dataset, assignment, learner, start } = problem;
  const rules = rulesOf({ ...scenario, settings: problem.settings }, learner);
  refuseUnreachable(problem.settings, rules.exchange);
  const measuring = planMeasures(problem, rules, tables);
  const { settings, envelope } = measuring;
  // What is compressed must be here when it is sent.
  const stays = settings.network.compression === undefined;
  const runner = await openRunner({ ...settings.engine, stays }, tablesOf(dataset));
  const simulation = cast({ ...problem, ...measuring, rules, runner, streams, directory: scenario.directory });
  try {
    await tryOut(problem, { runner, engine: simulation.engine, coupling: rules.coupling, envelope });
  } catch (error) {
    await runner.close();
    throw error;
  }
  return {
    settings,
    simulation,
    layout: learner.layout,
    dataset,
    assignment,
    rules,
    start,
    fingerprint: runner.fingerprint,
    onCpu: () => runner.onCpu(),
    close: () => runner.close(),
  };
}

/** The rules of the chosen method. */
function rulesOf({ settings: { algorithm }, tables }: Scenario, learner: Learner): Rules {
  return tables.methods[algorithm.method].rules(algorithm as never, {
    ...learner,
    sampleLosses: sampleLosses(learner),
  });
}

interface Parts extends LoadedProblem, Measuring {
  readonly settings: Settings;
  readonly rules: Rules;
  readonly runner: Runner;
  readonly streams: Streams;
  readonly directory: string;
}

/** Gives every actor its part. */
function cast(parts: Parts): Assembly['simulation'] {
  const { settings, streams, assignment, rules, start, chosen } = parts;
  const { workers, data, protocol = {} } = settings;
  const { quorum, combine, localSteps, overlap, stalenessMax, sends, handsOut, split } = rules.exchange;
  const plan = planFaults(settings);
  const stepNs = wireStepTimes(parts);
  const showsStarts = chosen.some((name) => isTimed(measures[name]));
  const cluster = assignment.map((indices, index) => ({
    name: workerName(index),
    behaviour: worker({
      worker: index,
      start,
      localSteps,
      adaptivePeriod: protocol.adaptivePeriod ?? false,
      overlap,
      sends,
      split,
      stalenessMax,
      sampling: sampler({ sampling: data.sampling, batchSize: data.batchSize!, indices }) as never,
      showsStarts,
      stepNs: stepNs(index, data.batchSize === 'full' ? indices.length : data.batchSize!),
      joinsLater: plan.some(({ kind, who }) => kind === 'join' && who === workerName(index)),
      stepSize: rules.workerStepSize,
    }),
  }));
  const centre = {
    name: consensusName,
    behaviour: consensus({
      workers,
      start,
      momentum: rules.consensusMomentum,
      quorum: quorum === 'all' ? workers : quorum,
      combine,
      handsOut: split ? 'nothing' : handsOut,
      weights: assignment.map(({ length }) => length),
      staleness: stalenessMax !== undefined,
      deadlineNs: protocol.deadline,
      damping: protocol.damping ?? 0,
      stepSize: rules.consensusStepSize,
    }),
  };
  const nemesis = plan.length === 0 ? [] : [{ name: faultsName, behaviour: faults(plan) }];
  const { iterations } = settings.monitor.every;
  return {
    actors: [...cluster, centre, ...nemesis],
    monitor: { name: monitorName, behaviour: monitor({ workers, start, every: iterations, measures: chosen }) },
    network: wireNetwork(parts),
    engine: bindTasks(parts),
    streams,
    limits: limitsOf(settings),
  };
}

const isTimed = (row: MeasureRow): boolean => row.from === 'observed' && row.timed === true;

function limitsOf({ stop }: Settings): Limits {
  const { iterations, steps, virtualTime, target } = stop;
  return {
    counts: {
      ...(iterations === undefined ? {} : { move: iterations }),
      ...(steps === undefined ? {} : { step: steps }),
    },
    ...(virtualTime === undefined ? {} : { timeNs: virtualTime }),
    ...(target === undefined ? {} : { target }),
  };
}
