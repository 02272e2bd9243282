// Routes about the server itself; they need no credentials (spec http-api 1.1).

import { KEY_SET_PATH } from "../deployment/authentication/token_signer.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { jsonResponse } from "./errors.ts";
import type { Routes } from "./routes.ts";
import { statusResponse } from "./status_page.ts";

/** How long verifiers may keep the keys; they change with the instance secret only. */
const KEY_SET_AGE_SECONDS = 3600;

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
  routes.add("GET", KEY_SET_PATH, async () => {
    const response = jsonResponse(await deployment.tokenSigner.keySet());
    response.headers.set("cache-control", `public, max-age=${KEY_SET_AGE_SECONDS}`);
    return response;
  });
  routes.add("POST", "/echo", (context) => new Response(context.req.raw.body));
}
