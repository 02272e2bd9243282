// Who sends a request: identity from its credentials, and the metadata that functions may ask for
// (spec http-api 2.1 and 3).

import type { AuditOrigin } from "../deployment/audit_log.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { ANONYMOUS } from "../deployment/identity.ts";
import { PlatformError } from "../engine/errors.ts";
import type { Identity, RequestContext as FunctionContext } from "../runtime/types.ts";
import { randomRequestId } from "../sync/request_id.ts";
import type { RequestContext } from "./routes.ts";

/** The identity that the header or the query string proves; without credentials, anonymous. */
export function identify(
  context: RequestContext,
  deployment: Deployment,
): Identity | Promise<Identity> {
  const { headers, url } = context.req.raw;
  const header = headers.get("authorization");
  if (header === null && !url.includes("adminKey=")) return ANONYMOUS;
  return deployment.authenticator.authenticate(header, context.req.query("adminKey") ?? null);
}

/** @throws PlatformError 401 `BadAdminKey`, 403 `BadDeployKey` */
export async function requireAdmin(
  context: RequestContext,
  deployment: Deployment,
): Promise<Identity> {
  const identity = await identify(context, deployment);
  if (isAdmin(identity)) return identity;
  throw badDeployKey();
}

/** Also an administrator who acts as a user. */
export function isAdmin(identity: Identity): boolean {
  return identity.kind === "admin" || identity.kind === "acting";
}

export function badDeployKey(): PlatformError {
  return new PlatformError(
    "forbidden",
    "BadDeployKey",
    "The provided deploy key was invalid for this deployment. Double check that the environment this key was generated for matches the desired deployment.",
  );
}

/** What the audit log keeps of the request behind a change. */
export function auditOrigin({ req, env }: RequestContext): AuditOrigin {
  return {
    clientIp: env.clientAddress,
    clientUserAgent: req.raw.headers.get("user-agent"),
  };
}

/** What a function learns about the request that calls it. */
export function functionContext(context: RequestContext, identity: Identity): FunctionContext {
  const { headers } = context.req.raw;
  return {
    requestId: headers.get("convex-request-id") ?? randomRequestId(),
    identity,
    caller: "HttpApi",
    visibility: isAdmin(identity) ? "all" : "public",
    ip: context.env.clientAddress,
    userAgent: headers.get("user-agent"),
  };
}
