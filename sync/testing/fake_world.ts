// A server without sockets, engine or isolates: everything a session needs, driven by hand.

import type { Identity } from "../../runtime/types.ts";
import { QueryCache } from "../query_cache.ts";
import type { SessionEnvironment } from "../session.ts";
import { Subscriptions } from "../subscriptions.ts";
import { FakeBackend, FakeFunctionError } from "./fake_backend.ts";
import { FakeClient } from "./fake_client.ts";
import { FakeClock } from "./fake_clock.ts";
import type { AuthToken } from "../client_messages.ts";

export const SESSION_A = "11111111-1111-4111-8111-111111111111";
export const SESSION_B = "22222222-2222-4222-8222-222222222222";

export interface FakeWorldOptions {
  readonly redact?: boolean;
  readonly cacheBytesMax?: number;
}

export class FakeWorld {
  readonly backend = new FakeBackend();
  readonly clock = new FakeClock();
  readonly subscriptions = new Subscriptions(this.backend);
  readonly unexpected: unknown[] = [];
  readonly cache: QueryCache;
  readonly environment: SessionEnvironment;
  authenticate: (token: AuthToken) => Promise<Identity> = () =>
    Promise.resolve({ kind: "anonymous" });

  constructor(options: FakeWorldOptions = {}) {
    const { backend, clock, subscriptions } = this;
    const redact = options.redact ?? false;
    this.cache = new QueryCache({
      runner: backend,
      subscriptions,
      clock,
      redact,
      bytesMax: options.cacheBytesMax ?? 2 ** 20,
    });
    this.environment = {
      source: backend,
      runner: backend,
      authenticate: (token) => this.authenticate(token),
      onUnexpectedError: (error) => this.unexpected.push(error),
      cache: this.cache,
      subscriptions,
      clock,
      onCached: () => {},
      resolveComponent: (path) => path === "child" ? "c1" : null,
      redact,
    };
    installFunctions(backend);
  }

  client(understandsChunks = true): FakeClient {
    return new FakeClient(this.environment, understandsChunks);
  }

  settle(): Promise<void> {
    return this.clock.settle();
  }
}

function installFunctions(backend: FakeBackend): void {
  backend.queries.set("get", (run) => run.read(run.args.name as string));
  backend.queries.set("sum", (run) => {
    const names = run.args.names as string[];
    return names.map((name) => run.read(name)).reduce((a, b) => a + b, 0);
  });
  backend.queries.set("whoami", (run) => {
    run.observeIdentity();
    const { identity } = run.call.context;
    run.read("whoami");
    return identity.kind === "user" ? identity.attributes.subject : identity.kind;
  });
  backend.queries.set("clock", (run) => {
    run.observeTime();
    return run.read("clock");
  });
  backend.queries.set("parity", (run) => {
    run.read(run.args.name as string);
    return backend.valueAt(run.args.name as string, run.ts) % 2;
  });
  backend.queries.set("failIfOdd", (run) => {
    const value = run.read(run.args.name as string);
    run.log(`'value' ${value % 2}`);
    if (value % 2 === 1) throw new FakeFunctionError("odd", run.args.data);
    return value;
  });
  // A page ends where the journal says; without one, at the present value of "end".
  backend.queries.set("page", (run) => {
    const end = run.journal ?? `end:${run.read("end")}`;
    run.setJournal(end);
    return [end, run.read("rows")];
  });
  backend.mutations.set("set", (args) => ({ [args.name as string]: args.value as number }));
  backend.mutations.set("add", (args) => {
    const name = args.name as string;
    return { [name]: backend.valueAt(name, backend.latest) + (args.by as number) };
  });
  backend.mutations.set("fail", (args) => {
    throw new FakeFunctionError("refused", args.data);
  });
  backend.actions.set("act", () => Promise.resolve("acted"));
  backend.actions.set("failAct", () => Promise.reject(new FakeFunctionError("act failed")));
}
