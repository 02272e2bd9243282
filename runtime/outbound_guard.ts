// Decides, as Deno does for actions, whether an outbound policy denies a connection: for what the host
// itself fetches at addresses that tenants choose. Both the name and the address count.

import { isIP } from "node:net";
import type { OutboundPolicy } from "./outbound_policy.ts";

interface DeniedNetwork {
  readonly start: number;
  readonly end: number;
  /** Null: all. */
  readonly port: number | null;
}

const MAPPED_IPV4 = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/;

export class OutboundGuard {
  readonly #networks: DeniedNetwork[] = [];
  /** Names and IPv6 addresses, each with its port or alone. */
  readonly #hosts = new Set<string>();
  readonly #ipv4Only: boolean;

  constructor({ denied, ipv4Only }: OutboundPolicy) {
    this.#ipv4Only = ipv4Only;
    for (const entry of denied) this.#add(entry);
  }

  /** Whether anything is denied at all. */
  get isActive(): boolean {
    return this.#ipv4Only || this.#networks.length > 0 || this.#hosts.size > 0;
  }

  /** Whether connections to the host as a URL names it are denied; an address or a name. */
  denies(host: string, port: number): boolean {
    const name = host.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
    if (isIP(name) !== 0) return this.#deniesAddress(name, port);
    return this.#hosts.has(name) || this.#hosts.has(`${name}:${port}`);
  }

  #deniesAddress(text: string, port: number): boolean {
    const address = canonicalAddress(text);
    const number = ipv4Number(address);
    if (number !== null) {
      return this.#networks.some((network) =>
        number >= network.start && number <= network.end &&
        (network.port === null || network.port === port)
      );
    }
    return this.#ipv4Only || this.#hosts.has(address) || this.#hosts.has(`[${address}]:${port}`);
  }

  #add(entry: string): void {
    const [, host, portText] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry.toLowerCase())!;
    const port = portText === undefined ? null : Number(portText);
    const [address, bits] = host!.split("/");
    const number = ipv4Number(canonicalAddress(address!.replace(/^\[|\]$/g, "")));
    if (number !== null) {
      const size = 2 ** (32 - Number(bits ?? 32));
      const start = Math.floor(number / size) * size;
      this.#networks.push({ start, end: start + size - 1, port });
    } else if (host!.startsWith("[")) {
      const canonical = canonicalAddress(host!.slice(1, -1));
      this.#hosts.add(port === null ? canonical : `[${canonical}]:${port}`);
    } else {
      this.#hosts.add(port === null ? host! : `${host}:${port}`);
    }
  }
}

/** One spelling for each IPv6 address; IPv4 addresses in IPv6 form as themselves. */
function canonicalAddress(text: string): string {
  if (isIP(text) !== 6) return text;
  // What follows "%" names a network interface.
  const address = new URL(`http://[${text.split("%")[0]}]`).hostname.slice(1, -1);
  const mapped = MAPPED_IPV4.exec(address);
  if (mapped === null) return address;
  if (mapped[1] !== undefined) return mapped[1];
  const [high, low] = [parseInt(mapped[2]!, 16), parseInt(mapped[3]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

function ipv4Number(text: string): number | null {
  if (isIP(text) !== 4) return null;
  return text.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}
