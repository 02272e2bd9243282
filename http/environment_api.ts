// Routes for configuration: environment variables, canonical URLs, pausing, the log of such changes,
// and what an admin key may do (spec http-api 8).

import { z } from "zod";
import { AUDIT_PAGE_DEFAULT, AUDIT_PAGE_MAX } from "../deployment/audit_log.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { checkQuery, readShape } from "./body.ts";
import { auditOrigin, requireAdmin } from "./caller.ts";
import { emptyResponse, jsonResponse } from "./errors.ts";
import type { Handler, Method, RequestContext, Routes } from "./routes.ts";

const changesShape = z.object({
  changes: z.array(z.object({ name: z.string(), value: z.string().nullish() })),
});
const canonicalUrlShape = z.object({
  requestDestination: z.enum(["convexCloud", "convexSite"]),
  url: z.string().nullish(),
});

const auditPageShape = z.object({
  from: z.coerce.number().default(0),
  limit: z.coerce.number().int().min(1).max(AUDIT_PAGE_MAX).default(AUDIT_PAGE_DEFAULT),
  cursor: z.string().optional(),
});

/** What can be changed without a restart. */
const limitsShape = z.strictObject({
  scheduledFunctionsRunning: z.int().positive().exactOptional(),
  cronJobsRunning: z.int().positive().exactOptional(),
});

export function addEnvironmentRoutes(routes: Routes, deployment: Deployment): void {
  /** A route for administrators, under each of the paths. */
  const add = (
    method: Method,
    paths: readonly string[],
    handle: (context: RequestContext) => Response | Promise<Response>,
  ) => {
    const handler: Handler = async (context) => {
      await requireAdmin(context, deployment);
      return await handle(context);
    };
    for (const path of paths) routes.add(method, path, handler);
  };
  const versioned = (name: string) => [`/api/${name}`, `/api/v1/${name}`];

  // Not of the platform: for the operator of this server.
  add("GET", ["/api/concave/limits"], () => jsonResponse({ limits: deployment.limits() }));
  add("POST", ["/api/concave/limits"], async (context) => {
    deployment.changeLimits(await readShape(context.req.raw, limitsShape));
    return jsonResponse({ limits: deployment.limits() });
  });

  add("POST", versioned("update_environment_variables"), async (context) => {
    const { changes } = await readShape(context.req.raw, changesShape);
    await deployment.updateEnvironment(
      changes.map(({ name, value }) => ({ name, value: value ?? null })),
      auditOrigin(context),
    );
    return emptyResponse();
  });
  add(
    "GET",
    versioned("list_environment_variables"),
    () => jsonResponse({ environmentVariables: deployment.environment() }),
  );
  add("GET", ["/api/v1/get_canonical_urls"], () => {
    const { CONVEX_CLOUD_URL, CONVEX_SITE_URL } = deployment.canonicalUrls();
    return jsonResponse({ convexCloudUrl: CONVEX_CLOUD_URL, convexSiteUrl: CONVEX_SITE_URL });
  });
  add("POST", versioned("update_canonical_url"), async (context) => {
    const { requestDestination, url } = await readShape(context.req.raw, canonicalUrlShape);
    await deployment.updateCanonicalUrl(requestDestination, url ?? null, auditOrigin(context));
    return emptyResponse();
  });
  add("POST", ["/api/v1/pause_deployment"], async (context) => {
    await deployment.pause(auditOrigin(context));
    return emptyResponse();
  });
  add("POST", ["/api/v1/unpause_deployment"], async (context) => {
    await deployment.unpause(auditOrigin(context));
    return emptyResponse();
  });
  add("GET", ["/api/v1/list_audit_log_events"], (context) => {
    const { from, limit, cursor } = checkQuery(context.req.query(), auditPageShape);
    return jsonResponse(deployment.auditLog({ fromMs: from, limit, cursor: cursor ?? null }));
  });
  add("GET", ["/api/v1/deployment_info"], () => jsonResponse({ kind: "selfHosted" }));
  add(
    "GET",
    ["/api/check_admin_key"],
    () => jsonResponse({ success: true, allowedOps: [], isReadOnly: false }),
  );
}
