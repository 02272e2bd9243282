// The program: reads the command line, wires the rooms together, listens, and ends cleanly.

import denoConfig from "./deno.json" with { type: "json" };
import {
  type AdminKeyConfig,
  type CheckConfig,
  parseCommandLine,
  type StartConfig,
  USAGE,
  UsageError,
} from "./deployment/config.ts";
import { AdminKeys } from "./deployment/admin_key.ts";
import {
  type DataDirectory,
  DataDirectoryError,
  openDataDirectory,
  readDataDirectory,
} from "./deployment/data_directory.ts";
import { checkData } from "./deployment/data_check.ts";
import { Deployment } from "./deployment/deployment.ts";
import { LocalBlobStore } from "./deployment/files/local_blob_store.ts";
import { S3BlobStore } from "./deployment/files/s3_blob_store.ts";
import { ServerLog } from "./deployment/server_log.ts";
import { type LimitChanges, LimitsFileError, readLimitsFile } from "./deployment/limits_file.ts";
import { TrustedProxies } from "./deployment/trusted_proxies.ts";
import { DatabaseOpenError } from "./engine/open_error.ts";
import { createApiApp, type HttpHandler } from "./http/app.ts";
import { createSiteApp } from "./http/site.ts";
import { findInstalledNode, type InstalledNode } from "./runtime/installed_node.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** In-flight work has this long to finish after a signal. */
const SHUTDOWN_TIMEOUT_MS = 5_000;
/** Isolate processes for actions: each runs many at a time. */
const ACTION_ISOLATES = 1;

/** A port that cannot be listened on; the message is one line for the user. */
class ListenError extends Error {}

async function main(args: readonly string[]): Promise<void> {
  const config = parseCommandLine(args, Deno.env.toObject(), navigator.hardwareConcurrency);
  switch (config.command) {
    case "help":
      return console.log(USAGE);
    case "version":
      return console.log(denoConfig.version);
    case "admin-key":
      return printAdminKey(config);
    case "check":
      return await check(config);
    case "start":
      return await start(config);
  }
}

function printAdminKey(config: AdminKeyConfig): void {
  const { secret, instanceName } = readDataDirectory(config.dataDir);
  console.log(new AdminKeys(secret, instanceName).issue());
}

async function check(config: CheckConfig): Promise<void> {
  const data = readDataDirectory(config.dataDir);
  const blobs = LocalBlobStore.forReading(data.filesPath);
  let problems = 0;
  for await (const problem of checkData(data, blobs)) {
    problems++;
    console.log(problem);
  }
  console.log(problems === 0 ? "No problems found." : `${problems} problems found.`);
  if (problems > 0) Deno.exit(EXIT_FAILURE);
}

/** @throws LimitsFileError */
function limitsOf({ limitsFile, scheduledFunctions }: StartConfig): LimitChanges {
  const changes = limitsFile === null ? {} : readLimitsFile(limitsFile);
  if (scheduledFunctions === null) return changes;
  return { ...changes, scheduledFunctionsRunning: scheduledFunctions };
}

/** @throws UsageError when there is no usable Node */
async function requireNode(path: string): Promise<InstalledNode> {
  return await findInstalledNode(path).catch((error: Error) => {
    throw new UsageError(`--node: ${error.message}`);
  });
}

async function start(config: StartConfig): Promise<void> {
  const log = new ServerLog(config.logFormat);
  const limits = limitsOf(config);
  const installedNode = config.node === null ? null : await requireNode(config.node);
  const stopping = stopSignal();
  // A bug in one place must not end the service of everybody else.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.fault("unhandled rejection", event.reason);
  });
  // Ports first: a busy one must not cost the time to open the database.
  const api = new Listener(config.host, config.port);
  const site = new Listener(config.host, config.sitePort);
  const cloudUrl = config.url ?? api.url;
  const siteUrl = config.siteUrl ?? site.url;
  const data = openDataDirectory(config.dataDir, config.instanceName);
  const deployment = await Deployment.open({
    databasePath: data.databasePath,
    blobs: config.s3 === null
      ? await LocalBlobStore.open(data.filesPath)
      : new S3BlobStore(config.s3),
    secret: data.secret,
    instanceName: data.instanceName,
    version: denoConfig.version,
    cloudUrl,
    siteUrl,
    isolates: config.isolates,
    actionIsolates: ACTION_ISOLATES,
    limits,
    redact: config.redactErrors,
    outbound: config.outbound,
    installedNode,
    nativeAddons: config.nativeAddons,
    trustedProxies: new TrustedProxies(config.trustedProxies),
    log,
  });
  deployment.engine.onFatal((error) => {
    log.fault("the database cannot be written any more", error);
    Deno.exit(EXIT_FAILURE);
  });
  api.serve(createApiApp(deployment));
  site.serve(createSiteApp(deployment));
  printWelcome(data, deployment, cloudUrl, siteUrl);

  const signal = await stopping;
  log.info("stopping", { signal });
  const timer = setTimeout(() => {
    log.warn("stopped before all work was finished");
    Deno.exit(0);
  }, SHUTDOWN_TIMEOUT_MS);
  const closed = Promise.all([api.close(), site.close()]);
  await deployment.close();
  await closed;
  clearTimeout(timer);
  log.info("stopped");
  Deno.exit(0);
}

function printWelcome(
  data: DataDirectory,
  deployment: Deployment,
  cloudUrl: string,
  siteUrl: string,
): void {
  console.log(`Concave ${deployment.version}, deployment "${deployment.instanceName}"`);
  console.log(`  API           ${cloudUrl}`);
  console.log(`  HTTP actions  ${siteUrl}`);
  if (data.isNew) {
    const key = deployment.adminKeys.issue();
    console.log(`  Admin key     ${key}`);
    console.log("");
    console.log("To point an app at this deployment, put these lines into its .env.local:");
    console.log(`CONVEX_SELF_HOSTED_URL='${cloudUrl}'`);
    console.log(`CONVEX_SELF_HOSTED_ADMIN_KEY='${key}'`);
    console.log("");
  }
  console.log("Concave is ready");
}

/** Resolves with the first signal that asks the program to end; the second ends it at once. */
function stopSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let isStopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      if (isStopping) Deno.exit(EXIT_FAILURE);
      isStopping = true;
      resolve(signal);
    });
  }
  return promise;
}

/** A port that is taken at once, and served when there is something to serve. */
class Listener {
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #handler: HttpHandler = () => new Response("The server is starting.", { status: 503 });

  /** @throws ListenError */
  constructor(hostname: string, port: number) {
    try {
      this.#server = Deno.serve(
        { hostname, port, onListen: () => {} },
        (request, info) => this.#handler(request, info),
      );
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) {
        throw new ListenError(`port ${port} of ${hostname} is in use by another program`);
      }
      throw new ListenError(`cannot listen on ${hostname}:${port}: ${(error as Error).message}`);
    }
    const isAnyAddress = hostname === "0.0.0.0" || hostname === "::";
    const host = isAnyAddress ? "127.0.0.1" : hostname.includes(":") ? `[${hostname}]` : hostname;
    this.url = `http://${host}:${this.#server.addr.port}`;
  }

  serve(handler: HttpHandler): void {
    this.#handler = handler;
  }

  /** Accepts nothing any more; resolves when all requests are answered. */
  async close(): Promise<void> {
    await this.#server.shutdown();
  }
}

try {
  await main(Deno.args);
} catch (error) {
  if (error instanceof UsageError || error instanceof LimitsFileError) {
    console.error(`concave: ${error.message}`);
    Deno.exit(EXIT_USAGE);
  }
  if (
    error instanceof ListenError || error instanceof DataDirectoryError ||
    error instanceof DatabaseOpenError
  ) {
    console.error(`concave: ${error.message}`);
  } else {
    console.error(error);
  }
  Deno.exit(EXIT_FAILURE);
}
