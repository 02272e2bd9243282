// A function runner that writes every execution into the function log. System functions are not
// logged (spec http-api 7).

import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { ROOT_COMPONENT } from "../engine/components.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { ComponentId } from "../engine/types.ts";
import type { ComponentPaths } from "../runtime/isolate/function_path.ts";
import { NO_STATS } from "../runtime/transaction_runner.ts";
import type {
  ActionOutcome,
  ConflictedAttempt,
  Environment,
  ExecutionStats,
  FunctionCall,
  FunctionKind,
  FunctionPath,
  FunctionResult,
  FunctionRunner,
  HttpActionRunner,
  HttpExchange,
  HttpResponseHead,
  LogLine,
  MutationOutcome,
  QueryOutcome,
} from "../runtime/types.ts";
import type { Turn } from "../runtime/turn.ts";
import { isSystemModule, printFunctionPath } from "../sync/function_path.ts";
import type { CompletionEntry, FunctionLogs } from "./function_logs.ts";

/** What outcomes of all kinds have in common. */
interface Outcome {
  readonly result: FunctionResult;
  readonly logLines: readonly LogLine[];
  readonly stats: ExecutionStats;
  readonly environment?: Environment;
}

export class LoggedRunner implements FunctionRunner, HttpActionRunner {
  constructor(
    private readonly runner: FunctionRunner & HttpActionRunner,
    private readonly logs: FunctionLogs,
    private readonly now: () => number,
    private readonly components: ComponentPaths,
  ) {}

  async runQuery(
    call: FunctionCall,
    ts: Timestamp,
    journal: string | null,
  ): Promise<QueryOutcome> {
    const startedAt = this.now();
    const outcome = await this.runner.runQuery(call, ts, journal);
    this.#complete("query", call, startedAt, outcome);
    return outcome;
  }

  /** A query that did not run for this call, since an earlier run stands. */
  logCached(call: FunctionCall, outcome: QueryOutcome, ranAtMs: number): void {
    const cached = { ...outcome, stats: NO_STATS };
    this.#complete("query", call, ranAtMs, cached, undefined, { isCached: true, duration: 0 });
  }

  async runMutation(
    call: FunctionCall,
    session?: { readonly sessionId: string; readonly requestId: number },
    onAccepted?: () => void,
    turn?: Turn,
  ): Promise<MutationOutcome> {
    let startedAt = this.now();
    const onConflict = (attempt: ConflictedAttempt) => {
      const { message: text, logLines, stats } = attempt;
      const outcome = { result: { ok: false, error: { text } }, logLines, stats } as const;
      this.#complete("mutation", call, startedAt, outcome, undefined, { conflict: attempt });
      startedAt = this.now();
    };
    const outcome = await this.runner.runMutation(
      { ...call, onConflict },
      session,
      onAccepted,
      turn,
    );
    if (!outcome.replayed && !outcome.isSuperseded) {
      this.#complete("mutation", call, startedAt, outcome);
    }
    return outcome;
  }

  async runAction(call: FunctionCall, onLog?: (line: LogLine) => void): Promise<ActionOutcome> {
    const startedAt = this.now();
    const executionId = call.context.executionId ?? randomUUID();
    const outcome = await this.runner.runAction(withExecution(call, executionId), (line) => {
      this.logs.add({
        type: "progress",
        ...this.#execution("action", call, startedAt, executionId),
        logLines: [line],
      }, this.now());
      onLog?.(line);
    });
    this.#complete("action", call, startedAt, outcome, executionId);
    return outcome;
  }

  /** Requests that no route of the app matches are not logged. */
  async runHttpAction(
    call: FunctionCall,
    exchange: HttpExchange,
    onLog?: (line: LogLine) => void,
  ): Promise<ActionOutcome> {
    const startedAt = this.now();
    const executionId = randomUUID();
    const { method, url } = exchange.request;
    const request = `${method} ${new URL(url).pathname}`;
    let head: HttpResponseHead | null = null;
    const respond: HttpExchange["respond"] = (responseHead, body) => {
      head = responseHead;
      exchange.respond(responseHead, body);
    };
    const named = withExecution(call, executionId);
    const outcome = await this.runner.runHttpAction(named, { ...exchange, respond }, (line) => {
      this.logs.add({
        type: "progress",
        ...this.#execution("httpAction", call, startedAt, executionId),
        identifier: request,
        logLines: [line],
      }, this.now());
      onLog?.(line);
    });
    const answered = head as HttpResponseHead | null;
    if (answered !== null && answered.route === null) return outcome;
    this.#complete("httpAction", call, startedAt, outcome, executionId, {
      identifier: answered === null ? request : `${method} ${answered.route}`,
      httpStatus: outcome.result.ok ? answered?.status ?? null : null,
      returnBytes: null,
    });
    return outcome;
  }

  kindOf(path: FunctionPath): FunctionKind | null {
    return this.runner.kindOf(path);
  }

  /** Logs an execution that failed without running to its end here. */
  logFailure(kind: FunctionKind, call: FunctionCall, text: string): void {
    const result: FunctionResult = { ok: false, error: { text } };
    const outcome = { result, logLines: [], stats: NO_STATS };
    this.#complete(kind, call, this.now(), outcome, call.context.executionId);
  }

  #complete(
    kind: FunctionKind,
    call: FunctionCall,
    startedAt: number,
    { result, logLines, stats, environment = "isolate" }: Outcome,
    executionId: string = randomUUID(),
    overrides: Partial<CompletionEntry> = {},
  ): void {
    if (isSystemModule(call.path.module)) return;
    const now = this.now();
    this.logs.add({
      type: "completion",
      ...this.#execution(kind, call, startedAt, executionId),
      caller: call.context.caller,
      parentExecutionId: call.context.parentExecutionId ?? null,
      identity: call.context.identity.kind,
      duration: now - startedAt,
      error: result.ok ? null : result.error.text,
      logLines,
      stats,
      environment,
      returnBytes: result.ok ? Buffer.byteLength(result.value) : null,
      httpStatus: null,
      isCached: false,
      conflict: null,
      ...overrides,
    }, now);
  }

  /** As entries of the log show it: null for the app. */
  #componentPath(component: ComponentId): string | null {
    return component === ROOT_COMPONENT ? null : this.components.componentPath(component);
  }

  #execution(kind: FunctionKind, call: FunctionCall, startedAt: number, executionId: string) {
    return {
      kind,
      componentPath: this.#componentPath(call.path.component),
      identifier: printFunctionPath(call.path),
      requestId: call.context.requestId,
      executionId,
      startedAt,
    };
  }
}

/** The call by the name that its execution has in the log. */
function withExecution(call: FunctionCall, executionId: string): FunctionCall {
  return { ...call, context: { ...call.context, executionId } };
}
