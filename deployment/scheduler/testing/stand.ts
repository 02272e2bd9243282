// For tests: an engine with a settable clock, and a runner whose functions are callbacks. Mutations
// keep their job records as isolates do.

import { Engine } from "../../../engine/engine.ts";
import { assert, PlatformError } from "../../../engine/errors.ts";
import type { Transaction } from "../../../engine/transaction.ts";
import { beginJob, completeJob } from "../../../runtime/isolate/job_record.ts";
import { NO_STATS } from "../../../runtime/transaction_runner.ts";
import type {
  ActionOutcome,
  FunctionCall,
  FunctionKind,
  FunctionResult,
  MutationOutcome,
} from "../../../runtime/types.ts";
import { FunctionLogs } from "../../function_logs.ts";
import { LoggedRunner } from "../../logged_runner.ts";
import { FunctionKinds } from "../target_kind.ts";

const UNTIL_TIMEOUT_MS = 30_000;

/** Runs in the mutation's transaction. Throw to fail; a `PlatformError` fails as a run of the server's. */
type Mutation = (tx: Transaction, call: FunctionCall) => void;
type Action = (call: FunctionCall) => Promise<void>;

export class SchedulerStand {
  readonly logs = new FunctionLogs();
  readonly runner: LoggedRunner;
  readonly kinds: FunctionKinds;
  readonly faults: string[] = [];
  readonly mutations = new Map<string, Mutation>();
  readonly actions = new Map<string, Action>();
  readonly #directory: string;
  readonly #stopping = new AbortController();

  private constructor(readonly engine: Engine, directory: string, readonly clock: { ms: number }) {
    this.#directory = directory;
    this.runner = new LoggedRunner(
      {
        runQuery: () => Promise.reject(new Error("no queries here")),
        runMutation: (call, _session, onAccepted) => this.#mutation(call, onAccepted),
        runHttpAction: () => Promise.reject(new Error("no HTTP actions here")),
        runAction: (call) => this.#action(call),
        kindOf: (path) => this.#kindOf(path.name),
      },
      this.logs,
      engine.clock,
      { componentPath: (id) => id },
    );
    this.kinds = new FunctionKinds(engine, (path) => this.runner.kindOf(path));
  }

  static async open(): Promise<SchedulerStand> {
    const directory = await Deno.makeTempDir();
    const clock = { ms: Date.UTC(2026, 10, 22) };
    const engine = await Engine.open({
      path: `${directory}/db.sqlite`,
      cursorKey: new Uint8Array(32),
      clock: () => clock.ms,
    });
    return new SchedulerStand(engine, directory, clock);
  }

  /** What schedulers and runners take. */
  get options() {
    const { engine, runner, kinds } = this;
    const onFault = (message: string, error: unknown) =>
      void this.faults.push(`${message}: ${error}`);
    return { engine, runner, kinds, concurrency: 8, signal: this.#stopping.signal, onFault };
  }

  /** Errors in the log of functions. */
  get loggedErrors(): string[] {
    return this.logs.after(0).flatMap(({ entry }) =>
      entry.type === "completion" && entry.error !== null ? [entry.error] : []
    );
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + UNTIL_TIMEOUT_MS;
    while (!condition()) {
      assert(Date.now() < deadline, () => "it takes too long");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.kinds.close();
    this.logs.close();
    await this.engine.close();
    await Deno.remove(this.#directory, { recursive: true });
  }

  #kindOf(name: string): FunctionKind | null {
    return this.mutations.has(name) ? "mutation" : this.actions.has(name) ? "action" : null;
  }

  async #mutation(call: FunctionCall, onAccepted?: () => void): Promise<MutationOutcome> {
    const { jobRecord } = call;
    let isSuperseded = false;
    let result: FunctionResult = { ok: true, value: "null" };
    try {
      await this.engine.transact((tx) => {
        if (jobRecord !== undefined && !beginJob(tx, jobRecord)) {
          isSuperseded = true;
          return;
        }
        this.mutations.get(call.path.name)!(tx, call);
        if (jobRecord !== undefined) completeJob(tx, jobRecord, tx.nowMs);
      });
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      result = { ok: false, error: { text: `Uncaught Error: ${(error as Error).message}\n` } };
    }
    onAccepted?.();
    const ts = this.engine.committer.latest;
    return { result, ts, logLines: [], replayed: false, isSuperseded, stats: NO_STATS };
  }

  async #action(call: FunctionCall): Promise<ActionOutcome> {
    let result: FunctionResult = { ok: true, value: "null" };
    try {
      await this.actions.get(call.path.name)!(call);
    } catch (error) {
      result = { ok: false, error: { text: `Uncaught Error: ${(error as Error).message}\n` } };
    }
    return { result, logLines: [], stats: NO_STATS };
  }
}
