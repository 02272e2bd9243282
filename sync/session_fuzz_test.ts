// Frames that are nearly right: whatever is wrong with them, a connection goes on, or ends as documented
// for a fault of the client (sync protocol 8), and never as a fault of the server.

import assert from "node:assert/strict";
import fc from "fast-check";
import { PlatformError } from "../engine/errors.ts";
import { FakeWorld, SESSION_A } from "./testing/fake_world.ts";

const CALL = { requestId: 0, udfPath: "app:get", args: [{ name: "x" }], componentPath: "" };
const ADD = { type: "Add", queryId: 1, udfPath: "app:get", args: [{ name: "x" }], journal: null };
const IMPERSONATING = { issuer: "i", subject: "s", emailVerified: true };
const MESSAGES = [
  {
    type: "Connect",
    sessionId: SESSION_A,
    connectionCount: 0,
    lastCloseReason: "InitialConnect",
    maxObservedTimestamp: "AAAAAAAAAAA=",
    clientTs: 1,
  },
  { type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [ADD] },
  {
    type: "ModifyQuerySet",
    baseVersion: 0,
    newVersion: 1,
    modifications: [ADD, { type: "Remove", queryId: 1 }],
  },
  { type: "Mutation", ...CALL, udfPath: "app:set", args: [{}] },
  { type: "Action", ...CALL, udfPath: "app:act" },
  { type: "Authenticate", tokenType: "User", value: "a.b.c", baseVersion: 0 },
  {
    type: "Authenticate",
    tokenType: "Admin",
    value: "a|b",
    baseVersion: 0,
    impersonating: IMPERSONATING,
  },
  { type: "Authenticate", tokenType: "None", baseVersion: 0 },
  { type: "Event", eventType: "x", event: { a: [1] } },
];

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    0.5,
    2 ** 32,
    2 ** 53,
    "",
    "a b:c",
    "AAAA",
    "\ud800",
    [],
    {},
    [null],
    { $integer: 1 },
  ),
  fc.jsonValue(),
);

/** One place of a message, counted over all its fields and elements, gets another value or goes. */
function damaged(message: unknown, place: number, value: unknown, isRemoved: boolean): unknown {
  let left = place;
  const visit = (node: unknown): unknown => {
    if (typeof node !== "object" || node === null) return node;
    const entries = Object.entries(node).flatMap(([name, child]) => {
      if (left-- !== 0) return [[name, visit(child)]];
      return isRemoved ? [] : [[name, value]];
    });
    return Array.isArray(node) ? entries.map(([, child]) => child) : Object.fromEntries(entries);
  };
  return visit(message);
}

const frame = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      message: fc.constantFrom(...MESSAGES),
      place: fc.nat(14),
      value: junk,
      isRemoved: fc.boolean(),
    }).map(({ message, place, value, isRemoved }) =>
      JSON.stringify(damaged(message, place, value, isRemoved))
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...MESSAGES), fc.nat(200), fc.string())
      .map(([message, at, text]) => {
        const whole = JSON.stringify(message);
        return whole.slice(0, at) + text + whole.slice(at + 1);
      }),
  },
  { weight: 1, arbitrary: fc.json() },
);

Deno.test("damaged frames end a connection as documented, or not at all", async () => {
  const seen = new Set<string>();
  const property = fc.asyncProperty(
    fc.array(frame, { minLength: 1, maxLength: 4 }),
    async (frames) => {
      const world = new FakeWorld();
      world.authenticate = () =>
        Promise.reject(new PlatformError("unauthenticated", "BadToken", "no good token"));
      const client = world.client();
      for (const text of frames) client.session.receive(text);
      await world.settle();
      assert.deepEqual(world.unexpected, []);
      const types = client.take().map(({ type }: { type: string }) => type);
      const last = ["FatalError", "AuthError"].find((type) => types.includes(type)) ?? null;
      if (client.closed === null) assert.equal(last, null);
      else {
        const { code, reason } = client.closed;
        if (last === null) assert.deepEqual([code, reason], [1011, "InternalServerError"]);
        else {
          assert.equal(types.at(-1), last);
          assert.deepEqual([code, reason], [undefined, undefined]);
        }
      }
      seen.add(`${last} ${client.closed?.code}`);
    },
  );
  await fc.assert(property, { numRuns: 400 });
  assert.ok(seen.has("null undefined") && seen.has("FatalError undefined"), "too harmless");
});
