// Which peers may say for whom they speak, with `Forwarded` and `X-Forwarded-*` headers.

import { BlockList, isIP } from "node:net";

/** Peers that `loopback` and `private` stand for in the configuration. */
const NAMED_PEERS: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"],
  all: ["0.0.0.0/0", "::/0"],
  none: [],
};

export const DEFAULT_TRUSTED_PROXIES = "loopback,private";

/** The peers whose forwarding headers are believed. */
export class TrustedProxies {
  readonly #peers = new BlockList();

  /**
   * @param list names (`loopback`, `private`, `all`, `none`), addresses and networks, with commas
   * @throws RangeError that names the entry that is none of these
   */
  constructor(list: string = DEFAULT_TRUSTED_PROXIES) {
    for (const entry of list.split(",").map((text) => text.trim())) {
      if (entry === "") continue;
      for (const network of NAMED_PEERS[entry] ?? [entry]) this.#add(network);
    }
  }

  includes(peer: string | null): boolean {
    if (peer === null) return false;
    const address = peer.startsWith("::ffff:") ? peer.slice("::ffff:".length) : peer;
    const family = isIP(address);
    return family !== 0 && this.#peers.check(address, family === 6 ? "ipv6" : "ipv4");
  }

  #add(network: string): void {
    const [address = "", bits] = network.split("/");
    const family = isIP(address);
    const longest = family === 6 ? 128 : 32;
    const prefix = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
    if (family === 0 || !(prefix <= longest)) {
      throw new RangeError(`${network} is no address and no network`);
    }
    this.#peers.addSubnet(address, prefix, family === 6 ? "ipv6" : "ipv4");
  }
}
