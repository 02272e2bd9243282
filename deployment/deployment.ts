// One deployment: the engine with its data, the runtime with its isolates, the sync server, and
// everything that makes functions and data one thing: code, configuration, keys and logs.

import { componentById, componentByPath, ROOT_COMPONENT } from "../engine/components.ts";
import { Engine } from "../engine/engine.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import { SYSTEM_TABLES } from "../engine/system_tables.ts";
import type { SchemaStatus } from "../engine/schema_lifecycle.ts";
import type { ComponentId } from "../engine/types.ts";
import type { Json } from "../engine/values/value.ts";
import { Runtime } from "../runtime/runtime.ts";
import {
  type LimitName,
  LIMITS,
  runtimeLimits,
  type SchedulerLimits,
  schedulerLimits,
  transactionLimits,
} from "../runtime/limits.ts";
import { registerFunctionCalls } from "../runtime/action_syscalls.ts";
import type { InstalledNode } from "../runtime/installed_node.ts";
import { OutboundGuard } from "../runtime/outbound_guard.ts";
import { NO_OUTBOUND_POLICY, type OutboundPolicy } from "../runtime/outbound_policy.ts";
import type { TestQueryResult } from "../runtime/frames.ts";
import type {
  ActionOutcome,
  FunctionCall,
  HttpActionRunner,
  HttpExchange,
  RequestContext,
} from "../runtime/types.ts";
import { fileByUuid, type StoredFile } from "../runtime/stored_files.ts";
import { UploadTokens } from "../runtime/upload_tokens.ts";
import { checkComponentPath } from "../sync/function_path.ts";
import { SyncServer } from "../sync/sync_server.ts";
import { AdminKeys } from "./admin_key.ts";
import { type AuditOrigin, type AuditPageRequest, listAuditEntries } from "./audit_log.ts";
import { FIXED_LIMITS } from "./fixed_limits.ts";
import { readAuthProviders } from "./auth_evaluation.ts";
import { ProviderDocuments } from "./authentication/provider_documents.ts";
import { guardedFetch } from "./authentication/provider_fetch.ts";
import { registerTokenSigning, TokenSigner } from "./authentication/token_signer.ts";
import { TokenVerifier } from "./authentication/token_verifier.ts";
import {
  type RequestDestination,
  type SystemVariables,
  systemVariables,
} from "./canonical_urls.ts";
import { componentWithId, deleteComponent } from "./component_admin.ts";
import { configHashes } from "./config_hashes.ts";
import { ConfigurationChanges } from "./configuration_changes.ts";
import { pause, requireRunning, unpause } from "./deployment_state.ts";
import { type EnvironmentChange, readEnvironment } from "./environment.ts";
import type { BlobStore } from "./files/blob_store.ts";
import { FileStorage } from "./files/file_storage.ts";
import { registerMutationFiles } from "./files/mutation_files.ts";
import { registerStorageSyscalls } from "./files/storage_syscalls.ts";
import { finishPush } from "./finish_push.ts";
import { FunctionLogs } from "./function_logs.ts";
import { HttpRouting } from "./http_routing.ts";
import { Authenticator } from "./identity.ts";
import type { InstanceSecret } from "./instance_secret.ts";
import type { LimitChanges } from "./limits_file.ts";
import { LoggedRunner } from "./logged_runner.ts";
import { prepareSchema, schemaState, startConfigPush } from "./older_push.ts";
import type { EvaluationContext } from "./push_evaluation.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { registerScheduling } from "./scheduler/scheduler_syscalls.ts";
import type { ServerLog } from "./server_log.ts";
import { evaluatePush, startPush } from "./start_push.ts";
import type { TrustedProxies } from "./trusted_proxies.ts";
import { systemFunctions } from "./system_functions/registry.ts";
import { runTestQuery, type TestQuery } from "./test_query.ts";
import { type SchemaIds, waitForSchema } from "./wait_for_schema.ts";

export interface DeploymentOptions {
  readonly databasePath: string;
  /** Where the bytes of files are kept. */
  readonly blobs: BlobStore;
  readonly secret: InstanceSecret;
  readonly instanceName: string;
  /** Version of the server. */
  readonly version: string;
  /** Public origins. */
  readonly cloudUrl: string;
  readonly siteUrl: string;
  /** Isolate processes for queries and mutations. */
  readonly isolates: number;
  /** Isolate processes for actions. */
  readonly actionIsolates: number;
  /** Where actions may not connect to. */
  readonly outbound?: OutboundPolicy;
  /** Runs Node actions; default: Deno does. */
  readonly installedNode?: InstalledNode | null;
  /** Whether packages of Node actions may load native add-ons; default: no. */
  readonly nativeAddons?: boolean;
  /** What the operator changed of the limits on functions. */
  readonly limits: LimitChanges;
  /** Show clients neither log lines nor the details of errors. */
  readonly redact: boolean;
  /** Whose forwarding headers are believed. */
  readonly trustedProxies: TrustedProxies;
  readonly log: ServerLog;
}

export class Deployment {
  readonly instanceName: string;
  readonly version: string;
  readonly redact: boolean;
  readonly trustedProxies: TrustedProxies;
  readonly log: ServerLog;
  readonly adminKeys: AdminKeys;
  readonly authenticator: Authenticator;
  /** Signs what mutations claim in the deployment's name. */
  readonly tokenSigner: TokenSigner;
  /** Runs functions and logs their executions. */
  readonly runner: LoggedRunner;
  readonly scheduler: Scheduler;
  readonly sync: SyncServer;
  readonly files: FileStorage;
  readonly #uploadTokens: UploadTokens;
  readonly #httpActions: HttpActionRunner;
  readonly #httpRouting: HttpRouting;
  readonly #origins: SystemVariables;
  readonly #configuration: ConfigurationChanges;
  readonly #closing = new AbortController();

  private constructor(
    options: DeploymentOptions,
    readonly engine: Engine,
    readonly runtime: Runtime,
    readonly functionLogs: FunctionLogs,
  ) {
    this.instanceName = options.instanceName;
    this.version = options.version;
    this.redact = options.redact;
    this.trustedProxies = options.trustedProxies;
    this.log = options.log;
    this.#origins = originsOf(options);
    this.adminKeys = new AdminKeys(options.secret, options.instanceName);
    this.authenticator = new Authenticator({
      adminKeys: this.adminKeys,
      tokens: new TokenVerifier({
        providers: () => engine.read(readAuthProviders).value,
        documents: new ProviderDocuments({
          clock: engine.clock,
          signal: this.#closing.signal,
          fetch: guardedFetch(
            new OutboundGuard(options.outbound ?? NO_OUTBOUND_POLICY),
            [options.cloudUrl, options.siteUrl],
          ),
        }),
        clock: engine.clock,
        redact: options.redact,
      }),
    });
    this.tokenSigner = new TokenSigner(options.secret.derive("token signing"));
    this.#configuration = new ConfigurationChanges(engine, runtime.analyze, this.#origins);
    this.#httpRouting = new HttpRouting(engine);
    const runner = new LoggedRunner(runtime, functionLogs, engine.clock, {
      // An action can outlive its component.
      componentPath: (id) => engine.read((tx) => componentById(tx, id)).value?.path ?? id,
    });
    this.runner = runner;
    this.#httpActions = runner;
    // Calls that actions make appear in the log, too.
    registerFunctionCalls(runtime.actionSyscalls, engine, this.runner);
    registerScheduling(runtime.actionSyscalls, engine);
    this.scheduler = new Scheduler({
      engine,
      runner: this.runner,
      limits: schedulerLimits(options.limits),
      onFault: (message, error) => this.log.fault(message, error),
    });
    this.files = new FileStorage({
      engine,
      blobs: options.blobs,
      onFault: (what, error) => this.log.fault(what, error),
    });
    this.#uploadTokens = new UploadTokens(options.secret.derive("storage token"));
    registerStorageSyscalls(runtime.actionSyscalls, {
      engine,
      files: this.files,
      uploadTokens: this.#uploadTokens,
      cloudUrl: (tx) => systemVariables(tx, this.#origins).CONVEX_CLOUD_URL,
    });
    registerTokenSigning(
      runtime.transactionSyscalls,
      this.tokenSigner,
      engine,
      (tx) => systemVariables(tx, this.#origins).CONVEX_CLOUD_URL,
    );
    registerMutationFiles(runtime.transactionSyscalls, this.files, engine.limits.fileReadBytes);
    this.sync = new SyncServer({
      engine,
      runner: this.runner,
      resolveComponent: (path) => this.#componentAt(path),
      authenticate: (token) => this.authenticator.authenticateToken(token),
      redact: options.redact,
      onCached: (call, { entry, result }) => runner.logCached(call, result.outcome, entry.ranAtMs),
      onUnexpectedError: (error) => this.log.fault("sync session failed", error),
    });
  }

  /**
   * Opens the database and starts the isolates.
   * @throws DatabaseOpenError with one line that says why the database cannot be used
   */
  static async open(options: DeploymentOptions): Promise<Deployment> {
    const cursorKey = options.secret.derive("cursor");
    const engine = await Engine.open({
      path: options.databasePath,
      cursorKey,
      limits: transactionLimits(options.limits),
    });
    try {
      const runtime = await Runtime.start({
        engine,
        cursorKey,
        uploadKey: options.secret.derive("storage token"),
        isolates: options.isolates,
        actionIsolates: options.actionIsolates,
        outbound: options.outbound,
        installedNode: options.installedNode,
        nativeAddons: options.nativeAddons,
        deploymentName: options.instanceName,
        cloudUrl: options.cloudUrl,
        siteUrl: options.siteUrl,
        limits: runtimeLimits(options.limits),
        environment: (tx) => ({
          ...systemVariables(tx, originsOf(options)),
          ...readEnvironment(tx),
        }),
        systemFunctions: systemFunctions(originsOf(options)),
        onFault: (message) => options.log.error(message),
      });
      const deployment = new Deployment(options, engine, runtime, new FunctionLogs());
      await deployment.#applyOrigins();
      await deployment.scheduler.start();
      return deployment;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Ends sessions and polls, then the isolates, then the database. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.functionLogs.close();
    this.scheduler.stop();
    await this.sync.close();
    await this.runtime.close();
    await this.scheduler.settled();
    await this.files.close();
    await this.engine.close();
  }

  // Pushing code.

  configHashes(): Json {
    return this.engine.read(configHashes).value;
  }

  async startPush(body: unknown, origin: AuditOrigin): Promise<Json> {
    return await startPush(body, this.#evaluationContext(), origin);
  }

  async evaluatePush(body: unknown): Promise<Json> {
    return await evaluatePush(body, this.#evaluationContext());
  }

  async waitForSchema(
    schemaIds: SchemaIds,
    timeoutMs: number,
  ): Promise<SchemaStatus> {
    return await waitForSchema(this.engine, schemaIds, timeoutMs, this.#closing.signal);
  }

  async finishPush(body: unknown, origin: AuditOrigin): Promise<Json> {
    const response = await this.#configuration.exclusively(
      () => finishPush(body, this.engine, this.engine.clock(), origin),
    );
    this.log.info("code pushed");
    return response;
  }

  // The same for CLIs before 1.29.

  async prepareSchema(body: unknown, origin: AuditOrigin): Promise<Json> {
    return await prepareSchema(body, this.#evaluationContext(), origin);
  }

  schemaState(schemaId: string): Json {
    return schemaState(this.engine, schemaId);
  }

  async pushConfig(body: unknown, origin: AuditOrigin): Promise<Json> {
    const started = await startConfigPush(body, this.#evaluationContext(), origin);
    return await this.finishPush({ startPush: started }, origin);
  }

  /** Runs a query that is not part of the app, for `convex run --inline-query`. */
  async runTestQuery(query: TestQuery, context: RequestContext): Promise<TestQueryResult> {
    return await runTestQuery(query, context, this.#evaluationContext());
  }

  /**
   * Answers a request with `http.js` of the app, or of the component that is mounted there. Resolves
   * after the last byte of the answer.
   */
  async runHttpAction(call: FunctionCall, exchange: HttpExchange): Promise<ActionOutcome> {
    return await this.#httpActions.runHttpAction(...this.#httpRouting.route(call, exchange));
  }

  // Files.

  /**
   * The component in which the holder of an upload URL may store a file.
   * @throws PlatformError `StorageTokenInvalid`, `StorageTokenExpired`, `InvalidStorageToken`,
   * `BackendIsNotRunning`
   */
  verifyUploadToken(token: string): ComponentId {
    const component = this.#uploadTokens.verify(token, this.engine.clock());
    this.engine.read(requireRunning);
    if (this.#hasFiles(component)) return component;
    throw new PlatformError(
      "unauthenticated",
      "InvalidStorageToken",
      "The storage token is of another deployment or component",
    );
  }

  /** @throws PlatformError `BackendIsNotRunning` */
  async findFile(component: ComponentId, uuid: string): Promise<StoredFile | null> {
    if (!this.#hasFiles(component)) return null;
    const { value, ts } = this.engine.read((tx) => {
      requireRunning(tx);
      return fileByUuid(tx, component, uuid);
    });
    await this.engine.committer.whenDurable(ts);
    return value;
  }

  #hasFiles(component: ComponentId): boolean {
    const { name } = SYSTEM_TABLES.fileStorage;
    return this.engine.catalog.tableByName(component, name) !== null;
  }

  // Configuration.

  /** The developer's environment variables. */
  environment(): Record<string, string> {
    return this.engine.read(readEnvironment).value;
  }

  async updateEnvironment(
    changes: readonly EnvironmentChange[],
    origin: AuditOrigin,
  ): Promise<void> {
    await this.#configuration.updateEnvironment(changes, origin);
  }

  canonicalUrls(): SystemVariables {
    return this.engine.read((tx) => systemVariables(tx, this.#origins)).value;
  }

  async updateCanonicalUrl(
    destination: RequestDestination,
    url: string | null,
    origin: AuditOrigin,
  ): Promise<void> {
    await this.#configuration.updateCanonicalUrl(destination, url, origin);
  }

  /** Each limit with its unit and the highest use since the start; those that never change without. */
  limits(): Json {
    const values = { ...this.engine.limits, ...this.runtime.limits, ...this.scheduler.limits };
    const { usage } = this.runtime;
    usage.note("tables", this.engine.catalog.activeUserTables);
    usage.noteAll(this.scheduler.highestUse);
    const changeable = (Object.entries(LIMITS) as [LimitName, string][]).map(([name, unit]) => [
      name,
      { limit: values[name], unit, highest: usage.highest(name) },
    ]);
    const fixed = Object.entries(FIXED_LIMITS).map(([name, limit]) => [
      name,
      { ...limit, isFixed: true },
    ]);
    return Object.fromEntries([...changeable, ...fixed]);
  }

  /** Changes limits that need no restart, until the next start. */
  changeLimits(changes: Partial<SchedulerLimits>): void {
    this.scheduler.limits = { ...this.scheduler.limits, ...changes };
  }

  /** An auth config that fails now leaves the providers as they were: the rest must be served. */
  async #applyOrigins(): Promise<void> {
    try {
      await this.#configuration.applyOrigins();
    } catch (error) {
      if (!(error instanceof PlatformError) || error.kind === "internal") throw error;
      this.log.error(`the auth config does not fit this server's addresses: ${error.message}`);
    }
  }

  async pause(origin: AuditOrigin): Promise<void> {
    await this.engine.transact((tx) => pause(tx, origin), "pause_deployment");
  }

  /** @throws PlatformError `UnpauseDeploymentFailed` */
  async unpause(origin: AuditOrigin): Promise<void> {
    await this.engine.transact((tx) => unpause(tx, origin), "unpause_deployment");
  }

  /** @throws PlatformError `BadQueryArgs` */
  auditLog(page: AuditPageRequest): Json {
    return this.engine.read((tx) => listAuditEntries(tx, page)).value;
  }

  /**
   * The component at a path like `a/b`; the empty path is the app.
   * @throws PlatformError `InvalidComponentPath`, `ComponentPathNotFound`
   */
  resolveComponent(path: string): ComponentId {
    checkComponentPath(path);
    const component = this.#componentAt(path);
    if (component !== null) return component;
    throw userError("ComponentPathNotFound", `Component path '${path}' not found`);
  }

  #componentAt(path: string): ComponentId | null {
    if (path === "") return ROOT_COMPONENT;
    return this.engine.read((tx) => componentByPath(tx, path)).value;
  }

  /**
   * The component with an id that a client sent; null is the app.
   * @throws PlatformError `ComponentNotFound`
   */
  componentOfId(id: string | null): ComponentId {
    if (id === null) return ROOT_COMPONENT;
    return this.engine.read((tx) => componentWithId(tx, id)).value;
  }

  /**
   * Deletes an unmounted component with all its data.
   * @throws PlatformError `ComponentNotFound`, `ComponentMustBeUnmounted`
   */
  async deleteComponent(id: ComponentId, origin: AuditOrigin): Promise<void> {
    await this.engine.transact((tx) => deleteComponent(tx, id, origin), "delete_component");
    this.log.info("component deleted");
  }

  #evaluationContext(): EvaluationContext {
    return {
      engine: this.engine,
      analyzer: this.runtime.analyze,
      nodeAnalyzer: this.runtime.analyzeNode,
      origins: this.#origins,
      nowMs: this.engine.clock(),
    };
  }
}

function originsOf(options: DeploymentOptions): SystemVariables {
  return { CONVEX_CLOUD_URL: options.cloudUrl, CONVEX_SITE_URL: options.siteUrl };
}
