// The API port: every request passes the client version check, CORS and the error handler here and
// goes on to its route (spec http-api 1).

import type { Deployment } from "../deployment/deployment.ts";
import {
  type ClientVersion,
  deprecationOf,
  parseClientHeader,
  requireSupported,
  UNKNOWN_CLIENT,
} from "../sync/client_version.ts";
import { allowOrigin, preflightResponse } from "./cors.ts";
import { addComponentRoutes } from "./component_api.ts";
import { addDeployRoutes } from "./deploy_api.ts";
import { addEnvironmentRoutes } from "./environment_api.ts";
import { errorResponse } from "./errors.ts";
import { headOf } from "./head.ts";
import { HandlerDeadline } from "./handler_deadline.ts";
import { addFunctionRoutes } from "./functions_api.ts";
import { addLogRoutes } from "./logs_api.ts";
import { addMetaRoutes } from "./meta.ts";
import { readForwarding, requireHost } from "./forwarding.ts";
import { peerOf } from "./peer.ts";
import { getPath, Routes } from "./routes.ts";
import { addStorageRoutes, UPLOAD_PATH } from "./storage_api.ts";
import { createSiteApp } from "./site.ts";
import { addSchedulerRoutes } from "./scheduler_api.ts";
import { syncPathVersion, upgradeToSync } from "./sync_upgrade.ts";
import { addTableRoutes } from "./table_api.ts";
import { addUnbuiltRoutes } from "./unbuilt_api.ts";

/** HTTP actions, on the API port. */
const SITE_PREFIX = "/http";

export type HttpHandler = (
  request: Request,
  info: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

/** The handler of the API port. */
export function createApiApp(deployment: Deployment): HttpHandler {
  const routes = new Routes();
  addMetaRoutes(routes, deployment);
  addFunctionRoutes(routes, deployment);
  addDeployRoutes(routes, deployment);
  addEnvironmentRoutes(routes, deployment);
  addComponentRoutes(routes, deployment);
  addTableRoutes(routes, deployment);
  addLogRoutes(routes, deployment);
  addSchedulerRoutes(routes, deployment);
  addStorageRoutes(routes, deployment);
  addUnbuiltRoutes(routes);
  const route = routes.build();
  const deadline = new HandlerDeadline();
  const site = createSiteApp(deployment, { prefix: SITE_PREFIX, deadline });

  return async (request, info) => {
    const path = getPath(request);
    if (path.startsWith(`${SITE_PREFIX}/`)) return await site(request, info);
    const peer = peerOf(info);
    const { trustedProxies } = deployment;
    const clientAddress = readForwarding(request.headers, peer, trustedProxies).client ?? peer;
    let client: ClientVersion;
    try {
      requireHost(request.headers);
      const syncVersion = syncPathVersion(path);
      if (syncVersion !== undefined) {
        return upgradeToSync(request, syncVersion, clientAddress, deployment);
      }
      client = clientOf(request);
    } catch (error) {
      return withDeprecation(request, errorResponse(error, deployment.log, request));
    }
    if (request.method === "OPTIONS") return preflightResponse(request);
    const isHead = request.method === "HEAD";
    let response: Response;
    try {
      const handled = route(request, { client, clientAddress, isHead });
      // An upload takes as long as its sender needs.
      response = await (path === UPLOAD_PATH ? handled : deadline.bound(handled));
    } catch (error) {
      response = errorResponse(error, deployment.log, request);
    }
    const deprecation = deprecationOf(client);
    if (deprecation !== null) {
      response.headers.set("x-convex-deprecation-state", deprecation.state);
      response.headers.set("x-convex-deprecation-message", deprecation.message);
    }
    allowOrigin(request, response);
    return isHead ? await headOf(response) : response;
  };
}

/** @throws PlatformError `InvalidClientVersion`, `ClientVersionUnsupported` */
function clientOf(request: Request): ClientVersion {
  const header = request.headers.get("convex-client");
  if (header === null) return UNKNOWN_CLIENT;
  const client = parseClientHeader(header);
  requireSupported(client);
  return client;
}

/** The refusal of an old client says so in headers, too. */
function withDeprecation(request: Request, response: Response): Response {
  const header = request.headers.get("convex-client");
  if (header === null || !header.includes("-")) return response;
  const deprecation = deprecationOf(parseClientHeader(header));
  if (deprecation !== null) {
    response.headers.set("x-convex-deprecation-state", deprecation.state);
    response.headers.set("x-convex-deprecation-message", deprecation.message);
  }
  return response;
}
