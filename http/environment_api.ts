// Routes for configuration: environment variables, canonical URLs, pausing, and what an admin key
// may do (spec http-api 8).

import { z } from "zod";
import type { Deployment } from "../deployment/deployment.ts";
import { readShape } from "./body.ts";
import { requireAdmin } from "./caller.ts";
import { emptyResponse, jsonResponse } from "./errors.ts";
import type { Handler, Method, RequestContext, Routes } from "./routes.ts";

const changesShape = z.object({
  changes: z.array(z.object({ name: z.string(), value: z.string().nullish() })),
});
const canonicalUrlShape = z.object({
  requestDestination: z.enum(["convexCloud", "convexSite"]),
  url: z.string().nullish(),
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

  add("POST", versioned("update_environment_variables"), async (context) => {
    const { changes } = await readShape(context.req.raw, changesShape);
    await deployment.updateEnvironment(
      changes.map(({ name, value }) => ({ name, value: value ?? null })),
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
    await deployment.updateCanonicalUrl(requestDestination, url ?? null);
    return emptyResponse();
  });
  add("POST", ["/api/v1/pause_deployment"], async () => {
    await deployment.pause();
    return emptyResponse();
  });
  add("POST", ["/api/v1/unpause_deployment"], async () => {
    await deployment.unpause();
    return emptyResponse();
  });
  add("GET", ["/api/v1/deployment_info"], () => jsonResponse({ kind: "selfHosted" }));
  add(
    "GET",
    ["/api/check_admin_key"],
    () => jsonResponse({ success: true, allowedOps: [], isReadOnly: false }),
  );
}
