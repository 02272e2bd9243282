// A double of a vendor's HTTPS API, for code that names the vendor's host and cannot be told another:
// a proxy that servers are started with (`HTTPS_PROXY`) and a TLS server behind it, whose certificate
// (`vendor_tls/`) they are told to trust. Every other host is refused.
import { fromRepository } from "./server.ts";

const TLS = "tests/harness/vendor_tls";
const REQUEST_BYTES_MAX = 4096;

export class Vendor implements AsyncDisposable {
  readonly #host: string;
  readonly #api: Deno.HttpServer<Deno.NetAddr>;
  readonly #proxy: Deno.TcpListener;
  readonly #tunnels = new Set<Deno.Conn>();
  readonly #accepting: Promise<void>;

  /**
   * @param host a name in the certificate
   * @param answer to each request that reaches the vendor
   */
  constructor(host: string, answer: (request: Request) => Response | Promise<Response>) {
    this.#host = host;
    const hostname = "127.0.0.1";
    const [cert, key] = ["certificate.pem", "key.pem"].map((name) =>
      Deno.readTextFileSync(fromRepository(`${TLS}/${name}`))
    );
    const port = 0;
    this.#api = Deno.serve({ hostname, port, cert: cert!, key: key!, onListen() {} }, answer);
    this.#proxy = Deno.listen({ hostname, port });
    this.#accepting = this.#accept();
  }

  /** The variables of a server whose actions shall find this vendor at its host. */
  get env(): Record<string, string> {
    return {
      HTTPS_PROXY: `http://127.0.0.1:${(this.#proxy.addr as Deno.NetAddr).port}`,
      DENO_CERT: fromRepository(`${TLS}/authority.pem`),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#proxy.close();
    for (const end of [...this.#tunnels]) this.#close(end);
    await this.#accepting;
    await this.#api.shutdown();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#proxy) this.#tunnel(client);
  }

  async #tunnel(client: Deno.Conn): Promise<void> {
    this.#tunnels.add(client);
    const request = new Uint8Array(REQUEST_BYTES_MAX);
    const size = await client.read(request) ?? 0;
    const head = new TextDecoder().decode(request.subarray(0, size));
    if (!head.startsWith(`CONNECT ${this.#host}:443 `)) {
      await client.write(new TextEncoder().encode("HTTP/1.1 403 Forbidden\r\n\r\n"));
      return this.#close(client);
    }
    const api = await Deno.connect({ hostname: "127.0.0.1", port: this.#api.addr.port });
    this.#tunnels.add(api);
    await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    const end = () => [client, api].forEach((each) => this.#close(each));
    client.readable.pipeTo(api.writable).then(end, end);
    api.readable.pipeTo(client.writable).then(end, end);
  }

  #close(connection: Deno.Conn): void {
    if (!this.#tunnels.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // Its streams have closed it.
    }
  }
}
