// A TCP proxy in front of a server, whose connections a test can cut.

export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.Listener;
  readonly #target: number;
  readonly #connections = new Set<Deno.Conn>();
  readonly #accepting: Promise<void>;

  /** @param target port of the server on this machine */
  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#accepting = this.#accept();
  }

  /** Cuts each connection with the given probability, in the middle of whatever it carries. */
  cut(probability: number, random: () => number): void {
    for (const connection of [...this.#connections]) {
      if (random() < probability) this.#close(connection);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of [...this.#connections]) this.#close(connection);
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#join(client);
  }

  async #join(client: Deno.Conn): Promise<void> {
    let server: Deno.Conn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch {
      client.close();
      return;
    }
    this.#connections.add(client).add(server);
    const end = () => {
      this.#close(client);
      this.#close(server);
    };
    client.readable.pipeTo(server.writable).then(end, end);
    server.readable.pipeTo(client.writable).then(end, end);
  }

  #close(connection: Deno.Conn): void {
    if (!this.#connections.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // Its streams have closed it.
    }
  }
}
