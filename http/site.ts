// HTTP actions, on the site port and under `/http/` of the API port (spec http-api 12). Nothing is
// added to what the action answers; CORS is its own affair.

import type { Deployment } from "../deployment/deployment.ts";
import { ANONYMOUS } from "../deployment/identity.ts";
import { PlatformError } from "../engine/errors.ts";
import type {
  ActionOutcome,
  FunctionCall,
  FunctionError,
  HttpRequestHead,
  HttpResponseHead,
  Identity,
} from "../runtime/types.ts";
import { randomRequestId } from "../sync/request_id.ts";
import type { HttpHandler } from "./app.ts";
import { errorResponse, jsonResponse } from "./errors.ts";
import { readForwarding, requireHost } from "./forwarding.ts";
import { headOf } from "./head.ts";
import { HandlerDeadline } from "./handler_deadline.ts";
import { peerOf } from "./peer.ts";
import { getPath } from "./routes.ts";

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];
const BODILESS_METHODS = ["GET", "HEAD", "OPTIONS"];
/** Headers about one connection, not about the message: the server sets its own. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export interface SiteOptions {
  /** What stands before their paths on this port. */
  readonly prefix?: string;
  /** When actions must have begun to answer. */
  readonly deadline?: HandlerDeadline;
}

/** The handler of HTTP actions. */
export function createSiteApp(deployment: Deployment, options: SiteOptions = {}): HttpHandler {
  const { prefix = "", deadline = new HandlerDeadline() } = options;
  const handle = async (request: Request, info: Deno.ServeHandlerInfo): Promise<Response> => {
    requireHost(request.headers);
    const peer = peerOf(info);
    const forwarding = readForwarding(request.headers, peer, deployment.trustedProxies);
    const url = publicUrl(request, prefix, forwarding.protocol, forwarding.host);
    const { identity, authError } = await tryIdentify(request, deployment);
    const body = BODILESS_METHODS.includes(request.method) ? null : request.body;
    const head: HttpRequestHead = {
      method: request.method,
      url: url.href,
      path: url.pathname,
      headers: [...request.headers],
      hasBody: body !== null,
      authError,
    };
    const call: FunctionCall = {
      path: { component: "", module: "http.js", name: "default" },
      args: "[]",
      context: {
        requestId: request.headers.get("convex-request-id") ?? randomRequestId(),
        identity,
        caller: "HttpEndpoint",
        visibility: "all",
        ip: forwarding.client ?? peer,
        userAgent: request.headers.get("user-agent"),
      },
    };
    return await answer(call, head, body, request, deployment);
  };
  return async (request, info) => {
    if (!METHODS.includes(request.method)) {
      return new Response(null, { status: 405, headers: { allow: METHODS.join(",") } });
    }
    try {
      return await deadline.bound(handle(request, info));
    } catch (error) {
      return await forMethod(request, errorResponse(error, deployment.log, request));
    }
  };
}

/** Resolves as soon as the action, or its failure, has a head to send. */
function answer(
  call: FunctionCall,
  head: HttpRequestHead,
  body: ReadableStream<Uint8Array> | null,
  request: Request,
  deployment: Deployment,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    deployment.runHttpAction(call, {
      request: head,
      body,
      signal: request.signal,
      respond: (responseHead, responseBody) => {
        try {
          resolve(toResponse(responseHead, responseBody));
        } catch (error) {
          reject(error);
        }
      },
    }).then(({ result }: ActionOutcome) => {
      // Changes nothing if the action has answered already.
      if (result.ok) return;
      resolve(forMethod(request, failure(result.error, call, deployment.redact)));
    }, reject);
  });
}

/** An answer that is not the action's own, which has seen the method. */
function forMethod({ method }: Request, response: Response): Response | Promise<Response> {
  return method === "HEAD" ? headOf(response) : response;
}

function toResponse(
  { status, headers, body: kind }: HttpResponseHead,
  body: ReadableStream<Uint8Array> | Uint8Array | null,
): Response {
  const kept = headers.filter(([name]) =>
    // The length of a body that is all there is the server's to tell.
    !CONNECTION_HEADERS.has(name) && !(kind === "arrived" && name === "content-length")
  );
  return new Response(body as BodyInit | null, { status, headers: kept as [string, string][] });
}

/** The answer to an action that failed before it answered (spec function-runtime 5). */
function failure({ text, data }: FunctionError, call: FunctionCall, redact: boolean): Response {
  const prefix = `[Request ID: ${call.context.requestId}] Server Error`;
  const decoded = data === undefined ? {} : { data: JSON.parse(data) };
  if (redact) return jsonResponse({ code: prefix, ...decoded }, 500);
  const message = text.replace(/(?:\n {4}at [^\n]*)*\n$/, "");
  return jsonResponse({ code: `${prefix}: ${message}`, trace: text, ...decoded }, 500);
}

/** The URL as the client wrote it. */
function publicUrl(
  request: Request,
  prefix: string,
  protocol: "http" | "https" | null,
  host: string | null,
): URL {
  const url = new URL(request.url);
  url.protocol = protocol ?? "http";
  if (host !== null) {
    url.port = "";
    url.host = host;
  }
  if (prefix !== "") url.pathname = getPath(request).slice(prefix.length);
  return url;
}

/** Bad credentials do not stop the request: the action learns of them when it asks who calls. */
async function tryIdentify(
  request: Request,
  deployment: Deployment,
): Promise<{ identity: Identity; authError: string | null }> {
  const header = request.headers.get("authorization");
  if (header === null) return { identity: ANONYMOUS, authError: null };
  try {
    const identity = await deployment.authenticator.authenticate(header, null);
    return { identity, authError: null };
  } catch (error) {
    if (!(error instanceof PlatformError) || error.kind === "internal") throw error;
    return { identity: ANONYMOUS, authError: error.message };
  }
}
