// Everything that runs functions by time: scheduled functions, cron jobs, and what cleans up after
// them.

import type { Engine } from "../../engine/engine.ts";
import { DEFAULT_SCHEDULER_LIMITS, type SchedulerLimits } from "../../runtime/limits.ts";
import type { HighestUse } from "../../runtime/limit_usage.ts";
import type { LoggedRunner } from "../logged_runner.ts";
import { CronScheduler } from "./cron_scheduler.ts";
import { FinishedJobCollection } from "./job_maintenance.ts";
import { JobRunner } from "./job_runner.ts";
import { JobScheduler } from "./job_scheduler.ts";
import { FunctionKinds } from "./target_kind.ts";

export interface SchedulerOptions {
  readonly engine: Engine;
  readonly runner: LoggedRunner;
  readonly limits?: Partial<SchedulerLimits>;
  readonly onFault: (message: string, error: unknown) => void;
}

export class Scheduler {
  readonly jobs: JobScheduler;
  readonly crons: CronScheduler;
  readonly #collection: FinishedJobCollection;
  readonly #kinds: FunctionKinds;
  readonly #stopping = new AbortController();

  constructor({ engine, runner, limits, onFault }: SchedulerOptions) {
    this.#kinds = new FunctionKinds(engine, (path) => runner.kindOf(path));
    const { signal } = this.#stopping;
    const shared = { engine, runner, kinds: this.#kinds, signal, onFault };
    const { scheduledFunctionsRunning, cronJobsRunning } = {
      ...DEFAULT_SCHEDULER_LIMITS,
      ...limits,
    };
    this.jobs = new JobScheduler({
      engine,
      runner: new JobRunner(shared),
      concurrency: scheduledFunctionsRunning,
    });
    this.crons = new CronScheduler({ ...shared, concurrency: cronJobsRunning });
    this.#collection = new FinishedJobCollection(engine, onFault);
  }

  async start(): Promise<void> {
    await Promise.all([this.jobs.start(), this.crons.start()]);
    this.#collection.start();
  }

  get limits(): SchedulerLimits {
    return {
      scheduledFunctionsRunning: this.jobs.places.count,
      cronJobsRunning: this.crons.places.count,
    };
  }

  set limits({ scheduledFunctionsRunning, cronJobsRunning }: SchedulerLimits) {
    this.jobs.places.count = scheduledFunctionsRunning;
    this.crons.places.count = cronJobsRunning;
  }

  /** How many ran at once at most; nothing of what has not run yet. */
  get highestUse(): HighestUse {
    return {
      scheduledFunctionsRunning: this.jobs.places.highest,
      cronJobsRunning: this.crons.places.highest,
    };
  }

  /** Starts nothing any more and tries nothing again. */
  stop(): void {
    this.#stopping.abort();
    this.jobs.stop();
    this.crons.stop();
    this.#collection.stop();
    this.#kinds.close();
  }

  /** Resolves when all that was running is over; the runtime's end ends it. */
  async settled(): Promise<void> {
    await Promise.all([this.jobs.settled(), this.crons.settled()]);
  }
}
