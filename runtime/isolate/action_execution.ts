// One run of an action: real time, network, and the server's services by frames. Many run at once.

import { PlatformError, userError } from "../../engine/errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../engine/values/value.ts";
import type { FromIsolate, RunCall, SyscallResult } from "../frames.ts";
import type { LimitUsage } from "../limit_usage.ts";
import type { RuntimeLimits } from "../limits.ts";
import type { FunctionError, FunctionResult } from "../types.ts";
import type { ActionCode } from "./action_code.ts";
import { blobFromJson, GET_BLOB, STORE_BLOB, storeBlobArgs } from "./action_storage.ts";
import { ActionClock } from "./clock.ts";
import { ExecutionConsole, LogLines } from "./console.ts";
import { describeThrown } from "./errors.ts";
import { handleOf, resolveAddress } from "./function_address.ts";
import { checkArguments, findFunction, idContext } from "./function_checks.ts";
import { canonicalName, displayName } from "./function_path.ts";
import {
  checkResult,
  INTERNAL_ERROR_TEXT,
  platformFailure,
  syscallError,
} from "./function_result.ts";
import { monotonicMs, systemRandomBytes } from "./host.ts";
import {
  type ComponentCode,
  componentCode,
  environmentVariable,
  ImportedModules,
  requireExport,
  type SystemUrls,
} from "./imported_modules.ts";
import { invoke } from "./invocation.ts";
import {
  ACTION_ARGUMENTS_WARNING,
  ACTION_RESULT_WARNING,
  warnNearLimit,
} from "./limit_warnings.ts";
import { RandomStream } from "./random.ts";
import { runInScope, type Scope, type ScopeOperations } from "./scope.ts";
import { deploymentMetadataJson, identityJson, requestMetadataJson } from "./syscalls_other.ts";

export interface ActionServices {
  readonly limits: RuntimeLimits;
  readonly urls: SystemUrls;
  readonly deploymentName: string;
  readonly code: ActionCode;
  readonly usage: LimitUsage;
  send(frame: FromIsolate): void;
  clearTimer(id: number): void;
}

interface PendingReply {
  readonly label: string;
  readonly resolve: (value: string) => void;
  readonly reject: (error: unknown) => void;
}

const SEED_BYTES = 32;

export class ActionExecution implements ScopeOperations {
  ended = false;
  readonly #services: ActionServices;
  readonly #call: RunCall;
  readonly #onEnd: () => void;
  readonly #log: LogLines;
  readonly #startedMs = monotonicMs();
  readonly #replies = new Map<number, PendingReply>();
  /** Operations besides syscalls that are under way, by name. */
  readonly #operations = new Map<string, number>();
  readonly #timers = new Set<number>();
  #lastOperation = 0;
  #modules: ImportedModules | null = null;
  #returns = "null";

  /** @param onEnd called once, when the result was sent or the action was cancelled. */
  constructor(services: ActionServices, call: RunCall, onEnd: () => void) {
    this.#services = services;
    this.#call = call;
    this.#onEnd = onEnd;
    const { callId } = call;
    this.#log = new LogLines(services.limits, (line) => {
      if (!this.ended) services.send({ type: "log", callId, line });
    });
  }

  /** Checks the call and starts the action. */
  start(): void {
    try {
      const registered = this.#services.code.use(() => this.#load());
      const { path, args } = this.#call;
      const promise = runInScope(
        this.#scope(),
        () => invoke(registered, "action", canonicalName(path), args),
      );
      promise.then((value) => this.#succeed(value), (reason) => this.#failWith(reason));
    } catch (error) {
      this.#failWith(error);
    }
  }

  #load(): unknown {
    const { path, args, visibility, notFoundWording } = this.#call;
    const { limits, urls } = this.#services;
    const { code, catalog } = this.#services.code.use((view) => view);
    const request = { path, kind: "action", visibility, notFoundWording } as const;
    const found = findFunction(request, code);
    this.#returns = found.returns;
    const context = idContext(catalog, path.component);
    const { bytes } = checkArguments(path, args, found.args, context, limits.argsBytes);
    this.#services.usage.note("argsBytes", bytes);
    warnNearLimit(this.#log, ACTION_ARGUMENTS_WARNING, bytes, limits.argsBytes);
    this.#modules = new ImportedModules(
      lazyCode(this.#services.code, path.component, urls),
      limits,
    );
    const exports = this.#modules.load(path.module);
    for (const line of this.#modules.logLines) this.#log.append(line);
    return requireExport(exports, path.module, path.name);
  }

  #scope(): Scope {
    const { urls, code } = this.#services;
    const { component } = this.#call.path;
    const modules = this.#modules!;
    return {
      phase: "action",
      clock: new ActionClock(modules.originMs),
      random: new RandomStream(() => systemRandomBytes(SEED_BYTES)),
      console: new ExecutionConsole(this.#log),
      syscalls: {
        syscall: (name) => this.#syscall(name),
        asyncSyscall: (name, args) => this.#asyncSyscall(name, args),
        jsSyscall: (name, args) => this.#jsSyscall(name, args),
      },
      operations: this,
      globals: modules.globals,
      environmentVariable: (name) =>
        code.use((view) => environmentVariable(view.code, component, urls, name)),
      unhandledRejection: (reason) => this.#failWith(reason),
      importDynamically: (specifier, importer) => modules.loadFrom(specifier, importer),
    };
  }

  /** The host's answer to a syscall. */
  reply(opId: number, result: SyscallResult): void {
    const pending = this.#replies.get(opId);
    if (pending === undefined) return;
    this.#replies.delete(opId);
    if (result.ok) pending.resolve(result.value);
    else pending.reject(syscallError(result.message, result.data));
  }

  /** Gives the action up: the host no longer wants its result. */
  cancel(): void {
    if (!this.ended) this.#end();
  }

  // Operations of the event loop.

  begin(name: string): void {
    this.#operations.set(name, (this.#operations.get(name) ?? 0) + 1);
  }

  end(name: string): void {
    this.#operations.set(name, (this.#operations.get(name) ?? 1) - 1);
  }

  addTimer(id: number): void {
    this.#timers.add(id);
  }

  removeTimer(id: number): boolean {
    return this.#timers.delete(id);
  }

  // Syscalls.

  #syscall(name: string): string {
    if (name !== "1.0/componentArgument") throw new Error(`Unknown operation ${name}`);
    if (this.#call.path.component !== "") return "{}";
    throw new Error("Component arguments are not available within the app");
  }

  async #asyncSyscall(name: string, args: string): Promise<string> {
    const answer = this.#answerHere(name, args);
    return answer ?? await this.#askHost(name, args);
  }

  #askHost(name: string, args: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.ended) return;
      const opId = ++this.#lastOperation;
      this.#replies.set(opId, { label: operationLabel(name), resolve, reject });
      const { callId } = this.#call;
      this.#services.send({ type: "syscall", callId, opId, name, args });
    });
  }

  /** Syscalls that need nothing of the host; undefined for the others. */
  #answerHere(name: string, argsText: string): string | undefined {
    switch (name) {
      case "1.0/getUserIdentity":
        return identityJson(this.#call.identity);
      case "1.0/getFunctionMetadata": {
        const { path } = this.#call;
        return JSON.stringify({ name: displayName(path), componentPath: path.component });
      }
      case "1.0/getDeploymentMetadata":
        return deploymentMetadataJson(this.#services.deploymentName);
      case "1.0/getRequestMetadata":
        return requestMetadataJson(this.#call);
      case "1.0/createFunctionHandle":
        return this.#createFunctionHandle(argsText);
      default:
        return undefined;
    }
  }

  #createFunctionHandle(argsText: string): string {
    const args = JSON.parse(argsText) as Json;
    const address: JsonObject = isJsonObject(args) ? args : {};
    if (typeof address.functionHandle === "string") return JSON.stringify(address.functionHandle);
    const { component } = this.#call.path;
    return this.#services.code.use(({ code }) => {
      const path = resolveAddress(address, "createFunctionHandle", component, code);
      return JSON.stringify(handleOf(path, code));
    });
  }

  async #jsSyscall(name: string, args: Record<string, unknown>): Promise<unknown> {
    if (name === STORE_BLOB) {
      return JSON.parse(await this.#askHost(name, await storeBlobArgs(args)));
    }
    if (name === GET_BLOB) return blobFromJson(await this.#askHost(name, JSON.stringify(args)));
    throw new Error(`Unknown operation ${name}`);
  }

  // The end.

  #succeed(returned: unknown): void {
    if (this.ended) return;
    const { code, limits } = this.#services;
    const { path } = this.#call;
    try {
      const { text, bytes } = code.use(({ catalog }) =>
        checkResult(
          canonicalName(path),
          returned,
          this.#returns,
          idContext(catalog, path.component),
          limits.resultBytes,
        )
      );
      this.#services.usage.note("resultBytes", bytes);
      warnNearLimit(this.#log, ACTION_RESULT_WARNING, bytes, limits.resultBytes);
      this.#finish({ ok: true, value: text });
    } catch (error) {
      this.#failWith(error);
    }
  }

  #failWith(thrown: unknown): void {
    if (this.ended) return;
    const error: FunctionError = thrown instanceof PlatformError
      ? platformFailure(
        thrown.kind === "internal" ? userError(thrown.code, INTERNAL_ERROR_TEXT) : thrown,
      )
      : describeThrown(thrown);
    this.#finish({ ok: false, error });
  }

  #finish(result: FunctionResult): void {
    this.#warnDangling();
    const { callId } = this.#call;
    const stats = {
      executionMs: monotonicMs() - this.#startedMs,
      documentsRead: 0,
      bytesRead: 0,
      documentsWritten: 0,
      bytesWritten: 0,
    };
    const logLines = this.#log.lines;
    this.#services.usage.note("actionTimeMs", stats.executionMs);
    this.#services.usage.note("logLines", logLines.length);
    this.#services.usage.note("logLineBytes", this.#log.longestBytes);
    this.#services.send({ type: "actionResult", callId, result, logLines, stats });
    this.#end();
  }

  #end(): void {
    this.ended = true;
    for (const id of this.#timers) this.#services.clearTimer(id);
    this.#timers.clear();
    this.#replies.clear();
    this.#onEnd();
  }

  #warnDangling(): void {
    const names = [...this.#replies.values()].map(({ label }) => label);
    for (const [name, count] of this.#operations) {
      for (let i = 0; i < count; i++) names.push(name);
    }
    if (names.length === 0) return;
    const plural = names.length === 1 ? "" : "s";
    this.#log.addSystem(
      "WARN",
      `${names.length} unawaited operation${plural}: [${names.join(", ")}]. Async operations ` +
        "should be awaited or they might not run. See " +
        "https://docs.convex.dev/functions/actions#dangling-promises for more information.",
    );
  }
}

/** `1.0/actions/mutation` → `mutation`, `1.0/storageGetUrl` → `storage.getUrl`, … */
function operationLabel(name: string): string {
  const last = name.slice(name.lastIndexOf("/") + 1);
  if (name === STORE_BLOB) return "storage.store";
  if (name === GET_BLOB) return "storage.get";
  if (!last.startsWith("storage")) return last;
  const method = last.slice("storage".length);
  return `storage.${method.slice(0, 1).toLowerCase()}${method.slice(1)}`;
}

/** Code of a component that opens a view of the database for each look. */
function lazyCode(code: ActionCode, component: string, urls: SystemUrls): ComponentCode {
  const within = <T>(body: (code: ComponentCode) => T): T =>
    code.use((view) => body(componentCode(view.code, component, urls)));
  return {
    provider: {
      find: (path) => within(({ provider }) => provider.find(path)),
      source: (hash) => within(({ provider }) => provider.source(hash)),
    },
    config: within(({ config }) => config),
    environmentVariable: (name) => within((each) => each.environmentVariable(name)),
  };
}
