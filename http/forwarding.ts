// Whom a request is for, and what a proxy says about it in `Forwarded` and `X-Forwarded-*`. The headers
// of peers that are not trusted are claims of the client and count for nothing.

import { isIP } from "node:net";
import type { TrustedProxies } from "../deployment/trusted_proxies.ts";
import { userError } from "../engine/errors.ts";

/** What a trusted proxy says about the request that it passes on. */
export interface Forwarding {
  readonly protocol: "http" | "https" | null;
  readonly host: string | null;
  readonly client: string | null;
}

const NOTHING: Forwarding = { protocol: null, host: null, client: null };

/** Reads the headers of a request that comes from `peer`. */
export function readForwarding(
  headers: Headers,
  peer: string | null,
  trusted: TrustedProxies,
): Forwarding {
  const forwarded = headers.get("forwarded");
  const protocol = headers.get("x-forwarded-proto");
  const host = headers.get("x-forwarded-host");
  const client = headers.get("x-forwarded-for");
  const isForwarded = forwarded !== null || protocol !== null || host !== null || client !== null;
  if (!isForwarded || !trusted.includes(peer)) return NOTHING;
  const pairs = forwarded === null ? {} : firstForwarded(forwarded);
  return {
    protocol: asProtocol(firstOf(protocol) ?? pairs.proto ?? null),
    host: asHost(pairs.host ?? firstOf(host)),
    client: asAddress(firstOf(client) ?? pairs.for ?? null),
  };
}

/** The parameters of the first element of `Forwarded` (RFC 7239): the proxy nearest to the client. */
function firstForwarded(header: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  const [element = ""] = header.split(",");
  for (const pair of element.split(";")) {
    const match = /^\s*([A-Za-z]+)=(?:"([^"]*)"|([^"\s]*))\s*$/.exec(pair);
    if (match !== null) pairs[match[1]!.toLowerCase()] = match[2] ?? match[3] ?? "";
  }
  return pairs;
}

function firstOf(list: string | null): string | null {
  const [first = ""] = (list ?? "").split(",");
  return first.trim() || null;
}

function asProtocol(text: string | null): "http" | "https" | null {
  const lower = text?.toLowerCase();
  return lower === "http" || lower === "https" ? lower : null;
}

/** Without the port and the brackets that proxies may add; null for names that hide the client. */
function asAddress(text: string | null): string | null {
  if (text === null) return null;
  const [, six, four] = /^\[([^\]]*)\](?::\d+)?$|^([\d.]+)(?::\d+)?$/.exec(text) ?? [];
  const address = six ?? four ?? text;
  return isIP(address) === 0 ? null : address;
}

/** The host that was last found good: most requests are for the same one. */
let knownHost: string | null = null;

/**
 * Deno puts whatever the `Host` header says before the path of `request.url`: a slash in it would
 * make another path.
 * @throws PlatformError `BadHeader` when it is not a host, with or without a port
 */
export function requireHost(headers: Headers): void {
  const host = headers.get("host");
  if (host === null || host === knownHost) return;
  if (asHost(host) === null) {
    throw userError("BadHeader", "Bad header for host: it is no host of a URL");
  }
  knownHost = host;
}

/** Only what can stand as the host of a URL. */
function asHost(text: string | null): string | null {
  if (text === null) return null;
  const match = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(text);
  return match && URL.canParse(`http://${text}`) ? text : null;
}
