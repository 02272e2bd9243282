// @convex-dev/better-auth in a pushed app: users sign up over HTTP, and the deployment accepts the
// tokens that it issued to them.
import assert from "node:assert/strict";
import { ConvexError } from "convex/values";
import { httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

const APP = "tests/apps/components";
const ANN = { email: "ann@example.com", password: "correct horse", name: "Ann" };

/** A browser as far as Better Auth can tell: it keeps cookies and names the page's origin. */
class Visitor {
  readonly cookies = new Map<string, string>();

  constructor(private readonly siteUrl: string) {}

  // deno-lint-ignore no-explicit-any -- a JSON body of any shape
  async request(path: string, body?: unknown): Promise<{ status: number; json: any }> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(`${this.siteUrl}/api/auth${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", origin: this.siteUrl, cookie },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split("; ");
      const [name, value] = pair!.split("=", 2) as [string, string];
      if (attributes.includes("Max-Age=0")) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return { status: response.status, json: await response.json() };
  }

  async token(): Promise<string> {
    const { status, json } = await this.request("/convex/token");
    assert.equal(status, 200);
    return json.token;
  }
}

async function isUnauthenticated(promise: Promise<unknown>): Promise<void> {
  await assert.rejects(
    promise,
    (error: unknown) => error instanceof ConvexError && error.data === "Unauthenticated",
  );
}

async function signedUp(server: Server): Promise<{ visitor: Visitor; userId: string }> {
  const visitor = new Visitor(server.siteUrl);
  const { status, json } = await visitor.request("/sign-up/email", ANN);
  assert.equal(status, 200);
  assert.equal(json.user.email, ANN.email);
  return { visitor, userId: json.user.id };
}

Deno.test("better-auth: whoever signed up is known to queries until signing out", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  assert.equal(await client.query(query("auth:identity")), null);
  await isUnauthenticated(client.query(query("auth:getAuthUser")));

  const { visitor, userId } = await signedUp(server);
  const session = await visitor.request("/get-session");
  assert.equal(session.json.user.id, userId);
  client.setAuth(await visitor.token());
  const identity = await client.query(query("auth:identity"));
  assert.deepEqual(
    [identity.subject, identity.issuer, identity.email, identity.name, identity.sessionId],
    [userId, server.siteUrl, ANN.email, ANN.name, session.json.session.id],
  );
  assert.equal((await client.query(query("auth:getAuthUser"))).email, ANN.email);

  const out = await visitor.request("/sign-out", {});
  assert.deepEqual([out.status, out.json, visitor.cookies.size], [200, { success: true }, 0]);
  assert.equal((await visitor.request("/convex/token")).status, 401);
  // The token outlives the session, whose end the component knows.
  await isUnauthenticated(client.query(query("auth:getAuthUser")));
});

Deno.test("better-auth: signing in needs the password, signing up a free address", async () => {
  await using server = await serverWithApp(APP);
  const { userId } = await signedUp(server);
  const visitor = new Visitor(server.siteUrl);
  const signIn = (password: string) =>
    visitor.request("/sign-in/email", { email: ANN.email, password });
  const wrong = await signIn("wrong horse");
  assert.deepEqual([wrong.status, wrong.json.code], [401, "INVALID_EMAIL_OR_PASSWORD"]);
  assert.equal((await visitor.request("/convex/token")).status, 401);
  const taken = await visitor.request("/sign-up/email", ANN);
  assert.deepEqual(
    [taken.status, taken.json.code],
    [422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"],
  );
  const right = await signIn(ANN.password);
  assert.deepEqual([right.status, right.json.user.id], [200, userId]);
});

Deno.test("better-auth: a live client learns of changes of its user, and tokens outlive a restart", async () => {
  await using server = await serverWithApp(APP);
  const { visitor } = await signedUp(server);
  const token = await visitor.token();
  {
    await using client = new LiveClient(server);
    client.setAuth(() => Promise.resolve(token));
    const watched = client.watch("auth:getAuthUser");
    const named = (name: string) => (user: unknown) => (user as { name?: string })?.name === name;
    await watched.until(named("Ann"));
    await client.mutation(mutation("auth:rename"), { name: "Ann Smith" });
    await watched.until(named("Ann Smith"));
  }
  await server.stop();
  await server.restart();
  const client = httpClient(server);
  client.setAuth(token);
  assert.equal((await client.query(query("auth:getAuthUser"))).name, "Ann Smith");
  assert.equal((await visitor.request("/get-session")).json.user.name, "Ann Smith");
});
