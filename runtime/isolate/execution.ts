// One execution of a query or mutation, from its checks to its result. JavaScript runs until the
// microtask queue is empty, then the oldest pending syscall runs, and so on (spec function-runtime 1.6).

import { PlatformError, userError } from "../../engine/errors.ts";
import type { AnalyzedFunction } from "../frames.ts";
import type { LimitUsage } from "../limit_usage.ts";
import type { RuntimeLimits } from "../limits.ts";
import { syscallError } from "../syscall_error.ts";
import type { NestedCallName } from "../nested_overruns.ts";
import type { FunctionError, FunctionResult } from "../types.ts";
import { ExecutionConsole, LogLines } from "./console.ts";
import { describeThrown, plainError } from "./errors.ts";
import {
  checkArguments,
  findFunction,
  type FunctionRequest,
  idContext,
} from "./function_checks.ts";
import { canonicalName } from "./function_path.ts";
import {
  checkResult,
  platformFailure,
  SYSTEM_TIMEOUT_TEXT,
  userFacing,
  userTimeoutText,
} from "./function_result.ts";
import { eventLoopHasMoreWork, monotonicMs, runMicrotasks } from "./host.ts";
import {
  componentCode,
  dynamicImportUnsupported,
  environmentVariable,
  type ImportedModules,
  requireExport,
  type SystemUrls,
} from "./imported_modules.ts";
import { isRefusedWrite } from "./intrinsics.ts";
import type { InstanceCache } from "./instance_cache.ts";
import { invoke } from "./invocation.ts";
import {
  ARGUMENTS_WARNING,
  RESULT_WARNING,
  WARNING_SHARE,
  warnNearLimit,
  warnTransaction,
  warnUserTime,
} from "./limit_warnings.ts";
import { NestedCall } from "./nested_calls.ts";
import type { NestedReports } from "./nested_reports.ts";
import { type ProcessorReading, readProcessor } from "./processor_time.ts";
import type { RandomStream } from "./random.ts";
import { runInScope, type Scope } from "./scope.ts";
import { DATABASE_SYSCALLS, READ_SYSCALLS } from "./syscalls_database.ts";
import { OTHER_SYSCALLS } from "./syscalls_other.ts";
import { STORAGE_SYSCALLS } from "./syscalls_storage.ts";
import { syncSyscall } from "./syscalls_sync.ts";
import { parseSyscallArgs, type TransactionRun } from "./transaction_run.ts";

/** What executions need of the isolate. */
export interface ExecutionServices {
  readonly limits: RuntimeLimits;
  readonly urls: SystemUrls;
  readonly instances: InstanceCache;
  readonly usage: LimitUsage;
  /** Called between syscalls: may tell the host that the top-level call is alive. */
  progress(callId: number, userMs: number, systemMs: number, nowMs: number): void;
  readonly nestedReports: NestedReports;
}

export interface ExecutionRequest extends FunctionRequest {
  readonly kind: "query" | "mutation";
  /** JSON text of the argument array. */
  readonly args: string;
  /** 0 for the function that the host called. */
  readonly depth: number;
  /** Which nested call it is, if the host wants to know. */
  readonly nested: NestedCallName | null;
}

/** A syscall whose promise user code holds. */
interface PendingOperation {
  readonly name: string;
  readonly args: string;
  readonly resolve: (value: string) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * "finished": the result is there. "turn": go on after a turn of the event loop. An execution: run
 * that one to its end first, then call {@link Execution.nestedFinished}.
 */
export type Step = "finished" | "turn" | Execution;

/** Pending reads that run together. */
const READ_BATCH_MAX = 16;
const RUN_UDF = "1.0/runUdf";

export class Execution {
  readonly log: LogLines;
  result: FunctionResult | null = null;
  /** Time in JavaScript of this execution; near the limit only what the processor gave. */
  userMs = 0;
  /** Time in syscalls, nested calls included. */
  systemMs = 0;
  readonly #pending: PendingOperation[] = [];
  #function: AnalyzedFunction | null = null;
  #modules: ImportedModules | null = null;
  /** How the function's own promise ended. */
  #settled: { readonly ok: boolean; readonly value: unknown } | null = null;
  #unhandled: { readonly reason: unknown } | null = null;
  /** The event loop turned, and so reported unhandled rejections, since JavaScript last ran. */
  #turnTaken = false;
  #nested: { readonly call: NestedCall; readonly operation: PendingOperation } | null = null;
  #nestedCount = 0;
  #processor: ProcessorReading | null = null;
  /** Until when the time is accounted for. */
  #clockMs = 0;

  /**
   * @param onSettled called once when the function itself fulfilled (true) or failed, before its
   * result is checked.
   */
  constructor(
    readonly services: ExecutionServices,
    readonly run: TransactionRun,
    readonly random: RandomStream,
    readonly request: ExecutionRequest,
    private readonly onSettled: (ok: boolean) => void = () => {},
  ) {
    this.log = new LogLines(services.limits);
    run.warn = (message, code) => this.log.addSystem("WARN", message, code);
  }

  /** Checks the call and starts the function. */
  start(): void {
    this.#clockMs = monotonicMs();
    this.#processor = readProcessor(this.#clockMs);
    const { request, run, services } = this;
    try {
      this.#function = findFunction(request, run.code);
      const { bytes } = checkArguments(
        request.path,
        request.args,
        this.#function.args,
        idContext(run.tx.catalog, request.path.component),
        services.limits.argsBytes,
        request.depth > 0 && run.state.call.kind === "mutation",
      );
      services.usage.note("argsBytes", bytes);
      warnNearLimit(this.log, ARGUMENTS_WARNING, bytes, services.limits.argsBytes);
      this.#countSystemTime();
      this.#invoke();
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      this.#fail(platformFailure(error));
    }
  }

  /** Takes the place of {@link start}: the function overran a limit in an earlier run. */
  failAsBefore(message: string): void {
    const { request, run, services } = this;
    // Of what it read, only its code is known: the result is kept no longer than others that age.
    run.code.module(request.path.component, request.path.module);
    run.state.clock.observed = true;
    this.userMs = services.limits.userTimeMs;
    this.#fail(plainError(message));
  }

  #invoke(): void {
    const { run, services } = this;
    const { component, module, name } = run.path;
    let registered: unknown;
    let modules: ImportedModules;
    const code = componentCode(run.code, component, services.urls);
    try {
      const { reuse } = run.state;
      const loaded = services.instances.take(component, module, code, reuse.allowSealed);
      if (loaded.modules.isSealed) reuse.entries.push({ component, path: module });
      for (const line of loaded.modules.logLines) this.log.append(line);
      modules = loaded.modules;
      this.#modules = modules;
      registered = requireExport(loaded.exports, module, name);
    } catch (thrown) {
      if (thrown instanceof PlatformError) throw thrown;
      this.#countUserTime();
      this.#fail(this.#describe(thrown));
      return;
    }
    const promise = runInScope(
      this.#scope(modules),
      () => invoke(registered, run.kind, canonicalName(run.path), this.request.args),
    );
    promise.then(
      (value) => this.#settled = { ok: true, value },
      (reason) => this.#settled = { ok: false, value: reason },
    );
    // The modules' top levels and the handler up to its first `await` have run by now.
    this.#countUserTime();
  }

  #scope(modules: ImportedModules): Scope {
    const { run, services } = this;
    return {
      phase: "transaction",
      clock: run.state.clock,
      random: this.random,
      console: new ExecutionConsole(this.log, modules.realm),
      syscalls: {
        syscall: (name, args) => this.#syscall(name, args),
        asyncSyscall: (name, args) => this.#asyncSyscall(name, args),
        jsSyscall: (name) => {
          throw new Error(`Unknown operation ${name}`);
        },
      },
      globals: modules.globalsForRun(),
      environmentVariable: (name) =>
        environmentVariable(run.code, run.path.component, services.urls, name),
      swallowedTypeError: (error) => run.state.reuse.note(error),
      refusedWrite: () => this.#noteRefusedWrite(),
      unhandledRejection: (reason) => this.#unhandled ??= { reason },
      importDynamically: dynamicImportUnsupported,
    };
  }

  #syscall(name: string, args: string): string {
    this.#countUserTime();
    try {
      return syncSyscall(this.run, name, args);
    } catch (error) {
      throw userFacing(error);
    } finally {
      this.#countSystemTime();
    }
  }

  #asyncSyscall(name: string, args: string): Promise<string> {
    return new Promise((resolve, reject) => {
      // After the end nothing is answered any more.
      if (this.result === null) this.#pending.push({ name, args, resolve, reject });
    });
  }

  /** Goes on as far as possible without the event loop. */
  advance(): Step {
    if (this.result !== null) return "finished";
    this.#clockMs = monotonicMs();
    for (;;) {
      runMicrotasks();
      this.#countUserTime();
      const failure = this.#failure();
      if (failure !== null) {
        this.#fail(failure);
        return "finished";
      }
      if (this.#pending.length > 0) {
        this.#turnTaken = false;
        const step = this.#runOperations();
        if (step !== null) return step;
      } else if (!this.#turnTaken && this.#needsTurn()) {
        this.#turnTaken = true;
        return "turn";
      } else if (this.#settled !== null) {
        this.#succeed(this.#settled.value);
        return "finished";
      } else if (eventLoopHasMoreWork()) {
        return "turn";
      } else {
        this.#fail(plainError("Returned promise will never resolve"));
        return "finished";
      }
    }
  }

  /**
   * Whether the event loop may have something to report, such as an unhandled rejection. The outermost
   * function always waits for its turn, so that a batch of calls does not become one deep stack.
   */
  #needsTurn(): boolean {
    return this.request.depth === 0 || eventLoopHasMoreWork();
  }

  /** What ends the execution at this point, if anything does. */
  #failure(): FunctionError | null {
    const { userTimeMs, systemTimeMs } = this.services.limits;
    if (this.userMs > userTimeMs * WARNING_SHARE) {
      this.userMs = Math.min(this.userMs, this.#processor!.usedMs());
    }
    if (this.#unhandled !== null) return this.#describe(this.#unhandled.reason);
    if (this.#settled?.ok === false) return this.#describe(this.#settled.value);
    if (this.userMs > userTimeMs) return plainError(userTimeoutText(userTimeMs));
    if (this.systemMs > systemTimeMs) return plainError(SYSTEM_TIMEOUT_TEXT);
    return null;
  }

  #describe(thrown: unknown): FunctionError {
    this.run.state.reuse.note(thrown);
    if (thrown instanceof TypeError && isRefusedWrite(thrown)) this.#noteRefusedWrite();
    return describeThrown(thrown);
  }

  /** The function tried to change a built-in object. */
  #noteRefusedWrite(): void {
    const modules = this.#modules;
    if (modules === null || modules.realm !== null) return;
    const { component, module } = this.run.path;
    this.run.state.reuse.patching.push({ component, path: module, modules });
  }

  /** Runs the oldest pending operation, or as many reads as stand together. */
  #runOperations(): Step | null {
    const first = this.#pending[0]!;
    if (first.name === RUN_UDF) return this.#startNested(this.#pending.shift()!);
    let count = 1;
    if (READ_SYSCALLS.has(first.name)) {
      const most = Math.min(READ_BATCH_MAX, this.#pending.length);
      while (count < most && READ_SYSCALLS.has(this.#pending[count]!.name)) count++;
    }
    let hasFailed = false;
    for (const operation of this.#pending.splice(0, count)) {
      if (!this.#runOperation(operation)) hasFailed = true;
    }
    this.#countSystemTime();
    this.services.progress(this.run.state.call.callId, this.userMs, this.systemMs, this.#clockMs);
    return hasFailed ? this.#reportRejections() : null;
  }

  /** Answers the operation; false if with an error. */
  #runOperation(operation: PendingOperation): boolean {
    const { name } = operation;
    try {
      const syscall = DATABASE_SYSCALLS.get(name) ?? OTHER_SYSCALLS.get(name) ??
        STORAGE_SYSCALLS.get(name);
      if (syscall === undefined) {
        throw userError("UnknownOperation", `Unknown async operation ${name}`);
      }
      operation.resolve(syscall(this.run, parseSyscallArgs(operation.args)));
      return true;
    } catch (error) {
      operation.reject(userFacing(error));
      return false;
    }
  }

  /**
   * An error that is not caught at once fails the function, even if it would be caught later: the
   * event loop has to report it before the next syscall runs.
   */
  #reportRejections(): "turn" {
    runMicrotasks();
    this.#countUserTime();
    return "turn";
  }

  #startNested(operation: PendingOperation): Step {
    try {
      const call = new NestedCall(this, parseSyscallArgs(operation.args), this.#nestedCount++);
      const { execution } = call;
      this.#nested = { call, operation };
      const { nestedReports } = this.services;
      const failure = nestedReports.begins(this.run.state.call, execution.request.nested);
      if (failure === null) execution.start();
      else execution.failAsBefore(failure);
      return execution;
    } catch (error) {
      operation.reject(userFacing(error));
      return this.#reportRejections();
    }
  }

  /** Takes over the result of the execution that {@link advance} asked to run. */
  nestedFinished(): void {
    const { call, operation } = this.#nested!;
    this.#nested = null;
    const { execution } = call;
    const { path, code } = execution.run;
    for (const line of execution.log.lines) {
      const componentPath = line.componentPath ?? code.componentPath(path.component);
      const udfPath = line.udfPath ?? canonicalName(path);
      this.log.append({ ...line, componentPath, udfPath });
    }
    this.systemMs += execution.userMs + execution.systemMs;
    // Else the host takes the time of one callee after the other for the caller's own.
    const { call: topCall } = this.run.state;
    this.services.progress(topCall.callId, this.userMs, this.systemMs, monotonicMs());
    this.services.nestedReports.ended(topCall, this.request.nested, this.userMs, this.systemMs);
    const result = execution.result!;
    if (result.ok) operation.resolve(result.value);
    else operation.reject(syscallError(result.error.text, result.error.data));
    // The next `advance` comes after this turn of the event loop or at once; either way the
    // rejection is seen before the next syscall.
    this.#turnTaken = false;
  }

  #succeed(returned: unknown): void {
    this.onSettled(true);
    const { limits } = this.services;
    const { path } = this.run;
    try {
      const { text, bytes } = checkResult(
        canonicalName(path),
        returned,
        this.#function!.returns,
        idContext(this.run.tx.catalog, path.component),
        limits.resultBytes,
        this.run.state.call.kind,
      );
      this.services.usage.note("resultBytes", bytes);
      warnNearLimit(this.log, RESULT_WARNING, bytes, limits.resultBytes);
      this.#finish({ ok: true, value: text });
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      this.#finish({ ok: false, error: platformFailure(error) });
    }
  }

  #fail(error: FunctionError): void {
    this.onSettled(false);
    this.#finish({ ok: false, error });
  }

  #finish(result: FunctionResult): void {
    this.result = result;
    this.run.closeAllStreams();
    this.#pending.length = 0;
    const { usage } = this.services;
    usage.note("userTimeMs", this.userMs);
    usage.note("nestedDepth", this.request.depth);
    usage.note("logLines", this.log.lines.length);
    usage.note("logLineBytes", this.log.longestBytes);
    if (this.request.depth > 0) return;
    const { tx } = this.run;
    usage.note("systemTimeMs", this.systemMs);
    usage.noteAll(tx.usage);
    usage.note("documentBytes", tx.largestWrite?.size ?? 0);
    usage.note("documentNesting", tx.deepestWrite?.size ?? 0);
    warnTransaction(this.log, tx);
    warnUserTime(this.log, this.userMs, this.services.limits.userTimeMs);
  }

  #countUserTime(): void {
    const now = monotonicMs();
    this.userMs += now - this.#clockMs;
    this.#clockMs = now;
  }

  #countSystemTime(): void {
    const now = monotonicMs();
    this.systemMs += now - this.#clockMs;
    this.#clockMs = now;
  }
}
