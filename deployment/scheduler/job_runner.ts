// Runs one scheduled function and records what became of it (spec services 1.4): a mutation exactly
// once, because its job's document changes in its own transaction; an action at most once, because
// the document says "in progress" before it starts.

import { randomUUID } from "node:crypto";
import { assert, PlatformError } from "../../engine/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import {
  asJob,
  DUE_RUNNING,
  type JobState,
  over,
  type ScheduledJob,
} from "../../engine/scheduled_jobs.ts";
import { SYSTEM_TABLES } from "../../engine/system_tables.ts";
import { SystemTableAccess } from "../../engine/system_table_access.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import type { FunctionCall, FunctionPath, FunctionResult, JobRecord } from "../../runtime/types.ts";
import { hasFields } from "../../runtime/isolate/job_record.ts";
import { readState } from "../deployment_state.ts";
import type { LoggedRunner } from "../logged_runner.ts";
import { type Backoff, backoffMs, pause } from "./backoff.ts";
import type { DueJob } from "./due_jobs.ts";
import { newRequestId, unauthenticated } from "./scheduled_call.ts";
import { type FunctionKinds, missingTargetText } from "./target_kind.ts";

/** After conflicts and refusals for want of room: tried again in this process. */
const RETRY_BACKOFF: Backoff = { initialMs: 100, maxMs: 60_000 };
/** After other failures of the server: the job is due again later. */
const SYSTEM_ERROR_BACKOFF: Backoff = { initialMs: 500, maxMs: 2 * 3600_000 };
/** Text of an action of which nobody knows how far it came. */
export const INTERRUPTED_TEXT = "Transient error while executing action";
/** Before a job is looked at again that could not even be marked as failed. */
const UNEXPECTED_ERROR_PAUSE_MS = 1_000;
const INTERRUPTED_BATCH_JOBS = 100;

export interface JobRunnerOptions {
  readonly engine: Engine;
  readonly runner: LoggedRunner;
  readonly kinds: FunctionKinds;
  /** Aborts when the server ends. */
  readonly signal: AbortSignal;
  readonly onFault: (message: string, error: unknown) => void;
}

export class JobRunner {
  constructor(private readonly options: JobRunnerOptions) {}

  /**
   * Runs the job if it is still as it was found. Never rejects.
   * @param onAccepted the function has run; what is left is to wait for the disk
   */
  async run(due: DueJob, onAccepted: () => void): Promise<void> {
    const { signal, onFault, kinds } = this.options;
    try {
      const path = targetOf(due.job);
      switch (kinds.runnableKind(path)) {
        case null:
          await this.#missing(due, path);
          break;
        case "mutation":
          await this.#mutation(due, path, onAccepted);
          break;
        case "action":
          await this.#action(due, path);
      }
    } catch (error) {
      if (signal.aborted) return;
      onFault(`the scheduled function ${due.job.name} failed`, error);
      await pause(UNEXPECTED_ERROR_PAUSE_MS, signal);
    }
  }

  /** Ends the actions that the last process was running. */
  async failInterrupted(): Promise<void> {
    const { engine, runner } = this.options;
    for (;;) {
      const { value: jobs } = await engine.transact((tx) => {
        const failed: DueJob[] = [];
        for (const table of tx.catalog.tablesNamed(SYSTEM_TABLES.scheduledJobs.name)) {
          const access = new SystemTableAccess(tx, table);
          const limit = INTERRUPTED_BATCH_JOBS;
          for (const row of access.range("by_due", [DUE_RUNNING], { limit })) {
            const { component, tablet } = table;
            access.patch(row._id, over({ kind: "failed", error: INTERRUPTED_TEXT }, tx.nowMs));
            failed.push({ component, tablet, job: asJob(row) });
          }
        }
        return failed;
      }, "scheduler");
      for (const { component, job } of jobs) {
        assert(job.state.kind === "inProgress");
        const { request_id: requestId, execution_id: executionId } = job.state;
        const call = scheduledCall({ component, job }, targetOf(job), requestId);
        runner.logFailure("action", {
          ...call,
          context: { ...call.context, executionId },
        }, INTERRUPTED_TEXT);
      }
      if (jobs.length === 0) return;
    }
  }

  async #missing(due: DueJob, path: FunctionPath): Promise<void> {
    const error = missingTargetText(this.options.engine, path);
    this.options.runner.logFailure("mutation", scheduledCall(due, path, newRequestId()), error);
    await this.#fail(due, error);
  }

  async #mutation(due: DueJob, path: FunctionPath, onAccepted: () => void): Promise<void> {
    const { runner, signal } = this.options;
    const requestId = newRequestId();
    const call = { ...scheduledCall(due, path, requestId), jobRecord: jobRecord(due, requestId) };
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const { result, isSuperseded } = await runner.runMutation(call, undefined, onAccepted);
        if (isSuperseded || result.ok) return;
        return await this.#failed(due, path, "mutation", result.error.text);
      } catch (error) {
        if (signal.aborted) return;
        if (!isWorthRetrying(error)) return await this.#postpone(due, error);
        await pause(backoffMs(RETRY_BACKOFF, failures), signal);
      }
    }
  }

  async #action(due: DueJob, path: FunctionPath): Promise<void> {
    const { engine, runner, signal } = this.options;
    const state: JobState = {
      kind: "inProgress",
      request_id: newRequestId(),
      execution_id: randomUUID(),
    };
    const { value: isMine } = await engine.transact((tx) => {
      if (readState(tx).state === "paused") return false;
      return patchIf(tx, due, pendingFields(due), { state: { ...state }, due: DUE_RUNNING });
    }, "scheduler");
    if (!isMine) return;
    const { context, ...call } = scheduledCall(due, path, state.request_id);
    let result: FunctionResult;
    try {
      const executionId = state.execution_id;
      ({ result } = await runner.runAction({ ...call, context: { ...context, executionId } }));
    } catch (error) {
      // The next process finds the job in progress.
      if (signal.aborted) return;
      this.options.onFault(`the scheduled action ${due.job.name} was interrupted`, error);
      result = { ok: false, error: { text: INTERRUPTED_TEXT } };
    }
    const end: JobState = result.ok
      ? { kind: "success" }
      : { kind: "failed", error: result.error.text.trimEnd() };
    await engine.transact(
      (tx) => patchIf(tx, due, { state: { ...state } }, over(end, engine.clock())),
      "scheduler",
    );
  }

  /** The function ended with an error; or it is another one by now, and the job waits for that. */
  async #failed(due: DueJob, path: FunctionPath, kind: string, error: string): Promise<void> {
    const { kinds } = this.options;
    kinds.forget();
    if (kinds.runnableKind(path) === kind) await this.#fail(due, error.trimEnd());
  }

  async #fail(due: DueJob, error: string): Promise<void> {
    const { engine } = this.options;
    await engine.transact(
      (tx) => patchIf(tx, due, pendingFields(due), over({ kind: "failed", error }, tx.nowMs)),
      "scheduler",
    );
  }

  /** A failure of the server: the job is tried again later, for ever. */
  async #postpone(due: DueJob, error: unknown): Promise<void> {
    const { engine, onFault } = this.options;
    onFault(`the scheduled mutation ${due.job.name} will be tried again`, error);
    const systemErrors = due.job.systemErrors + 1;
    await engine.transact(
      (tx) =>
        patchIf(tx, due, pendingFields(due), {
          systemErrors,
          due: tx.nowMs + backoffMs(SYSTEM_ERROR_BACKOFF, systemErrors),
        }),
      "scheduler",
    );
  }
}

function targetOf({ component, name }: ScheduledJob): FunctionPath {
  const colon = name.lastIndexOf(":");
  return { component, module: name.slice(0, colon), name: name.slice(colon + 1) };
}

function scheduledCall(
  { component, job }: Pick<DueJob, "component" | "job">,
  path: FunctionPath,
  requestId: string,
): FunctionCall {
  const context = unauthenticated("Scheduler", requestId);
  return { path, args: job.args, context: { ...context, job: { component, id: job._id } } };
}

/** What a job that was not touched since it was found looks like. */
function pendingFields({ job }: DueJob): JsonObject {
  return { state: { kind: "pending" }, due: job.due };
}

function jobRecord(due: DueJob, requestId: string): JobRecord {
  const running = { kind: "inProgress", request_id: requestId, execution_id: randomUUID() };
  return {
    tablet: due.tablet,
    id: due.job._id,
    expected: pendingFields(due),
    running: { state: running },
    succeeded: { state: { kind: "success" }, due: null },
    completionField: "completedTime",
  };
}

/** Patches the job's document if it has these fields; whether it did. */
function patchIf(
  tx: Transaction,
  { component, job }: DueJob,
  expected: JsonObject,
  fields: JsonObject,
): boolean {
  const table = tx.table("scheduledJobs", component);
  const row = table.get(job._id);
  if (row === null || !hasFields(row, expected)) return false;
  table.patch(job._id, fields);
  return true;
}

function isWorthRetrying(error: unknown): boolean {
  return error instanceof PlatformError && (error.kind === "occ" || error.kind === "overloaded");
}
