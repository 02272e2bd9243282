// Clients that write pairs for as long as a round lasts. Those on a WebSocket send what was not
// answered again when the server is back, and it must happen once; the others never know.

import { mutation } from "../harness/clients.ts";
import { httpClient, LiveClient } from "../harness/clients.ts";
import type { Server } from "../harness/server.ts";

const LIVE_CLIENTS = 4;
const HTTP_CLIENTS = 2;
/** Between two tries of a client that cannot reach the server. */
const AWAY_MS = 200;
/** All answers have come so long after the server is back; clients wait some seconds to reconnect. */
const ANSWERS_MS_MAX = 60_000;

export interface Written {
  readonly sent: ReadonlySet<string>;
  readonly acknowledged: ReadonlySet<string>;
}

export class Writers implements AsyncDisposable {
  readonly #server: Server;
  readonly #live: LiveClient[];
  #sent = new Set<string>();
  #acknowledged = new Set<string>();
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(server: Server) {
    this.#server = server;
    this.#live = Array.from({ length: LIVE_CLIENTS }, () => new LiveClient(server));
  }

  /** Pairs that were acknowledged in this round. */
  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** Starts writing, pair after pair. */
  start(round: number, bytes: number): void {
    this.#sent = new Set();
    this.#acknowledged = new Set();
    this.#isStopping = false;
    const write = async (
      name: string,
      send: (args: Record<string, unknown>) => Promise<unknown>,
    ) => {
      for (let i = 0; !this.#isStopping; i++) {
        const key = `${name} ${i}`;
        this.#sent.add(key);
        if (await send({ round, key, bytes }) === key) this.#acknowledged.add(key);
      }
    };
    const http = httpClient(this.#server);
    this.#running = Promise.all([
      ...this.#live.map((client, i) =>
        write(`live ${i}`, (args) => client.mutation(mutation("pairs:write"), args))
      ),
      ...Array.from({ length: HTTP_CLIENTS }, (_, i) =>
        write(`http ${i}`, async (args) => {
          try {
            return await http.mutation(mutation("pairs:write"), args, { skipQueue: true });
          } catch {
            // The server is away: the pair may be there or not.
            await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
            return null;
          }
        })),
    ]);
  }

  /** Waits for all answers; the server must be running. */
  async stop(): Promise<Written> {
    this.#isStopping = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(this.#describe())), ANSWERS_MS_MAX);
    });
    await Promise.race([this.#running, late]);
    clearTimeout(timer);
    return { sent: this.#sent, acknowledged: this.#acknowledged };
  }

  #describe(): string {
    const states = this.#live.map((client) => JSON.stringify(client.client.connectionState()));
    return `the clients get no answers:\n${states.join("\n")}\n${this.#server.output}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    for (const client of this.#live) await client.close();
  }
}
