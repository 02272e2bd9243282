// The other end of a connection.

/** Its address, null where there is none, as on a Unix socket. */
export function peerOf(info: Deno.ServeHandlerInfo): string | null {
  const { remoteAddr } = info;
  return "hostname" in remoteAddr ? remoteAddr.hostname : null;
}
