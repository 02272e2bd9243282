// The site port and the `/http/` prefix of the API port, where HTTP actions live.

import type { HttpHandler } from "./app.ts";

/** The handler of the site port. */
export function createSiteApp(): HttpHandler {
  return () => siteNotEnabled();
}

/** The answer of a deployment whose code defines no HTTP routes. */
export function siteNotEnabled(): Response {
  return new Response("This Convex deployment does not have HTTP actions enabled.", {
    status: 404,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}
