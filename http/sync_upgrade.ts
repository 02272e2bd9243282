// The WebSocket handshake of the sync protocol (spec sync-protocol 1). It happens before Hono: the
// response of an upgrade must reach the server unchanged.

import type { Deployment } from "../deployment/deployment.ts";
import { type PlatformError, userError } from "../engine/errors.ts";
import { requireSupported, socketClientVersion } from "../sync/client_version.ts";

/** A socket without any frame, pongs included, for this long is closed. */
const IDLE_TIMEOUT_SECONDS = 120;

const SYNC_PATH = /^\/api\/(?:([^/]+)\/)?sync$/;

/** The client version in a path of the sync protocol (null: none named), undefined for other paths. */
export function syncPathVersion(path: string): string | null | undefined {
  const match = SYNC_PATH.exec(path);
  return match === null ? undefined : match[1] ?? null;
}

/**
 * Accepts a client of the sync protocol.
 * @throws PlatformError 400 when the request is no upgrade or the client's version is refused
 */
export function upgradeToSync(
  request: Request,
  pathVersion: string | null,
  clientAddress: string | null,
  deployment: Deployment,
): Response {
  const { headers } = request;
  const client = socketClientVersion(headers.get("convex-client"), pathVersion);
  requireSupported(client);
  const problem = handshakeProblem(headers);
  if (problem !== null) throw problem;
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: IDLE_TIMEOUT_SECONDS,
  });
  deployment.sync.accept(socket, client, {
    ip: clientAddress,
    userAgent: headers.get("user-agent"),
  });
  return response;
}

function handshakeProblem(headers: Headers): PlatformError | null {
  const lacks = (name: string, token: string) =>
    !(headers.get(name) ?? "").toLowerCase().split(",").some((part) => part.trim() === token);
  if (lacks("connection", "upgrade")) {
    return userError("InvalidConnectionHeader", "Connection header did not include 'upgrade'");
  }
  if (lacks("upgrade", "websocket")) {
    return userError("InvalidUpgradeHeader", "`Upgrade` header did not include 'websocket'");
  }
  if (headers.get("sec-websocket-version") !== "13") {
    return userError(
      "InvalidWebSocketVersionHeader",
      "`Sec-WebSocket-Version` header did not include '13'",
    );
  }
  if (!headers.has("sec-websocket-key")) {
    return userError("WebSocketKeyHeaderMissing", "`Sec-WebSocket-Key` header missing");
  }
  return null;
}
