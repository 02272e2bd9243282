// HTTP actions through both ports: routes, requests and answers as they are on the wire.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { logEntries } from "./harness/function_log.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import { Server } from "./harness/server.ts";
import { until } from "./harness/until.ts";

const APP = "tests/apps/services";
const MEBIBYTE = 1024 * 1024;
const PATIENCE_MS = 60_000;

let server: Server;

Deno.test.beforeAll(async () => {
  server = await serverWithApp(APP);
});
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

interface Described {
  readonly ip: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

async function text(url: string, init?: RequestInit): Promise<[number, string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

/** A request whose body is sent as fast as the server takes it. */
async function sendingTo(server: Server, path: string, size: number) {
  const { hostname, port } = new URL(server.siteUrl);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const head = `POST ${path} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Length: ${size}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head));
  let accepted = 0;
  const chunk = new Uint8Array(65_536);
  const sending = (async () => {
    while (accepted < size) {
      accepted += await connection.write(
        chunk.subarray(0, Math.min(chunk.length, size - accepted)),
      );
    }
  })().catch(() => {});
  const reply = (async () => {
    let received = "";
    // The answers are JSON objects.
    while (!received.endsWith("}")) {
      const buffer = new Uint8Array(1024);
      const count = await connection.read(buffer);
      if (count === null) break;
      received += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return received;
  })();
  return {
    reply,
    /** How much the server has taken when it takes no more, or all. */
    async stalled(): Promise<number> {
      for (let before = -1; before !== accepted && accepted < size;) {
        before = accepted;
        await Promise.race([sending, new Promise((resolve) => setTimeout(resolve, 1000))]);
      }
      return accepted;
    },
    close: () => connection.close(),
  };
}

Deno.test("routes, methods and what the handler sees of the request", async () => {
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

  for (const prefix of ["/http", "//http"]) {
    const onApi: Described = await (await fetch(`${server.url}${prefix}/describe?x`)).json();
    assert.equal(onApi.url, `${server.url}/describe?x`, prefix);
  }
  assert.deepEqual(await text(`${server.url}/http`), [404, ""]);

  const head = async (url: string) => {
    const response = await fetch(url, { method: "HEAD" });
    assert.equal(await response.text(), "");
    return [response.status, response.headers.get("content-length")];
  };
  assert.deepEqual(await head(`${siteUrl}/tree/a`), [200, "4"]);
  assert.deepEqual(await head(`${siteUrl}/none`), [404, `${"No matching routes found".length}`]);
  // Nobody knows how long it will be.
  assert.deepEqual(await head(`${siteUrl}/bytes?count=${MEBIBYTE}`), [200, null]);
  const [, failure] = await text(`${siteUrl}/fail`);
  assert.deepEqual(await head(`${siteUrl}/fail`), [500, `${failure.length}`]);
  const [, version] = await text(`${server.url}/version`);
  assert.deepEqual(await head(`${server.url}/version`), [200, `${version.length}`]);
  const query = `${server.url}/api/query`;
  assert.deepEqual(await head(query), [400, `${(await text(query))[1].length}`]);

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

/** What the handler sees of a request that a proxy passes on: its URL and whose it is. */
async function describeProxied(
  { siteUrl }: Server,
  headers: Record<string, string>,
): Promise<[url: string, ip: string]> {
  const described: Described = await (await fetch(`${siteUrl}/describe?a`, { headers })).json();
  for (const [name, value] of Object.entries(headers)) {
    assert.equal(described.headers[name], value, "all headers are passed on");
  }
  return [described.url, described.ip];
}

Deno.test("behind a proxy, the URL is the one that the client asked for", async () => {
  const proxied = (headers: Record<string, string>) => describeProxied(server, headers);
  const host = "x-forwarded-host";
  const proto = "x-forwarded-proto";
  const client = "x-forwarded-for";
  const { siteUrl } = server;
  const own = "127.0.0.1";
  assert.deepEqual(await proxied({}), [`${siteUrl}/describe?a`, own]);
  assert.deepEqual(await proxied({ [proto]: "https", [host]: "a.b" }), [
    "https://a.b/describe?a",
    own,
  ]);
  assert.deepEqual(await proxied({ [host]: "a.b:8443, c.d", [client]: "203.0.113.9, 10.0.0.1" }), [
    "http://a.b:8443/describe?a",
    "203.0.113.9",
  ]);
  const forwarded = "for=192.0.2.43;proto=https;host=e.f, for=198.51.100.17;host=g.h";
  assert.deepEqual(await proxied({ forwarded }), ["https://e.f/describe?a", "192.0.2.43"]);
  assert.equal((await proxied({ forwarded, [proto]: "http" }))[0], "http://e.f/describe?a");
  const nonsense = { [proto]: "ftp", [host]: "a/b", [client]: "unknown" };
  assert.deepEqual(await proxied(nonsense), [`${siteUrl}/describe?a`, own]);
});

Deno.test("status, headers and the length of the answer are the action's", async () => {
  const reply = (answer: { status: number; headers?: string[][]; chunks: string[] | null }) =>
    fetch(`${server.siteUrl}/reply`, {
      method: "POST",
      body: JSON.stringify({ headers: [], ...answer }),
      redirect: "manual",
    });
  const unknown = await reply({ status: 200, chunks: ["a", "b"] });
  assert.deepEqual([unknown.headers.get("content-length"), await unknown.text()], [null, "ab"]);
  const known = await reply({ status: 201, headers: [["content-length", "2"]], chunks: ["ab"] });
  assert.deepEqual(
    [known.status, known.headers.get("content-length"), await known.text()],
    [201, "2", "ab"],
  );
  const headers = [["location", "/a"], ["link", "<a>"], ["link", "<b>"], ["connection", "close"]];
  const empty = await reply({ status: 302, headers, chunks: null });
  assert.deepEqual(
    ["content-length", "location", "link", "connection"].map((name) => empty.headers.get(name)),
    ["0", "/a", "<a>, <b>", null],
  );
  const teapot = await reply({ status: 418, chunks: [] });
  assert.deepEqual([teapot.status, await teapot.text()], [418, ""]);
  const unchanged = await reply({ status: 304, headers: [["etag", '"1"']], chunks: null });
  assert.deepEqual([unchanged.status, unchanged.headers.get("etag")], [304, '"1"']);
  const impossible = await reply({ status: 101, chunks: null });
  assert.equal(impossible.status, 500);
  assert.match((await impossible.json()).code, /HTTP actions cannot answer with status 101$/);
});

Deno.test("a deployment without http.js says so", async () => {
  await using bare = await Server.start();
  assert.deepEqual(await text(`${bare.siteUrl}/any`), [
    404,
    "This Convex deployment does not have HTTP actions enabled.",
  ]);
});

Deno.test("failures before and after the head, and identities", async () => {
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
  await until(async () =>
    (await logEntries(server)).some(({ identifier, error }) =>
      identifier === "GET /fail" && /^Uncaught Error: too late\n/.test(error ?? "")
    )
  );

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

Deno.test("redaction leaves only the request id; peers that are no trusted proxies are not heard", async () => {
  const flags = ["--redact-errors", "--trusted-proxies", "192.0.2.1"];
  await using strict = await serverWithApp(APP, { flags });
  const response = await fetch(`${strict.siteUrl}/fail`, {
    headers: { "convex-request-id": "0123456789abcdef" },
  });
  assert.deepEqual(await response.json(), { code: "[Request ID: 0123456789abcdef] Server Error" });
  const headers = { "x-forwarded-proto": "https", forwarded: "host=e.f;for=192.0.2.43" };
  assert.deepEqual(await describeProxied(strict, headers), [
    `${strict.siteUrl}/describe?a`,
    "127.0.0.1",
  ]);
});

Deno.test("tokens arrive one by one, and the log tells of the request", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const answered = fetch(`${server.siteUrl}/echo`, { method: "POST", body: readable });
  const writer = writable.getWriter();
  const reader = (await answered).body!.pipeThrough(new TextDecoderStream()).getReader();
  // Each is sent when the one before has come back: none waits for others on its way.
  for (const token of ["token 0", "token 1", "token 2"]) {
    await writer.write(new TextEncoder().encode(token));
    assert.equal((await reader.read()).value, token);
  }
  await writer.close();
  assert.equal((await reader.read()).done, true);

  const [, tokens] = await text(`${server.siteUrl}/tokens?count=5&ms=1`);
  assert.equal(tokens, [0, 1, 2, 3, 4].map((i) => `token ${i}\n`).join(""));
  assert.deepEqual(await httpClient(server).query(query("events:list"), {}), ["tokens 5"]);
  const entries = await logEntries(server);
  const entry = entries.find(({ identifier }) => identifier === "GET /tokens")!;
  assert.equal(entry.udfType, "HttpAction");
  assert.deepEqual(entry.success, { status: "200" });
  assert.equal(entry.caller, "HttpEndpoint");
});

Deno.test("the client leaves: the signal aborts and the action goes on", async () => {
  await using client = new LiveClient(server);
  const events = client.watch("events:list");
  const response = await fetch(`${server.siteUrl}/tokens?count=20&ms=20`);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await events.until((list) => Array.isArray(list) && list.includes("tokens 20"), PATIENCE_MS);
  await until(async () =>
    (await logEntries(server)).some(({ logLines }) =>
      JSON.stringify(logLines).includes("the client left")
    )
  );

  // Also when it leaves before there is an answer.
  const leaving = new AbortController();
  const { signal } = leaving;
  const patient = fetch(`${server.siteUrl}/patient`, { method: "POST", signal });
  await events.until((list) => (list as string[]).includes("waiting"), PATIENCE_MS);
  leaving.abort();
  await assert.rejects(patient);
  await events.until((list) => (list as string[]).includes("left"), PATIENCE_MS);
});

Deno.test("bodies stream both ways, with back-pressure and a limit on the answer", async () => {
  const { siteUrl } = server;
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const many = Array.from({ length: 160 }, () => bytes);
  const echoed = await fetch(`${siteUrl}/echo`, { method: "POST", body: new Blob(many) });
  assert.equal(Buffer.compare(await echoed.bytes(), await new Blob(many).bytes()), 0);

  // Nobody keeps the body: an isolate has no room for so much.
  const send = async (body: BodyInit) =>
    await (await fetch(`${siteUrl}/count`, { method: "POST", body })).json();
  assert.deepEqual(await send(new Uint8Array(150 * MEBIBYTE)), { bytes: 150 * MEBIBYTE });
  let left = 20;
  const ofUnknownLength = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- === 0) controller.close();
      else controller.enqueue(new Uint8Array(MEBIBYTE));
    },
  });
  assert.deepEqual(await send(ofUnknownLength), { bytes: 20 * MEBIBYTE });

  // What an action does not read stays with the sender; once it has answered, the rest goes nowhere.
  const residentBytes = await server.residentBytes();
  await using live = new LiveClient(server);
  const events = live.watch("events:list");
  const sending = await sendingTo(server, "/late", 64 * MEBIBYTE);
  await events.until((list) => (list as string[]).includes("not reading"), PATIENCE_MS);
  const accepted = await sending.stalled();
  assert.ok(accepted < 32 * MEBIBYTE, `${accepted} bytes were taken`);
  await httpClient(server).mutation(mutation("events:say"), { text: "read now" });
  assert.match(await sending.reply, new RegExp(`\\{"bytes":${64 * MEBIBYTE}\\}$`));
  sending.close();
  const answered = await sendingTo(server, "/ok", 200 * MEBIBYTE);
  assert.match(await answered.reply, /^HTTP\/1\.1 200 /);
  await answered.stalled();
  answered.close();
  const grown = await server.residentBytes() - residentBytes;
  assert.ok(grown < 100 * MEBIBYTE, `the host has grown by ${grown} bytes`);

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
