// Cross-origin access for browsers: any origin may call the API, with credentials. HTTP actions set
// their own headers (spec http-api 1.2).

const VARY = "origin, access-control-request-method, access-control-request-headers";
const METHODS = "GET,POST,OPTIONS,PATCH,DELETE,PUT";
const PREFLIGHT_AGE_SECONDS = "86400";

/** The answer to any `OPTIONS` request. */
export function preflightResponse(request: Request): Response {
  const response = new Response(null, { status: 200 });
  const { headers } = response;
  headers.set("access-control-allow-methods", METHODS);
  headers.set("access-control-max-age", PREFLIGHT_AGE_SECONDS);
  const requested = request.headers.get("access-control-request-headers");
  if (requested !== null) headers.set("access-control-allow-headers", requested);
  allowOrigin(request, response);
  return response;
}

/** Adds the headers that let a page of the request's origin read the response. */
export function allowOrigin(request: Request, response: Response): void {
  const { headers } = response;
  const origin = request.headers.get("origin");
  if (origin !== null) headers.set("access-control-allow-origin", origin);
  headers.set("access-control-allow-credentials", "true");
  headers.set("vary", VARY);
}
