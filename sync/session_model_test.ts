// Random commits, queries, mutations, re-authentications, delays and reconnects against a model:
// every version chain is exact (the fake client checks it), every value that a client shows is the
// true one at the client's timestamp, and every mutation happens once.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Timestamp } from "../engine/timestamp.ts";
import { endTs, type FakeClient } from "./testing/fake_client.ts";
import { FakeWorld } from "./testing/fake_world.ts";

const NAMES = ["a", "b", "c", "d"];
const CLIENTS = 3;

type Step =
  | { readonly kind: "commit"; readonly names: readonly string[]; readonly durable: boolean }
  | { readonly kind: "durable" }
  | { readonly kind: "add"; readonly client: number; readonly names: readonly string[] }
  | {
    readonly kind: "addJournaled" | "remove" | "authenticate" | "reconnect";
    readonly client: number;
  }
  | {
    readonly kind: "mutate";
    readonly client: number;
    readonly name: string;
    readonly fails: boolean;
  }
  | { readonly kind: "stick" | "unstick"; readonly client: number }
  | { readonly kind: "hold" | "release" | "settle" | "turn" | "lag" | "publish" };

const client = fc.nat(CLIENTS - 1);
const name = fc.constantFrom(...NAMES);
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("commit" as const), names, durable: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), client, names }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("mutate" as const),
      client,
      name,
      fails: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...["addJournaled", "remove", "authenticate", "reconnect", "stick", "unstick"] as const,
      ),
      client,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...["durable", "hold", "release", "settle", "settle", "turn", "lag", "publish"] as const,
      ),
    }),
  },
);

interface Unreflected {
  readonly message: unknown;
  /** Of the connection on which it was first sent. */
  readonly connection: number;
  /** Base64, from the answer. */
  ts: string | null;
}

/** A client's side of the story, which survives its connections. */
class ModelClient {
  connection: FakeClient;
  readonly sessionId: string;
  readonly queries = new Map<number, { udf: string; args: unknown; journal: string | null }>();
  /** Mutations that no Transition has reflected yet: they are sent again after a reconnect. */
  unreflected = new Map<number, Unreflected>();
  identityVersion = 0;
  nextQueryId = 0;
  nextRequestId = 0;
  connections = 0;
  acknowledged = 0;
  failed = 0;
  seen = 0;
  observed: string | undefined = undefined;

  constructor(readonly world: FakeWorld, number: number) {
    this.sessionId = `${number}0000000-0000-4000-8000-000000000000`;
    this.connection = this.connect();
  }

  connect(): FakeClient {
    const connection = this.world.client();
    const connectionCount = this.connections++;
    connection.connect(this.sessionId, {
      connectionCount,
      ...(this.observed === undefined ? {} : { maxObservedTimestamp: this.observed }),
    });
    this.identityVersion = 0;
    this.seen = 0;
    connection.onTransition = () => this.check(connection);
    connection.modify([...this.queries].map(([queryId, { udf, args, journal }]) => (
      { type: "Add", queryId, udfPath: `app:${udf}`, args: [args], journal }
    )));
    return connection;
  }

  reconnect(): void {
    this.look();
    this.connection.session.disconnected();
    this.connection = this.connect();
    for (const { message } of this.unreflected.values()) this.connection.say(message);
  }

  add(udf: string, args: unknown): void {
    const queryId = this.nextQueryId++;
    this.queries.set(queryId, { udf, args, journal: null });
    this.connection.add(queryId, udf, args);
  }

  remove(): void {
    const queryId = this.queries.keys().next().value;
    if (queryId === undefined) return;
    this.queries.delete(queryId);
    this.connection.remove(queryId);
  }

  mutate(udf: string, args: unknown): void {
    const requestId = this.nextRequestId++;
    const message = { type: "Mutation", requestId, udfPath: `app:${udf}`, args: [args] };
    this.unreflected.set(requestId, { message, connection: this.connections, ts: null });
    this.connection.say(message);
  }

  /** Reads what has arrived, as the official client would. */
  look(): void {
    const { received } = this.connection;
    for (; this.seen < received.length; this.seen++) {
      const message = received[this.seen];
      if (message.type === "MutationResponse") {
        const pending = this.unreflected.get(message.requestId);
        if (pending === undefined) continue;
        if (message.success) {
          pending.ts = message.ts;
        } else {
          this.failed++;
          this.unreflected.delete(message.requestId);
        }
      } else if (message.type === "Transition") {
        this.observed = message.endVersion.ts;
        this.#checkAnsweredFirst(endTs(message));
        for (const modification of message.modifications) {
          const query = this.queries.get(modification.queryId);
          if (query !== undefined && "journal" in modification) {
            query.journal = modification.journal;
          }
        }
        for (const [requestId, { ts }] of this.unreflected) {
          if (ts === null || !isAtMost(ts, this.observed!)) continue;
          this.acknowledged++;
          this.unreflected.delete(requestId);
        }
      }
    }
  }

  /** What the client shows is what was true at its timestamp. */
  check(connection: FakeClient): void {
    for (const [queryId, told] of connection.told) {
      const query = this.queries.get(queryId);
      // The client has removed it and the server has not yet said so.
      if (query === undefined || query.udf !== "sum") continue;
      const { names } = query.args as { names: string[] };
      const values = names.map((name) => this.world.backend.valueAt(name, connection.ts));
      assert.equal(told.value, values.reduce((a, b) => a + b, 0));
    }
  }

  /** A Transition that shows a mutation of this connection comes after its answer. */
  #checkAnsweredFirst(ts: Timestamp): void {
    for (const [requestId, { connection, ts: answered }] of this.unreflected) {
      if (answered !== null || connection !== this.connections) continue;
      const outcome = this.world.backend.committer.sessionOutcome(this.sessionId, requestId);
      assert.ok(outcome === null || outcome.ts > ts, "shown before it was answered");
    }
  }
}

function isAtMost(a: string, b: string): boolean {
  return Buffer.from(a, "base64").readBigUInt64LE() <= Buffer.from(b, "base64").readBigUInt64LE();
}

class Run {
  readonly world: FakeWorld;
  readonly clients: ModelClient[];
  #held: (() => void)[] = [];
  #isHolding = false;
  #commits = 0;

  constructor(cacheBytesMax: number) {
    this.world = new FakeWorld({ cacheBytesMax });
    const wait = () =>
      this.#isHolding
        ? new Promise<void>((resolve) => this.#held.push(resolve))
        : Promise.resolve();
    // Counts, and checks that the mutations of a client come in the order of their requests.
    const lastOrder = new Map<string, number>();
    const { backend } = this.world;
    backend.mutations.set("count", ({ name, order }) => {
      const counter = name as string;
      assert.ok((order as number) > (lastOrder.get(counter) ?? -1), "mutations out of order");
      lastOrder.set(counter, order as number);
      return { [counter]: backend.valueAt(counter, backend.latest) + 1 };
    });
    backend.beforeQuery = wait;
    backend.beforeMutation = wait;
    backend.beforeAnswer = wait;
    this.clients = Array.from({ length: CLIENTS }, (_, i) => new ModelClient(this.world, i + 1));
  }

  async take(step: Step): Promise<void> {
    const { backend } = this.world;
    switch (step.kind) {
      case "commit": {
        this.#commits++;
        const writes = Object.fromEntries(step.names.map((name) => [`x${name}`, this.#commits]));
        backend.commit(writes, { durable: step.durable });
        break;
      }
      case "durable":
        backend.makeDurable();
        break;
      case "add":
        this.clients[step.client]!.add("sum", { names: step.names.map((name) => `x${name}`) });
        break;
      case "addJournaled":
        this.clients[step.client]!.add("page", {});
        break;
      case "remove":
        this.clients[step.client]!.remove();
        break;
      case "authenticate": {
        const client = this.clients[step.client]!;
        const baseVersion = client.identityVersion++;
        client.connection.say({ type: "Authenticate", tokenType: "None", baseVersion });
        break;
      }
      case "reconnect":
        this.clients[step.client]!.reconnect();
        break;
      case "mutate": {
        const client = this.clients[step.client]!;
        if (step.fails) client.mutate("fail", {});
        else client.mutate("count", { name: `m${step.client}`, order: client.nextRequestId });
        break;
      }
      case "stick":
        this.clients[step.client]!.connection.isStuck = true;
        break;
      case "unstick":
        this.clients[step.client]!.connection.unstick();
        await this.world.clock.advance(2000);
        break;
      case "lag":
        backend.isPublishingHeld = true;
        break;
      case "publish":
        backend.publish();
        break;
      case "hold":
        this.#isHolding = true;
        break;
      case "release":
        this.#release();
        break;
      case "turn":
        await Promise.resolve();
        break;
      case "settle":
        await this.world.settle();
        this.check();
        break;
    }
  }

  /** Nobody was disconnected. */
  check(): void {
    for (const model of this.clients) {
      model.look();
      assert.equal(model.connection.closed, null);
    }
  }

  async finish(): Promise<void> {
    this.#release();
    for (const { connection } of this.clients) connection.unstick();
    this.world.backend.makeDurable();
    this.world.backend.publish();
    await this.world.clock.advance(5000);
    this.check();
    assert.deepEqual(this.world.unexpected, []);
    for (const [number, model] of this.clients.entries()) {
      assert.equal(model.connection.ts >= this.#lastRelevantTs(model), true, "not up to date");
      assert.deepEqual([...model.connection.told.keys()].sort(), [...model.queries.keys()].sort());
      assert.deepEqual([...model.unreflected.keys()], [], "a mutation was never reflected");
      const applied = this.world.backend.valueAt(`m${number}`, this.world.backend.latest);
      assert.equal(applied, model.acknowledged, "every acknowledged mutation happened once");
      assert.equal(model.acknowledged + model.failed, model.nextRequestId);
      model.connection.session.disconnected();
    }
    assert.equal(this.world.clock.timers, 0);
  }

  #lastRelevantTs(model: ModelClient): Timestamp {
    const names = new Set(
      [...model.queries.values()].flatMap(({ udf, args }) =>
        udf === "sum" ? (args as { names: string[] }).names : []
      ),
    );
    const relevant = this.world.backend.commits.filter(({ writes }) =>
      [...writes.keys()].some((name) => names.has(name))
    );
    return relevant.at(-1)?.ts ?? (0 as Timestamp);
  }

  #release(): void {
    this.#isHolding = false;
    for (const release of this.#held.splice(0)) release();
  }
}

Deno.test("what clients show is true at their timestamps, whatever happens", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.constantFrom(0, 3000, 2 ** 20),
      async (steps, cacheBytesMax) => {
        const run = new Run(cacheBytesMax);
        for (const step of steps) await run.take(step);
        await run.finish();
      },
    ),
    { numRuns: 300 },
  );
});
