// Where actions may not connect to: the operator's list (`--deny-net`). Deno checks the addresses that
// a connection really goes to, so names that resolve to a denied address, redirects to one and other
// spellings of one are refused, too.

/** Stands for all addresses that are not the public internet's. */
const PRIVATE = "private";

/** "This" network, private, shared, loopback, link-local (with clouds' metadata), benchmarks, multicast, reserved. */
const PRIVATE_NETWORKS: readonly string[] = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"],
  ...["172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4"],
  "240.0.0.0/4",
];

const PORT = /(?::\d{1,5})?$/;
const NETWORK = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/;
const IPV6_ADDRESS = /^\[[0-9A-Fa-f:.]+\]$/;
const HOST = /^(?=.*[A-Za-z])[\w-]+(?:\.[\w-]+)*$/;

export interface OutboundPolicy {
  /** As Deno's flag takes them. */
  readonly denied: readonly string[];
  /**
   * Connect to IPv4 addresses only: Deno can deny networks of these, not of IPv6, where private
   * addresses have many forms.
   */
  readonly ipv4Only: boolean;
}

export const NO_OUTBOUND_POLICY: OutboundPolicy = { denied: [], ipv4Only: false };

/** Of the server's own environment: ways out that Deno's `fetch` knows, and authorities to trust. */
const OUTBOUND_VARIABLES = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"],
  ...["DENO_CERT", "DENO_TLS_CA_STORE"],
];

/**
 * The variables that let the actions of a server behind a proxy out. None where a policy denies
 * addresses: the proxy would connect to them.
 */
export function outboundVariables(
  { denied }: OutboundPolicy,
  valueOf: (name: string) => string | undefined,
): Record<string, string> {
  if (denied.length > 0) return {};
  const given = OUTBOUND_VARIABLES.map((name) => [name, valueOf(name)]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/**
 * @param list hosts, addresses, IPv4 networks and `private`, with commas
 * @throws Error when an entry is none of these
 */
export function parseOutboundPolicy(list: string): OutboundPolicy {
  const entries = list.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "");
  for (const entry of entries) {
    if (!isEntry(entry)) throw new Error(`${entry} is no host, address or IPv4 network`);
  }
  return {
    denied: entries.flatMap((entry) => entry === PRIVATE ? PRIVATE_NETWORKS : [entry]),
    ipv4Only: entries.includes(PRIVATE),
  };
}

function isEntry(entry: string): boolean {
  const network = NETWORK.exec(entry.includes("/") ? entry : entry.replace(PORT, ""));
  if (network !== null) {
    const [, a, b, c, d, bits] = network;
    return [a, b, c, d].every((part) => Number(part) <= 255) && Number(bits ?? 0) <= 32;
  }
  const host = entry.replace(PORT, "");
  return HOST.test(host) || IPV6_ADDRESS.test(host) && URL.canParse(`http://${host}`);
}
