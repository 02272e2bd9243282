// The Node processes of a deployment. One runs the actions of the app as it is now; it starts with
// the first action and ends when there has been none for a while. A process whose app was replaced,
// that is busy, or in which something went wrong gets no further actions and ends after its last one.

import { userError } from "../engine/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { SyscallStreams } from "./action_isolate.ts";
import type { RunCall } from "./frames.ts";
import type { ExitReason } from "./isolate_process.ts";
import type { RuntimeLimits } from "./limits.ts";
import type { NodeOutcome } from "./node/protocol.ts";
import { type NodeApp, nodeAppKey, readNodeApp, readNodeSources } from "./node_code.ts";
import type { NodeLauncher } from "./node_launcher.ts";
import type { NodeAction, NodeProcess, NodeProcessEvents } from "./node_process.ts";
import { internalError } from "./system_failure.ts";
import { closingError } from "./transaction_isolate.ts";

/** A process ends after so long without actions. */
const IDLE_MS_MAX = 60_000;
/** Processes beside the current one that finish their actions; the oldest is ended for a further one. */
const RETIRED_PROCESSES_MAX = 4;
const WATCH_INTERVAL_MS = 1_000;
/** A process that says nothing when an action is out of time gets so much longer. */
const TIMEOUT_GRACE_MS = 5_000;
const HARD_TIMEOUT_TEXT =
  "Function execution unexpectedly timed out. Check your function for infinite loops or other " +
  "long-running operations.";

export interface NodePoolOptions {
  readonly engine: Engine;
  readonly launcher: NodeLauncher;
  /** All variables that the app sees. */
  readonly environment: (tx: Transaction) => Readonly<Record<string, string>>;
  readonly limits: RuntimeLimits;
  readonly onFault: (message: string) => void;
}

/** A process from the moment in which it is wanted. */
interface Slot {
  readonly key: string;
  readonly starting: Promise<NodeProcess>;
  process: NodeProcess | null;
  /** Actions that run in it or wait for its start. */
  users: number;
}

export class NodePool implements NodeProcessEvents {
  readonly #options: NodePoolOptions;
  #app: { readonly configuration: Timestamp; readonly key: string; readonly app: NodeApp } | null =
    null;
  #current: Slot | null = null;
  /** Actions that run; each was handed over once. */
  readonly #callIds = new Set<number>();
  /** Oldest first. */
  readonly #retired = new Set<Slot>();
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #watchTimer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(options: NodePoolOptions) {
    this.#options = options;
  }

  /**
   * Runs an action that the isolate of `caller` has checked.
   * @throws PlatformError when the process fails
   */
  async run(call: RunCall, caller: Pick<SyscallStreams, "signal" | "log">): Promise<NodeOutcome> {
    if (this.#closed) throw closingError();
    const { callId } = call;
    if (this.#callIds.has(callId)) throw userError("UnknownOperation", "The action runs already");
    this.#callIds.add(callId);
    const slot = this.#slotOfApp();
    slot.users++;
    clearTimeout(this.#idleTimer);
    this.#watchTimer ??= setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
    try {
      return await this.#runIn(await slot.starting, call, caller);
    } finally {
      this.#callIds.delete(callId);
      slot.users--;
      this.#released(slot);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    clearInterval(this.#watchTimer);
    const slots = [...this.#retired, ...this.#current === null ? [] : [this.#current]];
    await Promise.all(slots.map(async ({ starting }) => {
      const process = await starting.catch(() => null);
      process?.kill();
      await process?.exited;
    }));
  }

  // Events of the processes.

  leaving(process: NodeProcess): void {
    if (this.#current?.process === process) this.#retireCurrent();
  }

  ended(process: NodeProcess, reason: ExitReason): void {
    if (this.#current?.process === process) this.#current = null;
    for (const slot of this.#retired) if (slot.process === process) this.#retired.delete(slot);
    if (reason.kind === "stopped" || this.#closed) return;
    this.#options.onFault(`a Node process ended (${reason.kind}): ${reason.detail}`);
  }

  #runIn(
    process: NodeProcess,
    call: RunCall,
    { signal, log }: Pick<SyscallStreams, "signal" | "log">,
  ): Promise<NodeOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<NodeOutcome>();
    if (!process.alive) reject(internalError(new Error("the Node process has just ended")));
    if (signal.aborted) reject(internalError(new Error("the action was given up")));
    const timeMs = this.#options.limits.nodeActionTimeMs;
    const action: NodeAction = { call, timeMs, log, settle: resolve, fail: reject };
    const timer = setTimeout(() => {
      resolve({ ok: false, error: { message: HARD_TIMEOUT_TEXT, frames: [] } });
      process.kill();
    }, timeMs + TIMEOUT_GRACE_MS);
    const giveUp = () => {
      // What it computes goes on; other actions should not suffer from it.
      this.leaving(process);
      process.cancel(call.callId);
      reject(internalError(new Error("the action was given up")));
    };
    signal.addEventListener("abort", giveUp);
    process.run(action);
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    });
  }

  #slotOfApp(): Slot {
    const { key, app } = this.#currentApp();
    if (this.#current !== null && this.#current.key !== key) this.#retireCurrent();
    return this.#current ??= this.#start(key, app);
  }

  /** The app as the last commit has it. */
  #currentApp(): { readonly key: string; readonly app: NodeApp } {
    const { engine, environment } = this.#options;
    const configuration = engine.configuration();
    if (this.#app?.configuration !== configuration) {
      const app = engine.read((tx) => readNodeApp(tx, environment)).value;
      this.#app = { configuration, key: nodeAppKey(app), app };
    }
    return this.#app;
  }

  #start(key: string, app: NodeApp): Slot {
    const { engine, launcher } = this.#options;
    const sources = engine.read((tx) => readNodeSources(tx, app)).value;
    const starting = launcher.launch({ ...app, sources }, this);
    const slot: Slot = { key, starting, process: null, users: 0 };
    starting.then(
      (process) => slot.process = process,
      () => {
        if (this.#current === slot) this.#current = null;
        this.#retired.delete(slot);
      },
    );
    return slot;
  }

  #retireCurrent(): void {
    const slot = this.#current;
    if (slot === null) return;
    this.#current = null;
    this.#retired.add(slot);
    if (slot.users === 0) this.#end(slot);
    if (this.#retired.size > RETIRED_PROCESSES_MAX) this.#end([...this.#retired][0]!);
  }

  #released(slot: Slot): void {
    if (this.#closed || slot.users > 0) return;
    if (slot !== this.#current) return this.#end(slot);
    this.#idleTimer = setTimeout(() => this.#retireCurrent(), IDLE_MS_MAX);
    Deno.unrefTimer(this.#idleTimer);
  }

  #end(slot: Slot): void {
    slot.starting.then((process) => process.kill(), () => {
      // Those who waited for it know.
    });
  }

  #watch(): void {
    const nowMs = performance.now();
    const slots = [...this.#retired, ...this.#current === null ? [] : [this.#current]];
    for (const { process } of slots) process?.checkSize();
    if (this.#current?.process?.isBusy(nowMs)) this.#retireCurrent();
    if (slots.some(({ users }) => users > 0)) return;
    clearInterval(this.#watchTimer);
    this.#watchTimer = undefined;
  }
}
