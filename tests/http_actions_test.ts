// HTTP actions through both ports: routes, requests and answers as they are on the wire.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { httpClient, LiveClient, query } from "./harness/clients.ts";
import { logEntries } from "./harness/function_log.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import { Server } from "./harness/server.ts";

const APP = "tests/apps/services";
const MEBIBYTE = 1024 * 1024;

interface Described {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

async function text(url: string, init?: RequestInit): Promise<[number, string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !await condition();) {
    assert.ok(Date.now() < deadline, "the condition does not come true");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("routes, methods and what the handler sees of the request", async () => {
  await using server = await serverWithApp(APP);
  const { siteUrl } = server;
  for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const hasBody = !["GET", "OPTIONS"].includes(method);
    const response = await fetch(`${siteUrl}/describe?x=1&y=%20`, {
      method,
      headers: { "x-own": "yes", "x-forwarded-proto": "https" },
      body: hasBody ? "the body" : undefined,
    });
    const described: Described = await response.json();
    assert.equal(described.method, method);
    assert.equal(described.url, `${siteUrl.replace("http:", "https:")}/describe?x=1&y=%20`);
    assert.equal(described.headers["x-own"], "yes");
    assert.equal(described.body, hasBody ? "the body" : null);
    assert.equal(response.headers.get("access-control-allow-origin"), null);
  }

  const onApi: Described = await (await fetch(`${server.url}/http/describe?x`)).json();
  assert.equal(onApi.url, `${server.url}/describe?x`);

  const head = await fetch(`${siteUrl}/describe`, { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.ok(Number(head.headers.get("content-length")) > 50);

  assert.deepEqual(await text(`${siteUrl}/tree/a`), [200, "tree"]);
  assert.deepEqual(await text(`${siteUrl}/tree/deep/a`), [200, "deep"]);
  assert.deepEqual(await text(`${siteUrl}/tree/deep/leaf`), [200, "leaf"]);
  for (const path of ["/tree", "/no/such/route", "/tree%2Fa"]) {
    assert.deepEqual(await text(siteUrl + path), [404, "No matching routes found"], path);
  }
  assert.deepEqual(await text(`${siteUrl}/tree/a`, { method: "POST" }), [
    404,
    "No matching routes found",
  ]);
  const refused = await fetch(`${siteUrl}/describe`, { method: "PROPFIND" });
  assert.equal(refused.status, 405);
  assert.match(refused.headers.get("allow")!, /GET,POST/);
  await refused.body?.cancel();

  const cookies = await fetch(`${siteUrl}/cookies`);
  assert.equal(cookies.status, 204);
  assert.deepEqual(cookies.headers.getSetCookie(), ["a=1; Path=/", "b=2"]);
  assert.equal(cookies.headers.get("access-control-allow-origin"), "https://a.b");
});

Deno.test("a deployment without http.js says so", async () => {
  await using server = await Server.start();
  assert.deepEqual(await text(`${server.siteUrl}/any`), [
    404,
    "This Convex deployment does not have HTTP actions enabled.",
  ]);
});

Deno.test("failures before and after the head, and identities", async () => {
  await using server = await serverWithApp(APP);
  const fail = async (how: string) => {
    const response = await fetch(`${server.siteUrl}/fail?how=${how}`, {
      headers: { "convex-request-id": "0123456789abcdef" },
    });
    return { status: response.status, body: await response.json() };
  };
  const plain = await fail("");
  assert.equal(plain.status, 500);
  assert.equal(
    plain.body.code,
    "[Request ID: 0123456789abcdef] Server Error: Uncaught Error: boom",
  );
  assert.match(plain.body.trace, /^Uncaught Error: boom\n {4}at .*http\.ts:\d+:\d+\)\n/);
  assert.deepEqual((await fail("convex")).body.data, { code: 7, at: { $integer: "AQAAAAAAAAA=" } });
  assert.match((await fail("nothing")).body.code, /HTTP actions must return a Response$/);
  const late = await fetch(`${server.siteUrl}/fail?how=late`);
  assert.equal(late.status, 200);
  await assert.rejects(late.text());
  const entries = await logEntries(server);
  assert.match(entries.at(-1)!.error!, /^Uncaught Error: too late\n/);
  assert.equal(entries.at(-1)!.identifier, "GET /fail");

  const who = (authorization: string) =>
    text(`${server.siteUrl}/who`, { headers: { authorization } });
  assert.deepEqual(await text(`${server.siteUrl}/who`), [200, "null"]);
  const [status, body] = await who("Bearer not.a.token");
  assert.equal(status, 500);
  assert.match(body, /Could not parse JWT payload/);
  assert.equal((await who("Basic dTpw"))[0], 500);
  // An action that does not ask is not disturbed.
  const headers = { authorization: "Basic dTpw" };
  assert.equal((await text(`${server.siteUrl}/describe`, { headers }))[0], 200);
});

Deno.test("redaction leaves only the request id", async () => {
  await using server = await serverWithApp(APP, { flags: ["--redact-errors"] });
  const response = await fetch(`${server.siteUrl}/fail`, {
    headers: { "convex-request-id": "0123456789abcdef" },
  });
  assert.deepEqual(await response.json(), { code: "[Request ID: 0123456789abcdef] Server Error" });
});

Deno.test("tokens arrive one by one, and the log tells of the request", async () => {
  await using server = await serverWithApp(APP);
  const response = await fetch(`${server.siteUrl}/tokens?count=5&ms=60`);
  const times: number[] = [];
  const tokens: string[] = [];
  for await (const token of response.body!.pipeThrough(new TextDecoderStream())) {
    times.push(performance.now());
    tokens.push(token);
  }
  assert.deepEqual(tokens, [0, 1, 2, 3, 4].map((i) => `token ${i}\n`));
  assert.ok(times.at(-1)! - times[0]! > 4 * 50, "they did not come one by one");
  assert.deepEqual(await httpClient(server).query(query("events:list"), {}), ["tokens 5"]);
  const entry = (await logEntries(server)).find(({ udfType }) => udfType === "HttpAction")!;
  assert.equal(entry.identifier, "GET /tokens");
  assert.deepEqual(entry.success, { status: "200" });
  assert.equal(entry.caller, "HttpEndpoint");
});

Deno.test("the client leaves: the signal aborts and the action goes on", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const events = client.watch("events:list");
  const response = await fetch(`${server.siteUrl}/tokens?count=20&ms=20`);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await events.until((list) => Array.isArray(list) && list.includes("tokens 20"));
  await until(async () =>
    (await logEntries(server)).some(({ logLines }) =>
      JSON.stringify(logLines).includes("the client left")
    )
  );
});

Deno.test("bodies stream both ways, with back-pressure and a limit on the answer", async () => {
  await using server = await serverWithApp(APP);
  const { siteUrl } = server;
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const many = Array.from({ length: 160 }, () => bytes);
  const echoed = await fetch(`${siteUrl}/echo`, { method: "POST", body: new Blob(many) });
  assert.equal(Buffer.compare(await echoed.bytes(), await new Blob(many).bytes()), 0);

  // A body that nobody keeps, without a known length.
  let left = 150;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- === 0) controller.close();
      else controller.enqueue(new Uint8Array(MEBIBYTE));
    },
  });
  const counted = await fetch(`${siteUrl}/count`, { method: "POST", body });
  assert.deepEqual(await counted.json(), { bytes: 150 * MEBIBYTE });

  // Who does not read gets no more than the buffers on the way hold.
  const unread = await fetch(`${siteUrl}/bytes?count=${18 * MEBIBYTE}`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const made = JSON.stringify(await logEntries(server)).match(/made \d+/g)?.at(-1) ?? "made 0";
  assert.ok(Number(made.slice(5)) < 17 * MEBIBYTE, made);
  assert.equal((await unread.bytes()).length, 18 * MEBIBYTE);

  const limited = await fetch(`${siteUrl}/bytes?count=${25 * MEBIBYTE}`);
  assert.equal((await limited.bytes()).length, 20 * MEBIBYTE);
  assert.match(
    JSON.stringify(await logEntries(server)),
    /HttpResponseTooLarge: HTTP actions support responses up to 20 MiB/,
  );
});

Deno.test("forms are read up to 20 MiB; what is none is said to be none", async () => {
  await using server = await serverWithApp(APP);
  const url = `${server.siteUrl}/form`;
  const send = async (size: number) => {
    const body = new FormData();
    body.set("name", "Ada");
    body.set("file", new File([new Uint8Array(size)], "zeros.bin"));
    return await text(url, { method: "POST", body });
  };
  const [status, small] = await send(3 * MEBIBYTE);
  assert.deepEqual([status, JSON.parse(small)], [
    200,
    { name: "Ada", file: "zeros.bin", size: 3 * MEBIBYTE },
  ]);
  assert.deepEqual(await send(21 * MEBIBYTE), [
    400,
    "invalid multi-part form: 'the form is longer than 20971520 bytes'",
  ]);
  const headers = { "content-type": "multipart/form-data; boundary=x" };
  const [, malformed] = await text(url, { method: "POST", headers, body: "no form" });
  assert.match(malformed, /^invalid multi-part form: '/);
  // The server is as well as before.
  assert.equal((await send(10))[0], 200);
});
