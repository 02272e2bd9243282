// Runs cron jobs when their time has come; each one at most once at a time, since its next run is
// known only when a run is over (spec services 2.4).

import { randomUUID } from "node:crypto";
import type { Engine } from "../../engine/engine.ts";
import { byCreationTimeIndex, SYSTEM_TABLES, systemIndexId } from "../../engine/system_tables.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import { hasFields } from "../../runtime/isolate/job_record.ts";
import { NO_STATS } from "../../runtime/transaction_runner.ts";
import type { ActionOutcome, FunctionCall, MutationOutcome } from "../../runtime/types.ts";
import { readState } from "../deployment_state.ts";
import type { LoggedRunner } from "../logged_runner.ts";
import { type Backoff, backoffMs, pause } from "./backoff.ts";
import {
  advanced,
  asCronJob,
  type CronJob,
  type CronRun,
  type CronState,
  logRun,
  pathOf,
  skipMissed,
  successStatus,
} from "./cron_jobs.ts";
import { INTERRUPTED_TEXT } from "./job_runner.ts";
import { Places } from "./places.ts";
import { newRequestId, unauthenticated } from "./scheduled_call.ts";
import { type FunctionKinds, missingTargetText } from "./target_kind.ts";
import { WakeTimer } from "./wake_timer.ts";

const JOBS_INDEX = systemIndexId(SYSTEM_TABLES.cronJobs.number, 0);
const JOBS_TABLET = SYSTEM_TABLES.cronJobs.number;
const DEPLOYMENT_INDEX = byCreationTimeIndex(SYSTEM_TABLES.deployment.number);
const RETRY_BACKOFF: Backoff = { initialMs: 500, maxMs: 15_000 };

export interface CronSchedulerOptions {
  readonly engine: Engine;
  readonly runner: LoggedRunner;
  readonly kinds: FunctionKinds;
  /** Cron jobs that run at once. */
  readonly concurrency: number;
  /** Aborts when the server ends. */
  readonly signal: AbortSignal;
  readonly onFault: (message: string, error: unknown) => void;
}

export class CronScheduler {
  readonly #options: CronSchedulerOptions;
  readonly #timer: WakeTimer;
  readonly #stopListening: () => void;
  /** Runs under way, by the job's id. */
  readonly #running = new Map<string, Promise<void>>();
  readonly places: Places;

  constructor(options: CronSchedulerOptions) {
    this.#options = options;
    this.places = new Places(options.concurrency, () => this.#timer.wake());
    const { engine } = options;
    this.#timer = new WakeTimer(() => this.#turn(), engine.clock);
    this.#stopListening = engine.onCommit(({ keys, writes }) => {
      const isTouched = keys.has(JOBS_INDEX) || keys.has(DEPLOYMENT_INDEX) ||
        writes.some(({ tablet }) => tablet === JOBS_TABLET);
      if (isTouched) this.#timer.wake();
    });
  }

  /** Ends what the last process left unfinished, then runs what is due. */
  async start(): Promise<void> {
    const { engine, runner } = this.#options;
    const jobs = engine.read((tx) => tx.table("cronJobs").all().map(asCronJob)).value;
    for (const job of jobs) {
      if (job.state.kind !== "inProgress") continue;
      const { request_id: requestId, execution_id: executionId } = job.state;
      const call = cronCall(job, requestId);
      const context = { ...call.context, executionId };
      runner.logFailure("action", { ...call, context }, INTERRUPTED_TEXT);
      await this.#conclude(job, job.state, interrupted(0));
    }
    this.#timer.start();
  }

  /** Starts nothing any more. */
  stop(): void {
    this.#timer.close();
    this.#stopListening();
  }

  /** Resolves when all runs are over. */
  async settled(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  #turn(): void {
    const { engine, signal } = this.#options;
    if (signal.aborted) return;
    const jobs =
      engine.read((tx) =>
        readState(tx).state === "paused" ? [] : tx.table("cronJobs").all().map(asCronJob)
      ).value;
    const nowMs = engine.clock();
    const waiting = jobs
      .filter(({ _id, state }) => state.kind === "pending" && !this.#running.has(_id))
      .sort((a, b) => a.nextTs - b.nextTs);
    for (const job of waiting) {
      if (job.nextTs > nowMs) return this.#timer.wakeAt(job.nextTs);
      // The end of a run wakes the rest.
      if (this.places.areFull) break;
      this.#start(job);
    }
    this.#timer.wakeAt(null);
  }

  #start(job: CronJob): void {
    const { signal, onFault } = this.#options;
    const finished = this.#run(job).catch(async (error) => {
      if (signal.aborted) return;
      onFault(`the cron job ${job.name} failed`, error);
      await pause(RETRY_BACKOFF.maxMs, signal);
    }).finally(() => {
      this.#running.delete(job._id);
      this.places.leave();
      this.#timer.wake();
    });
    this.#running.set(job._id, finished);
    this.places.take();
  }

  async #run(job: CronJob): Promise<void> {
    const { engine, kinds } = this.#options;
    const path = pathOf(job);
    switch (kinds.runnableKind(path)) {
      case null: {
        const error = missingTargetText(engine, path);
        this.#options.runner.logFailure("mutation", cronCall(job, newRequestId()), error);
        return await this.#conclude(job, job.state, failedRun(error));
      }
      case "mutation":
        return await this.#mutation(job);
      case "action":
        return await this.#action(job);
    }
  }

  /** The job moves on in the mutation's own transaction, so that a crash repeats neither. */
  async #mutation(job: CronJob): Promise<void> {
    const { engine, runner, signal, onFault } = this.#options;
    const requestId = newRequestId();
    for (let failures = 1; !signal.aborted; failures++) {
      const call: FunctionCall = {
        ...cronCall(job, requestId),
        jobRecord: {
          tablet: JOBS_TABLET,
          id: job._id,
          expected: unchanged(job, job.state),
          running: { state: inProgress(requestId) as unknown as JsonObject },
          succeeded: advanced(job, engine.clock()),
          completionField: null,
        },
      };
      let outcome: MutationOutcome;
      const startedMs = performance.now();
      try {
        outcome = await runner.runMutation(call);
      } catch (error) {
        if (signal.aborted) return;
        onFault(`the cron job ${job.name} will be tried again`, error);
        await pause(backoffMs(RETRY_BACKOFF, failures), signal);
        continue;
      }
      if (outcome.isSuperseded) return;
      const run = runOf(outcome, performance.now() - startedMs);
      if (!outcome.result.ok) return await this.#conclude(job, job.state, run);
      await this.#settle(job, (tx) => {
        const isThere = tx.table("cronJobs").get(job._id) !== null;
        if (isThere) logRun(tx, job, run);
        return isThere;
      });
      return;
    }
  }

  async #action(job: CronJob): Promise<void> {
    const { engine, runner, signal, onFault } = this.#options;
    const requestId = newRequestId();
    const state = inProgress(requestId);
    const { value: isMine } = await engine.transact((tx) => {
      if (readState(tx).state === "paused") return false;
      const table = tx.table("cronJobs");
      const row = table.get(job._id);
      if (row === null || !hasFields(row, unchanged(job, job.state))) return false;
      table.patch(job._id, { state: { ...state } });
      return true;
    }, "cron");
    if (!isMine) return;
    const { context, ...call } = cronCall(job, requestId);
    const startedMs = performance.now();
    let run: CronRun;
    try {
      const executionId = state.execution_id;
      const outcome = await runner.runAction({ ...call, context: { ...context, executionId } });
      run = runOf(outcome, performance.now() - startedMs);
    } catch (error) {
      // The next process finds the job in progress.
      if (signal.aborted) return;
      onFault(`the cron job ${job.name} was interrupted`, error);
      run = interrupted(performance.now() - startedMs);
    }
    await this.#conclude(job, state, run);
  }

  /** Moves the job on if it is still in the state that this run gave it, and notes the run. */
  async #conclude(job: CronJob, state: CronState, run: CronRun): Promise<void> {
    await this.#settle(job, (tx) => {
      const table = tx.table("cronJobs");
      const row = table.get(job._id);
      if (row === null || !hasFields(row, { state: { ...state } })) return false;
      logRun(tx, job, run);
      const current = asCronJob(row);
      // A push may have given the job another time meanwhile.
      const isMoved = current.nextTs !== job.nextTs;
      table.patch(
        job._id,
        isMoved ? { state: { kind: "pending" } } : advanced(current, tx.nowMs),
      );
      return true;
    });
  }

  /** Ends a run with one transaction, which also passes over the runs that were missed. */
  async #settle(job: CronJob, end: (tx: Transaction) => boolean): Promise<void> {
    const { engine, runner } = this.#options;
    const { value: skipped } = await engine.transact((tx) => {
      if (!end(tx)) return 0;
      const skipped = skipMissed(tx, job._id);
      if (skipped > 0) {
        const status = { type: "canceled", num_canceled: skipped } as const;
        logRun(tx, job, { status, logLines: [], executionMs: 0 });
      }
      return skipped;
    }, "cron");
    if (skipped === 0) return;
    const text = `Skipping ${skipped} run(s) of job ${job._id} because multiple scheduled runs ` +
      "are in the past";
    const kind = this.#options.kinds.runnableKind(pathOf(job)) ?? "mutation";
    runner.logFailure(kind, cronCall(job, newRequestId()), text);
  }
}

/** Fields that say that nobody has touched the job. */
function unchanged(job: CronJob, state: CronState): JsonObject {
  return { spec: job.spec as unknown as JsonObject, nextTs: job.nextTs, state: { ...state } };
}

function cronCall(job: CronJob, requestId: string): FunctionCall {
  return {
    path: pathOf(job),
    args: JSON.stringify(job.spec.args),
    context: unauthenticated("Cron", requestId),
  };
}

function inProgress(requestId: string): CronState & { kind: "inProgress" } {
  return { kind: "inProgress", request_id: requestId, execution_id: randomUUID() };
}

function runOf(
  { result, logLines }: MutationOutcome | ActionOutcome,
  executionMs: number,
): CronRun {
  return result.ok
    ? { status: successStatus(result.value), logLines, executionMs }
    : { ...failedRun(result.error.text.trimEnd()), logLines, executionMs };
}

function failedRun(error: string): CronRun {
  return { status: { type: "err", error }, logLines: [], executionMs: NO_STATS.executionMs };
}

function interrupted(executionMs: number): CronRun {
  return { ...failedRun(INTERRUPTED_TEXT), executionMs };
}
