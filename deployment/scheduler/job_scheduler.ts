// Runs scheduled functions when they are due: at most a given number at once, the earliest first.

import { byCreationTimeIndex, SYSTEM_TABLES, systemIndexId } from "../../engine/system_tables.ts";
import type { Engine } from "../../engine/engine.ts";
import type { IndexId, PublishedCommit } from "../../engine/types.ts";
import { dueIndexes, type DueJob, findDueJobs } from "./due_jobs.ts";
import type { JobRunner } from "./job_runner.ts";
import { Places } from "./places.ts";
import { WakeTimer } from "./wake_timer.ts";

const DEPLOYMENT_INDEX = byCreationTimeIndex(SYSTEM_TABLES.deployment.number);
const TABLES_INDEX = systemIndexId(SYSTEM_TABLES.tables.number, 0);

export interface JobSchedulerOptions {
  readonly engine: Engine;
  readonly runner: JobRunner;
  /** Scheduled functions that run at once. */
  readonly concurrency: number;
}

export class JobScheduler {
  readonly #engine: Engine;
  readonly #runner: JobRunner;
  readonly #timer: WakeTimer;
  readonly #stopListening: () => void;
  /** Of functions that run: a mutation that is accepted has left its place already. */
  readonly places: Places;
  /** Jobs that were picked up, by id, until what became of them is durable. */
  readonly #taken = new Map<string, Promise<void>>();
  /** Due jobs that wait for a place. */
  #waiting: DueJob[] = [];
  #dueIndexes: readonly IndexId[];
  #isClosed = false;

  constructor({ engine, runner, concurrency }: JobSchedulerOptions) {
    this.#engine = engine;
    this.#runner = runner;
    this.places = new Places(concurrency, () => this.#timer.wake());
    this.#dueIndexes = dueIndexes(engine);
    this.#timer = new WakeTimer(() => this.#turn(), engine.clock);
    this.#stopListening = engine.onCommit((commit) => this.#committed(commit));
  }

  /** Ends what the last process left unfinished, then runs what is due. */
  async start(): Promise<void> {
    await this.#runner.failInterrupted();
    this.#timer.start();
  }

  /** Starts nothing any more. */
  stop(): void {
    this.#isClosed = true;
    this.#timer.close();
    this.#stopListening();
  }

  /** Resolves when everything that was picked up is over. */
  async settled(): Promise<void> {
    await Promise.all(this.#taken.values());
  }

  #committed({ keys }: PublishedCommit): void {
    if (keys.has(TABLES_INDEX)) this.#dueIndexes = dueIndexes(this.#engine);
    if (keys.has(DEPLOYMENT_INDEX) || this.#dueIndexes.some((index) => keys.has(index))) {
      this.#timer.wake();
    }
  }

  #turn(): void {
    while (!this.#isClosed && !this.places.areFull) {
      if (this.#waiting.length === 0) {
        const { jobs, nextDueMs } = findDueJobs(this.#engine, (id) => this.#taken.has(id));
        this.#timer.wakeAt(nextDueMs);
        if (jobs.length === 0) return;
        this.#waiting = jobs.toReversed();
      }
      this.#start(this.#waiting.pop()!);
    }
  }

  #start(due: DueJob): void {
    const { _id: id } = due.job;
    this.places.take();
    let isRunning = true;
    const leave = () => {
      if (!isRunning) return;
      isRunning = false;
      this.places.leave();
      this.#timer.wake();
    };
    const finished = this.#runner.run(due, leave).finally(() => {
      this.#taken.delete(id);
      leave();
    });
    this.#taken.set(id, finished);
  }
}
