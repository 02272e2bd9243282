import assert from "node:assert/strict";
import { encodeTimestamp, type Timestamp } from "../engine/timestamp.ts";
import { type ClientMessage, parseClientMessage } from "./client_messages.ts";

const SESSION = "6F0D0000-0000-4000-8000-00000000000a";

function parse(message: unknown): ClientMessage {
  return parseClientMessage(JSON.stringify(message));
}

Deno.test("the messages of the official client are read", () => {
  const ts = 1_732_276_800_123_456 as Timestamp;
  assert.deepEqual(
    parse({
      type: "Connect",
      sessionId: SESSION,
      connectionCount: 2,
      lastCloseReason: "InitialConnect",
      clientTs: 17,
      maxObservedTimestamp: encodeTimestamp(ts),
      unknown: 1,
    }),
    {
      type: "Connect",
      sessionId: SESSION.toLowerCase(),
      maxObservedTimestamp: ts,
      clientTs: 17,
    },
  );
  assert.deepEqual(
    parse({
      type: "ModifyQuerySet",
      baseVersion: 0,
      newVersion: 1,
      modifications: [
        { type: "Add", queryId: 0, udfPath: "a/b.js:c", args: [{ x: { $integer: "AA==" } }] },
        { type: "Add", queryId: 1, udfPath: "m", journal: "j", componentPath: "a/b" },
        { type: "Remove", queryId: 3 },
      ],
    }),
    {
      type: "ModifyQuerySet",
      baseVersion: 0,
      newVersion: 1,
      modifications: [
        {
          type: "Add",
          queryId: 0,
          target: { module: "a/b.js", name: "c", componentPath: "" },
          args: '[{"x":{"$integer":"AA=="}}]',
          journal: null,
        },
        {
          type: "Add",
          queryId: 1,
          target: { module: "m.js", name: "default", componentPath: "a/b" },
          args: null,
          journal: "j",
        },
        { type: "Remove", queryId: 3 },
      ],
    },
  );
  assert.deepEqual(
    parse({
      type: "Authenticate",
      tokenType: "Admin",
      value: "k",
      baseVersion: 4,
      acting_as: { issuer: "i", subject: "s", name: null, custom: { a: 1 } },
    }),
    {
      type: "Authenticate",
      baseVersion: 4,
      token: {
        tokenType: "Admin",
        value: "k",
        impersonating: { issuer: "i", subject: "s", custom: { a: 1 }, tokenIdentifier: "i|s" },
      },
    },
  );
  assert.deepEqual(parse({ type: "Event" }), { type: "Event" });
});

Deno.test("what is not as it should be is invalid JSON, never an internal error", () => {
  const mutation = { type: "Mutation", requestId: 0, udfPath: "m:f", args: [] };
  const connect = { type: "Connect", sessionId: SESSION, connectionCount: 0 };
  const wrong: unknown[] = [
    null,
    [],
    "x",
    {},
    { type: "Other" },
    { type: { toString: 1 } },
    { ...connect, sessionId: "abc" },
    { ...connect, connectionCount: -1 },
    { ...connect, clientTs: "now" },
    { ...connect, lastCloseReason: 1 },
    { ...connect, maxObservedTimestamp: "!" },
    { ...connect, maxObservedTimestamp: "//////////8=" },
    { ...mutation, requestId: 1.5 },
    { ...mutation, requestId: 2 ** 32 },
    { ...mutation, requestId: "1" },
    { ...mutation, udfPath: "" },
    { ...mutation, udfPath: "../m:f" },
    { ...mutation, udfPath: "m.ts:f" },
    { ...mutation, componentPath: 1 },
    { type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: {} },
    { type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [null] },
    { type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [{ queryId: 1 }] },
    { type: "Authenticate", baseVersion: 0, tokenType: "Other" },
    { type: "Authenticate", baseVersion: 0, tokenType: "User" },
    { type: "Authenticate", tokenType: "None" },
    { type: "Authenticate", baseVersion: 0, tokenType: "Admin", value: "k", impersonating: 1 },
  ];
  for (const message of wrong) {
    assert.throws(() => parse(message), {
      name: "PlatformError",
      code: "WSMessageInvalidJson",
      message: /^Received Invalid JSON on websocket: ./,
    }, JSON.stringify(message));
  }
  for (const text of ["", "{", "[".repeat(200_000)]) {
    assert.throws(() => parseClientMessage(text), { code: "WSMessageInvalidJson" });
  }
});
