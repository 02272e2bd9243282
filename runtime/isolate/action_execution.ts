// One run of an action: real time, network, and the server's services by frames. Many run at once.

import { PlatformError, userError } from "../../engine/errors.ts";
import { formatSize } from "../../engine/values/size.ts";
import { isJsonObject, type Json, type JsonObject } from "../../engine/values/value.ts";
import { ByteStreams } from "../byte_streams.ts";
import { type FromIsolate, RUN_IN_NODE, type RunCall, type SyscallResult } from "../frames.ts";
import type { LimitUsage } from "../limit_usage.ts";
import type { RuntimeLimits } from "../limits.ts";
import type { NodeOutcome } from "../node/protocol.ts";
import type { StreamFrame } from "../stream_frames.ts";
import { syscallError } from "../syscall_error.ts";
import type { FunctionError, FunctionResult, HttpRequestHead, LogLevel } from "../types.ts";
import type { ActionCode } from "./action_code.ts";
import type { ActionInstances } from "./action_instances.ts";
import { GET_BLOB, receiveBlob, STORE_BLOB, storeRequest } from "./action_storage.ts";
import { ActionClock } from "./clock.ts";
import { ExecutionConsole, LogLines } from "./console.ts";
import { describeReported, describeThrown, plainError } from "./errors.ts";
import { createFunctionHandle, resolveInAction } from "./function_address.ts";
import { checkArguments, findFunction, idContext, requireRunning } from "./function_checks.ts";
import { canonicalName } from "./function_path.ts";
import {
  checkResult,
  INTERNAL_ERROR_TEXT,
  platformFailure,
  userFacing,
} from "./function_result.ts";
import { monotonicMs, rejectionsReported, systemRandomBytes } from "./host.ts";
import { HttpExchange } from "./http_exchange.ts";
import {
  type ComponentCode,
  componentCode,
  environmentVariable,
  ImportedModules,
  requireExport,
  type SystemUrls,
  type VariableAccess,
  variablesNow,
} from "./imported_modules.ts";
import { isRefusedWrite } from "./intrinsics.ts";
import { invoke } from "./invocation.ts";
import type { ModuleExports } from "./module_loader.ts";
import {
  ACTION_ARGUMENTS_WARNING,
  ACTION_RESULT_WARNING,
  warnNearLimit,
} from "./limit_warnings.ts";
import { RandomStream } from "./random.ts";
import { runInScope, type Scope, type ScopeOperations } from "./scope.ts";
import {
  deploymentMetadataJson,
  functionMetadataJson,
  identityJson,
  requestMetadataJson,
} from "./syscalls_other.ts";

export interface ActionServices {
  readonly limits: RuntimeLimits;
  readonly urls: SystemUrls;
  readonly deploymentName: string;
  readonly code: ActionCode;
  readonly usage: LimitUsage;
  send(frame: FromIsolate): void;
  clearTimer(id: number): void;
  readonly instances: ActionInstances;
}

interface PendingReply {
  readonly label: string;
  readonly resolve: (value: string) => void;
  readonly reject: (error: unknown) => void;
}

/** How an execution ended: with a result (or nobody wants one), or so that it must begin again. */
export type ActionEnd = "done" | "again";

const SEED_BYTES = 32;
const NO_AI_GATEWAY =
  '`getServiceToken("ai-gateway")` isn\'t available on this deployment because the AI gateway is a ' +
  "Convex Cloud service. Deploy to Convex Cloud, or call your model provider directly with your own " +
  "API key.";
const NO_HTTP_ACTIONS = "This Convex deployment does not have HTTP actions enabled.";

export class ActionExecution implements ScopeOperations {
  ended = false;
  readonly #services: ActionServices;
  readonly #call: RunCall;
  readonly #onEnd: (end: ActionEnd) => void;
  /** Somebody outside knows what the action did: it cannot begin again. */
  #isNoticed: boolean;
  readonly #log: LogLines;
  readonly #streams: ByteStreams;
  /** Of an HTTP action. */
  readonly #exchange: HttpExchange | null;
  /** The function is one of Node. */
  #isNode = false;
  readonly #startedMs = monotonicMs();
  readonly #replies = new Map<number, PendingReply>();
  /** Operations besides syscalls that are under way, by name. */
  readonly #operations = new Map<string, number>();
  readonly #timers = new Set<number>();
  readonly #ending = new AbortController();
  #lastOperation = 0;
  #modules: ImportedModules | null = null;
  #scope: Scope | null = null;

  /**
   * @param http the request to an HTTP action
   * @param onEnd called once, when the result was sent, the action was cancelled or must begin again
   * @param isAgain it has begun again before
   */
  constructor(
    services: ActionServices,
    call: RunCall,
    http: HttpRequestHead | null,
    onEnd: (end: ActionEnd) => void,
    isAgain: boolean,
  ) {
    this.#services = services;
    this.#call = call;
    this.#onEnd = onEnd;
    // Of a body, some may have been read.
    this.#isNoticed = isAgain || http?.hasBody === true;
    const { callId } = call;
    this.#log = new LogLines(services.limits, (line) => {
      this.#isNoticed = true;
      if (!this.ended) services.send({ type: "log", callId, line });
    });
    this.#streams = new ByteStreams(callId, services.send);
    this.#exchange = http === null ? null : new HttpExchange({
      head: http,
      streams: this.#streams,
      log: this.#log,
      usage: services.usage,
      responseBytesMax: services.limits.httpResponseBytes,
      respond: (head) => {
        this.#isNoticed = true;
        if (!this.ended) services.send({ type: "responseHead", callId, head });
      },
    });
  }

  /** Checks the call and starts the action. */
  start(): void {
    try {
      const exchange = this.#exchange;
      const { body, variables } = this.#services.code.use(({ code }) => ({
        body: exchange === null ? this.#loadFunction() : this.#loadRouter(exchange),
        variables: variablesNow(code, this.#call.path.component),
      }));
      this.#scope = this.#createScope(variables);
      runInScope(this.#scope, body).then(
        (result) => this.#finish(result),
        (reason) => this.#failWith(reason),
      );
    } catch (error) {
      this.#failWith(error);
    }
  }

  /** Returns what runs the function. */
  #loadFunction(): () => Promise<FunctionResult> {
    const { path, args, visibility, notFoundWording } = this.#call;
    const { limits } = this.#services;
    const { code, catalog } = this.#services.code.use((view) => view);
    const request = { path, kind: "action", visibility, notFoundWording } as const;
    const found = findFunction(request, code);
    const context = idContext(catalog, path.component);
    this.#isNode = code.module(path.component, path.module)?.environment === "node";
    const { bytes } = checkArguments(path, args, found.args, context, limits.argsBytes);
    this.#services.usage.note("argsBytes", bytes);
    warnNearLimit(this.#log, ACTION_ARGUMENTS_WARNING, bytes, limits.argsBytes);
    if (this.#isNode) {
      this.#services.usage.note("nodeArgsBytes", bytes);
      checkNodeArguments(bytes, limits);
      this.#modules = this.#noModules();
      return () => this.#runInNode(found.returns);
    }
    const registered = requireExport(this.#import(), path.module, path.name);
    return async () => {
      const returned = await invoke(registered, "action", canonicalName(path), args);
      await rejectionsReported();
      return this.#checkedResult(returned, found.returns);
    };
  }

  /** Has a Node process run the function; arguments and result are checked here. */
  async #runInNode(returns: string): Promise<FunctionResult> {
    const startedMs = monotonicMs();
    let outcome: NodeOutcome;
    try {
      outcome = JSON.parse(await this.#askHost(RUN_IN_NODE, "null"));
    } catch (error) {
      return { ok: false, error: plainError((error as Error).message) };
    } finally {
      this.#services.usage.note("nodeActionTimeMs", monotonicMs() - startedMs);
    }
    if (outcome.ok) return this.#checkedResult(outcome.value, returns);
    const { component } = this.#call.path;
    const error = this.#services.code.use(({ code }) =>
      describeReported((outcome as NodeOutcome & { ok: false }).error, (path) => {
        const module = code.module(component, path);
        return module === null ? null : code.source(module.hash)?.sourceMap ?? null;
      })
    );
    return { ok: false, error };
  }

  /** A line of the function that runs in Node. */
  log(level: LogLevel, messages: readonly string[]): void {
    if (!this.ended) this.#log.add(level, messages);
  }

  /** Returns what answers the request. */
  #loadRouter(exchange: HttpExchange): () => Promise<FunctionResult> {
    const { path } = this.#call;
    const { code } = this.#services.code.use((view) => view);
    requireRunning(code);
    const exists = code.module(path.component, path.module) !== null;
    const exports = exists ? this.#import() : (this.#modules = this.#noModules(), null);
    return async () => {
      if (exports === null) await exchange.notFound(NO_HTTP_ACTIONS);
      else await exchange.run(requireExport(exports, path.module, path.name));
      return { ok: true, value: "null" };
    };
  }

  #import(): ModuleExports {
    const { component, module } = this.#call.path;
    const { instances } = this.#services;
    const { modules, exports } = instances.take(component, module, this.#code());
    this.#modules = modules;
    for (const line of this.#modules.logLines) this.#log.append(line);
    return exports;
  }

  /** No module is evaluated yet: the scope of a run that needs none. */
  #noModules(): ImportedModules {
    return new ImportedModules(this.#code(), this.#services.limits);
  }

  #code(): ComponentCode {
    const { code, urls } = this.#services;
    return lazyCode(code, this.#call.path.component, urls);
  }

  /**
   * The action tried to change built-in objects: the next one, or this one if nobody will notice, gets
   * a realm where that works.
   */
  #noteRefusedWrite(): void {
    if (this.ended || this.#modules?.realm !== null) return;
    const { component, module } = this.#call.path;
    this.#services.instances.noteRefusedWrite(component, module);
    // From here on this execution reaches nothing.
    if (!this.#isNoticed) this.#end("again");
  }

  /** @param variables what `process.env` shows until the end, whatever changes */
  #createScope(variables: VariableAccess): Scope {
    const { urls } = this.#services;
    const { component } = this.#call.path;
    const modules = this.#modules!;
    return {
      phase: "action",
      clock: new ActionClock(modules.originMs),
      random: new RandomStream(() => systemRandomBytes(SEED_BYTES)),
      console: new ExecutionConsole(this.#log, modules.realm),
      syscalls: {
        syscall: (name) => this.#syscall(name),
        asyncSyscall: (name, args) => this.#asyncSyscall(name, args),
        jsSyscall: (name, args) => this.#jsSyscall(name, args),
      },
      operations: this,
      globals: modules.globalsForRun(),
      environmentVariable: (name) => environmentVariable(variables, component, urls, name),
      refusedWrite: () => this.#noteRefusedWrite(),
      unhandledRejection: (reason) => this.#failWith(reason),
      importDynamically: (specifier, importer) => {
        try {
          return modules.loadFrom(specifier, importer);
        } catch (error) {
          throw error instanceof PlatformError ? userFacing(error) : error;
        }
      },
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

  /** Bytes of a body or a file. */
  receive(frame: StreamFrame): void {
    this.#streams.receive(frame);
  }

  /** The client of an HTTP action left. */
  disconnect(): void {
    const exchange = this.#exchange;
    // Listeners of the request's signal are the action's code.
    if (exchange !== null && this.#scope !== null) {
      runInScope(this.#scope, () => exchange.disconnect());
    }
  }

  /** Gives the action up: the host no longer wants its result. */
  cancel(): void {
    if (!this.ended) this.#end("done");
  }

  // Operations of the event loop.

  begin(name: string): void {
    this.#isNoticed = true;
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

  get ending(): AbortSignal {
    return this.#ending.signal;
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

  #askHost(name: string, args: string, onSent?: (opId: number) => void): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.ended) return;
      this.#isNoticed = true;
      const opId = ++this.#lastOperation;
      this.#replies.set(opId, { label: operationLabel(name), resolve, reject });
      const { callId } = this.#call;
      this.#services.send({ type: "syscall", callId, opId, name, args });
      onSent?.(opId);
    });
  }

  /** Syscalls that need nothing of the host; undefined for the others. */
  #answerHere(name: string, argsText: string): string | undefined {
    switch (name) {
      case "1.0/getUserIdentity":
        if (this.#exchange?.authError != null) throw new Error(this.#exchange.authError);
        return identityJson(this.#call.identity);
      case "1.0/getFunctionMetadata":
        return this.#services.code.use(({ code }) => functionMetadataJson(this.#call.path, code));
      case "1.0/getDeploymentMetadata":
        return deploymentMetadataJson(this.#services.deploymentName);
      case "1.0/getRequestMetadata":
        return requestMetadataJson(this.#call);
      case "1.0/createFunctionHandle":
        return this.#createFunctionHandle(argsText);
      case "1.0/auditLog":
        throw new Error("Audit logging is not yet supported in actions");
      case "1.0/createServiceToken":
        throw new Error(NO_AI_GATEWAY);
      default:
        return undefined;
    }
  }

  #createFunctionHandle(argsText: string): string {
    const args = JSON.parse(argsText) as Json;
    const address: JsonObject = isJsonObject(args) ? args : {};
    const { component } = this.#call.path;
    return this.#services.code.use(({ code }) =>
      JSON.stringify(createFunctionHandle(address, component, code, resolveInAction))
    );
  }

  #jsSyscall(name: string, args: Record<string, unknown>): unknown {
    switch (name) {
      case STORE_BLOB:
        return this.#storeBlob(args);
      case GET_BLOB:
        return this.#getBlob(args);
    }
    if (this.#exchange !== null) {
      if (name === "requestFromConvexJson") return this.#exchange.request();
      if (name === "convexJsonFromResponse") return this.#exchange.setResponse(args.response);
    }
    throw new Error(`Unknown operation ${name}`);
  }

  async #storeBlob(blobAndOptions: Record<string, unknown>): Promise<unknown> {
    const { blob, args } = storeRequest(blobAndOptions);
    const answer = await this.#askHost(STORE_BLOB, args, (opId) => {
      this.#streams.sendAll(opId, blob.stream());
    });
    return JSON.parse(answer);
  }

  async #getBlob(args: Record<string, unknown>): Promise<Blob | null> {
    let operation = 0;
    const answer = await this.#askHost(GET_BLOB, JSON.stringify(args), (opId) => {
      operation = opId;
    });
    return await receiveBlob(answer, () => this.#streams.incoming(operation));
  }

  // The end.

  #checkedResult(returned: unknown, returns: string): FunctionResult {
    const { code, limits } = this.#services;
    const { path } = this.#call;
    const { text, bytes } = code.use(({ catalog }) =>
      checkResult(
        canonicalName(path),
        returned,
        returns,
        idContext(catalog, path.component),
        limits.resultBytes,
        "action",
      )
    );
    this.#services.usage.note("resultBytes", bytes);
    warnNearLimit(this.#log, ACTION_RESULT_WARNING, bytes, limits.resultBytes);
    return { ok: true, value: text };
  }

  #failWith(thrown: unknown): void {
    if (this.ended) return;
    if (thrown instanceof TypeError && isRefusedWrite(thrown)) this.#noteRefusedWrite();
    const error: FunctionError = thrown instanceof PlatformError
      ? platformFailure(
        thrown.kind === "internal" ? userError(thrown.code, INTERNAL_ERROR_TEXT) : thrown,
      )
      : describeThrown(thrown);
    this.#finish({ ok: false, error });
  }

  #finish(result: FunctionResult): void {
    if (this.ended) return;
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
    const environment = this.#isNode ? "node" : "isolate";
    this.#services.send({ type: "actionResult", callId, result, logLines, stats, environment });
    this.#end("done");
  }

  #end(end: ActionEnd): void {
    this.ended = true;
    this.#ending.abort();
    for (const id of this.#timers) this.#services.clearTimer(id);
    this.#timers.clear();
    this.#replies.clear();
    this.#streams.close("the action has ended");
    this.#onEnd(end);
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

/** @throws PlatformError when a Node process may not be given so much */
function checkNodeArguments(bytes: number, limits: RuntimeLimits): void {
  if (bytes <= limits.nodeArgsBytes) return;
  throw userError(
    "FunctionArgumentsTooLarge",
    `Node actions arguments size is too large. The maximum size is ${
      formatSize(limits.nodeArgsBytes)
    }. Reduce the size of the arguments or consider using Convex runtime actions instead, which ` +
      `have a ${
        formatSize(limits.argsBytes)
      } limit. See https://docs.convex.dev/functions/runtimes`,
  );
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
export function lazyCode(code: ActionCode, component: string, urls: SystemUrls): ComponentCode {
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
