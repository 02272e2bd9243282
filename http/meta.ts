// Routes about the server itself; they need no credentials (spec http-api 1.1).

import type { Deployment } from "../deployment/deployment.ts";
import { jsonResponse } from "./errors.ts";
import type { Routes } from "./routes.ts";
import { statusResponse } from "./status_page.ts";

export function addMetaRoutes(routes: Routes, deployment: Deployment): void {
  const { instanceName, version } = deployment;
  routes.add("GET", "/", (context) => {
    const { CONVEX_CLOUD_URL: cloudUrl, CONVEX_SITE_URL: siteUrl } = deployment.canonicalUrls();
    return statusResponse(context.req.raw, { instanceName, version, cloudUrl, siteUrl });
  });
  routes.add("GET", "/instance_name", () => new Response(instanceName));
  routes.add("GET", "/version", () => new Response(version));
  routes.add("GET", "/instance_version", () => new Response(version));
  routes.add("GET", "/health", () => jsonResponse({ status: "ok" }));
  routes.add("POST", "/echo", (context) => new Response(context.req.raw.body));
}
