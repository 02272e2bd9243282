// Where actions may connect to, against servers of this machine.

import assert from "node:assert/strict";
import type { FromIsolate } from "../frames.ts";
import { type OutboundPolicy, parseOutboundPolicy } from "../outbound_policy.ts";
import { LIBRARY, Stand } from "./testing/stand.ts";

const CODE = `${LIBRARY}exports.run = action(async (call, { url }) => {
  try { return await (await fetch(url)).text(); } catch (e) { return "! " + e.message; }
});`;

/** What an action gets from each URL. */
async function fetched(
  policy: OutboundPolicy,
  urls: readonly string[],
): Promise<Record<string, string>> {
  const functions = { run: { udfType: "Action" } } as const;
  const stand = await Stand.open({ "m.js": { code: CODE, functions } });
  try {
    const isolate = await stand.isolate("actions", {}, policy);
    const results: Record<string, string> = {};
    for (const url of urls) {
      const call = isolate.call("action", "m:run", { arguments: [{ url }] });
      isolate.send({ type: "action", callId: call.callId, call });
      const frame = await isolate.receive((each) =>
        each.type === "actionResult" && each.callId === call.callId
      );
      const { result } = frame as FromIsolate & { type: "actionResult" };
      results[url] = result.ok ? JSON.parse(result.value) : result.error.text;
    }
    return results;
  } finally {
    await stand.close();
  }
}

async function withServer(body: (port: number) => Promise<void>): Promise<void> {
  const serve = (request: Request) => {
    const target = new URL(request.url).searchParams.get("to");
    return target === null
      ? new Response("reached")
      : new Response(null, { status: 302, headers: { location: target } });
  };
  await using server = Deno.serve({ port: 0, hostname: "0.0.0.0", onListen: () => {} }, serve);
  await body(server.addr.port);
}

const DENIED = /^! Network access to \S+ is denied by the configuration of this server$/;

Deno.test("private addresses are out of reach in every spelling, by name and by redirect", () =>
  withServer(async (port) => {
    const hosts = [
      ...["127.0.0.1", "127.9.9.9", "0.0.0.0", "2130706433", "0x7f.1", "017700000001", "127.1"],
      ...["localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254", "10.0.0.1"],
    ];
    const urls = hosts.map((host) => `http://${host}:${port}/`);
    const results = await fetched(parseOutboundPolicy("private"), urls);
    for (const url of urls) assert.match(results[url]!, DENIED, url);
  }));

Deno.test("with private networks denied, IPv6 is not used at all", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "::1", onListen: () => {} },
    () => new Response("reached"),
  );
  const url = `http://[::1]:${server.addr.port}/`;
  const open = await fetched(parseOutboundPolicy(""), [url]);
  assert.equal(open[url], "reached");
  const closed = await fetched(parseOutboundPolicy("private"), [url]);
  assert.match(closed[url]!, /^! /);
});

Deno.test("a redirect leads nowhere that is denied; the rest stays in reach", () =>
  withServer(async (port) => {
    const allowed = `http://127.0.0.2:${port}/`;
    const direct = `http://127.0.0.1:${port}/`;
    const redirects = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"]
      .map((host) => `${allowed}?to=http://${host}:${port}/`);
    const back = `${allowed}?to=${allowed}`;
    const results = await fetched(parseOutboundPolicy("127.0.0.1"), [
      ...[allowed, direct, back],
      ...redirects,
    ]);
    assert.equal(results[allowed], "reached");
    assert.equal(results[back], "reached");
    for (const url of [direct, ...redirects]) assert.match(results[url]!, DENIED, url);
  }));
