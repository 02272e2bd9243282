// The least of a sync-protocol client: enough to load the server without the cost of a real client.

// deno-lint-ignore no-explicit-any -- a message of the protocol, whose type says what else it has
export type ServerMessage = { type: string; [field: string]: any };

export class SyncConnection {
  #socket: WebSocket;
  #nextRequest = 0;
  #nextQuery = 0;
  #querySet = 0;
  /** Called with the text of each message; parsing it is the receiver's choice. */
  onMessage: (text: string) => void = () => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = (event) => this.onMessage(event.data);
    this.#send({
      type: "Connect",
      sessionId: crypto.randomUUID(),
      connectionCount: 0,
      lastCloseReason: "InitialConnect",
      clientTs: Date.now(),
    });
  }

  static async open(port: number): Promise<SyncConnection> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/1.48.0/sync`);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("the WebSocket did not open"));
    });
    return new SyncConnection(socket);
  }

  /** Subscribes to one query for each of the arguments; returns the ids. */
  subscribe(path: string, args: readonly unknown[]): number[] {
    const ids = args.map(() => this.#nextQuery++);
    this.#send({
      type: "ModifyQuerySet",
      baseVersion: this.#querySet,
      newVersion: ++this.#querySet,
      modifications: args.map((one, i) => ({
        type: "Add",
        queryId: ids[i],
        udfPath: path,
        args: [one],
      })),
    });
    return ids;
  }

  /** Sends a mutation without waiting; returns its request id. */
  mutation(path: string, args: unknown): number {
    const requestId = this.#nextRequest++;
    this.#send({ type: "Mutation", requestId, udfPath: path, args: [args] });
    return requestId;
  }

  close(): void {
    this.#socket.onmessage = null;
    this.#socket.close();
  }

  #send(message: unknown): void {
    this.#socket.send(JSON.stringify(message));
  }
}
