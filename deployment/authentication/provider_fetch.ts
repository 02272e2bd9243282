// How the host fetches what auth providers publish. The URLs come from tenants, so the operator's
// policy for actions (`--deny-net`) holds here too: for every redirect, and for the address that is
// really connected to, whatever a name resolved to before.

import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import type { OutboundGuard } from "../../runtime/outbound_guard.ts";

export type ProviderFetch = (url: string, signal: AbortSignal) => Promise<Response>;

const HEADERS = { accept: "application/json" };
const REDIRECTS_MAX = 10;
const REDIRECTING: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** A response with such a status has no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** Without a policy: the way out of the server's own environment, a proxy included. */
export const unguardedFetch: ProviderFetch = (url, signal) =>
  fetch(url, { headers: HEADERS, signal });

/**
 * @param ownOrigins where the operator says that this server is reached: it may be its own issuer.
 * Not what administrators of the deployment say, who are whom the policy is for.
 */
export function guardedFetch(guard: OutboundGuard, ownOrigins: readonly string[]): ProviderFetch {
  if (!guard.isActive) return unguardedFetch;
  const own = new Set(ownOrigins.map((origin) => new URL(origin).origin));
  return async (start, signal) => {
    let url = new URL(start);
    if (url.protocol === "data:") return await unguardedFetch(start, signal);
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const addresses = await permittedAddresses(url, guard, own.has(url.origin));
      const message = await request(url, addresses, signal);
      const { statusCode = 0, headers: { location } } = message;
      if (!REDIRECTING.has(statusCode) || location === undefined) return asResponse(message);
      message.destroy();
      url = new URL(location, url);
      if (!/^https?:$/.test(url.protocol)) throw new Error("redirected to a URL that is not http");
    }
    throw new Error("too many redirects");
  };
}

/** @throws Error when the policy denies all that the URL's host stands for */
async function permittedAddresses(
  url: URL,
  guard: OutboundGuard,
  isOwn: boolean,
): Promise<LookupAddress[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (!isOwn && guard.denies(host, port)) throw denied(url);
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family }];
  const addresses = (await lookup(host, { all: true }))
    .filter(({ address }) => isOwn || !guard.denies(address, port));
  if (addresses.length === 0) throw denied(url);
  return addresses;
}

function denied(url: URL): Error {
  return new Error(`connections to ${url.host} are not allowed by the server's --deny-net`);
}

/** Connects to one of the addresses and to nothing else. */
function request(
  url: URL,
  addresses: readonly LookupAddress[],
  signal: AbortSignal,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { request } = url.protocol === "https:" ? https : http;
    const sent = request(url, {
      headers: HEADERS,
      // Connections of others may go elsewhere.
      agent: false,
      signal,
      lookup: (_host, { all }, done) => {
        if (all) done(null, [...addresses]);
        else done(null, addresses[0]!.address, addresses[0]!.family);
      },
    }, resolve);
    sent.on("error", reject);
    sent.end();
  });
}

function asResponse(message: http.IncomingMessage): Response {
  const { statusCode: status = 0, statusMessage: statusText } = message;
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headers)) {
    for (const each of [value ?? []].flat()) headers.append(name, each);
  }
  const body = BODILESS.has(status) ? null : Readable.toWeb(message) as ReadableStream<Uint8Array>;
  return new Response(body, { status, statusText, headers });
}
