// File storage from end to end: upload URLs, downloads, and `ctx.storage` in every kind of function.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { S3BlobStore } from "../deployment/files/s3_blob_store.ts";
import { startS3Server } from "../deployment/files/testing/s3_server.ts";
import { action, httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";
import { until } from "./harness/until.ts";

const APP = "tests/apps/services";
const sha256 = (bytes: Uint8Array | string, encoding: "hex" | "base64") =>
  createHash("sha256").update(bytes).digest(encoding);

async function upload(
  server: Server,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Record<string, string> }> {
  const url = await httpClient(server).mutation(mutation("files:uploadUrl"), {});
  const response = await fetch(url, { method: "POST", body, headers });
  return { status: response.status, json: await response.json() };
}

/** The files of the local back end, and what is on its way there. */
async function blobs(server: Server): Promise<string[]> {
  const names: string[] = [];
  for await (const folder of Deno.readDir(`${server.dataDir}/files`)) {
    for await (const { name } of Deno.readDir(`${server.dataDir}/files/${folder.name}`)) {
      names.push(name);
    }
  }
  return names;
}

async function error(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => "no error", (reason) => String(reason.message));
}

Deno.test("a file comes back as it was uploaded, to clients and to functions", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  const { status, json } = await upload(server, "hello file", {
    "content-type": "text/plain; charset=utf-8",
    "digest": `sha-256=${sha256("hello file", "base64")}`,
  });
  assert.equal(status, 200);
  const { storageId } = json;

  const url = await client.query(query("files:url"), { storageId });
  assert.match(url, new RegExp(`^${server.url}/api/storage/[0-9a-f-]{36}$`));
  const response = await fetch(url);
  assert.equal(await response.text(), "hello file");
  const header = (name: string) => response.headers.get(name);
  assert.equal(header("content-type"), "text/plain; charset=utf-8");
  assert.equal(header("content-length"), "10");
  assert.equal(header("digest"), `sha-256=${sha256("hello file", "base64")}`);
  assert.equal(header("cache-control"), "private, max-age=2592000");
  assert.equal(header("accept-ranges"), "bytes");

  const uuid = url.split("/").at(-1)!;
  const metadata = {
    storageId: uuid,
    sha256: sha256("hello file", "hex"),
    size: 10,
    contentType: "text/plain; charset=utf-8",
  };
  assert.deepEqual(await client.query(query("files:metadata"), { storageId }), metadata);
  assert.deepEqual(await client.query(query("files:metadata"), { storageId: uuid }), metadata);
  const document = await client.query(query("files:document"), { storageId });
  assert.equal(document._id, storageId);
  assert.equal(document.sha256, sha256("hello file", "base64"));
  assert.deepEqual(Object.keys(document).sort(), [
    "_creationTime",
    "_id",
    "contentType",
    "sha256",
    "size",
  ]);
  const read = await client.action(action("files:read"), { storageId });
  assert.equal(new TextDecoder().decode(read.bytes), "hello file");
  assert.equal(read.type, "text/plain; charset=utf-8");
  await client.mutation(mutation("files:keep"), { storageId, name: "a" });

  const untyped = await upload(server, new Uint8Array());
  const empty = await fetch(await client.query(query("files:url"), untyped.json));
  assert.equal(empty.status, 200);
  assert.equal(empty.headers.get("content-type"), null);
  assert.equal(empty.headers.get("content-length"), "0");
  assert.equal((await empty.bytes()).length, 0);
});

Deno.test("parts of a file, HEAD, and paths that are none", async () => {
  await using server = await serverWithApp(APP);
  const { json } = await upload(server, "0123456789");
  const url = await httpClient(server).query(query("files:url"), json);
  const cases: [string, number, string | null, string][] = [
    ["bytes=0-3", 206, "bytes 0-3/10", "0123"],
    ["bytes=4-", 206, "bytes 4-9/10", "456789"],
    ["bytes=-3", 206, "bytes 7-9/10", "789"],
    ["bytes=-30", 206, "bytes 0-9/10", "0123456789"],
    ["bytes=8-100", 206, "bytes 8-9/10", "89"],
    ["bytes=10-", 416, "bytes */10", ""],
    ["bytes=-0", 416, "bytes */10", ""],
    ["bytes=0-1,3-4", 416, "bytes */10", ""],
    ["bytes=5-2", 200, null, "0123456789"],
    ["bytes=x", 200, null, "0123456789"],
    ["lines=1-2", 200, null, "0123456789"],
  ];
  for (const [range, status, contentRange, text] of cases) {
    const response = await fetch(url, { headers: { range } });
    assert.deepEqual(
      [response.status, response.headers.get("content-range"), await response.text()],
      [status, contentRange, text],
      range,
    );
    if (status === 206) assert.equal(response.headers.get("digest"), null);
  }
  const head = await fetch(url, { method: "HEAD", headers: { range: "bytes=2-4" } });
  assert.deepEqual([head.status, head.headers.get("content-length")], [206, "3"]);
  // Conditions are not looked at: there is no validator to compare with.
  const conditions = { "if-none-match": "*", "if-modified-since": new Date().toUTCString() };
  const whole = await fetch(url, {
    method: "HEAD",
    headers: { ...conditions, origin: "http://a.b" },
  });
  const expected = {
    "content-length": "10",
    "digest": `sha-256=${sha256("0123456789", "base64")}`,
    "cache-control": "private, max-age=2592000",
    "accept-ranges": "bytes",
    "access-control-allow-origin": "http://a.b",
    "content-type": "text/plain;charset=UTF-8",
    "etag": null,
    "last-modified": null,
    "content-disposition": null,
  };
  assert.equal(whole.status, 200);
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(whole.headers.get(name), value, name);
  }
  const wrongMethod = await fetch(url, { method: "POST", body: "x" });
  assert.deepEqual([wrongMethod.status, await wrongMethod.text()], [405, ""]);
  assert.equal(wrongMethod.headers.get("allow"), "GET,HEAD");

  const get = async (path: string) => {
    const response = await fetch(`${server.url}/api/storage/${path}`);
    return [response.status, (await response.json()).code];
  };
  const unknown = "00000000-0000-4000-8000-000000000000";
  assert.deepEqual(await get(unknown), [404, "FileNotFound"]);
  assert.deepEqual(await get(`${url.split("/").at(-1)}?component=other`), [404, "FileNotFound"]);
  for (
    const path of ["x", json.storageId!, "..%2F..%2Fdb.sqlite", "%2Fetc%2Fpasswd", "%00", "%FF"]
  ) {
    assert.deepEqual(await get(path), [400, "InvalidStoragePath"], path);
  }
});

Deno.test("uploads are refused with the documented errors, and leave nothing", async () => {
  await using server = await serverWithApp(APP);
  const good = await httpClient(server).mutation(mutation("files:uploadUrl"), {});
  assert.match(
    await httpClient(server).action(action("files:uploadUrlOfAction"), {}),
    /\/api\/storage\/upload\?token=./,
  );
  const token = new URL(good).searchParams.get("token")!;
  const [payload, signature] = token.split(".");
  const forged = Buffer.from(JSON.stringify(["", Date.now() + 1e9])).toString("base64url");
  const attempt = async (search: string, headers: Record<string, string> = {}) => {
    const url = `${server.url}/api/storage/upload${search}`;
    const response = await fetch(url, { method: "POST", body: "abc", headers });
    return [response.status, (await response.json()).code];
  };
  assert.deepEqual(await attempt(""), [400, "BadQueryArgs"]);
  const tokens = ["", "x", `${payload}`, `${payload}.`, `${forged}.${signature}`, `${token}x`];
  tokens.push(`${token}=`, `.${signature}`, `${token}.${token}`, "a".repeat(5000));
  for (const bad of tokens) {
    assert.deepEqual(await attempt(`?token=${bad}`), [401, "StorageTokenInvalid"], bad);
  }
  for (const type of ["text", "a/b/c", "text/plain; x", "a b/c", "/"]) {
    const headers = { "content-type": type };
    assert.deepEqual(await attempt(`?token=${token}`, headers), [400, "BadHeader"], type);
  }
  for (const digest of ["md5=abc", "sha-256=", "sha-256=abc", "sha-256=!!!", "nonsense"]) {
    assert.deepEqual(await attempt(`?token=${token}`, { digest }), [400, "BadHeader"], digest);
  }
  // The token is looked at first, then the headers.
  const badHeaders = { "content-type": "text", digest: "nonsense" };
  assert.deepEqual(await attempt("?token=x", badHeaders), [401, "StorageTokenInvalid"]);
  const unpadded = { digest: `sha-256=${sha256("abc", "base64").slice(0, -1)}` };
  assert.deepEqual(await attempt(`?token=${token}`, unpadded), [400, "BadHeader"]);
  const getUpload = await fetch(good);
  assert.deepEqual([getUpload.status, getUpload.headers.get("allow")], [405, "POST"]);
  await getUpload.body?.cancel();
  // A sender who leaves before the end.
  const socket = connect(server.port, "127.0.0.1");
  socket.write(`POST /api/storage/upload?token=${token} HTTP/1.1\r\nhost: a\r\n`);
  socket.write("content-length: 1000000\r\n\r\nthe beginning");
  await until(async () => (await blobs(server)).length === 1);
  socket.destroy();
  await until(async () => (await blobs(server)).length === 0);
  assert.doesNotMatch(server.output, /error/i);

  const wrong = { digest: `sha-256=${sha256("abd", "base64")}` };
  assert.deepEqual(await attempt(`?token=${token}`, wrong), [400, "Sha256Mismatch"]);
  assert.deepEqual(await blobs(server), []);
  assert.deepEqual(await httpClient(server).query(query("files:all"), {}), []);

  const pause = (verb: string) =>
    fetch(`${server.url}/api/v1/${verb}_deployment`, {
      method: "POST",
      headers: { authorization: `Convex ${server.adminKey}`, "content-type": "application/json" },
      body: "{}",
    });
  const storageId = (await upload(server, "kept")).json.storageId!;
  const url = await httpClient(server).query(query("files:url"), { storageId });
  await (await pause("pause")).body?.cancel();
  assert.deepEqual(await attempt(`?token=${token}`), [400, "BackendIsNotRunning"]);
  const paused = await fetch(url);
  assert.deepEqual([paused.status, await paused.json()], [400, {
    code: "BackendIsNotRunning",
    message: "Cannot perform this operation when the backend is not running",
  }]);
  assert.equal((await fetch(url, { method: "HEAD" })).status, 400);
  const action500 = await fetch(`${server.siteUrl}/tree/a`);
  assert.equal(action500.status, 500);
  assert.match(await action500.text(), /Cannot run functions while this deployment is paused/);
  await (await pause("unpause")).body?.cancel();
  assert.equal(await (await fetch(url)).text(), "kept", "the URL lives on");
  assert.equal((await attempt(`?token=${token}`))[0], 200);
  assert.equal((await attempt(`?token=${token}`))[0], 200);
});

Deno.test("deletion is part of the transaction, the bytes follow it, downloads that have begun go on", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  const { json: { storageId } } = await upload(server, "to be deleted");
  await using live = new LiveClient(server);
  const url = live.watch("files:url", { storageId });
  const address = String(await url.until((value) => typeof value === "string"));

  assert.match(
    await error(client.mutation(mutation("files:removeAndFail"), { storageId })),
    /undo/,
  );
  assert.equal((await fetch(address, { method: "HEAD" })).status, 200);

  assert.deepEqual(await client.mutation(mutation("files:lookAndRemove"), { storageId }), {
    before: [address, 13, 13],
    after: [null, null, null],
  });
  await url.until((value) => value === null);
  const gone = await fetch(address);
  assert.deepEqual([gone.status, (await gone.json()).code], [404, "FileNotFound"]);
  await until(async () => (await blobs(server)).length === 0);
  assert.equal(await client.action(action("files:read"), { storageId }), null);
  assert.match(
    await error(client.mutation(mutation("files:remove"), { storageId })),
    new RegExp(`storage id ${storageId} not found`),
  );

  const bytes = new Uint8Array(30_000_000).map((_, i) => i >> 8);
  const large = (await upload(server, bytes)).json;
  const largeUrl = await client.query(query("files:url"), large);
  const whole = await fetch(largeUrl);
  const part = await fetch(largeUrl, { headers: { range: "bytes=1-" } });
  await client.mutation(mutation("files:remove"), large);
  await until(async () => (await blobs(server)).length === 0);
  assert.equal((await fetch(largeUrl, { method: "HEAD" })).status, 404);
  assert.equal(Buffer.compare(await whole.bytes(), bytes), 0);
  assert.equal(Buffer.compare(await part.bytes(), bytes.subarray(1)), 0);

  for (
    const [bad, message] of [["x", /Invalid storage ID: "x"\. Storage ID should be an Id/]] as const
  ) {
    assert.match(await error(client.query(query("files:url"), { storageId: bad })), message);
    assert.match(
      await error(client.mutation(mutation("files:remove"), { storageId: bad })),
      message,
    );
  }
});

Deno.test("actions store, read and delete files of any size", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  const stored = await client.action(action("files:store"), {
    bytes: bytes.buffer,
    type: "image/png",
    sha256: sha256(bytes, "base64"),
  });
  assert.equal(stored.metadata.sha256, sha256(bytes, "hex"));
  const response = await fetch(stored.url);
  assert.equal(response.headers.get("content-type"), "image/png");
  assert.equal(Buffer.compare(await response.bytes(), bytes), 0);

  const store = (fields: object) =>
    error(client.action(action("files:store"), { bytes: bytes.buffer, type: "", ...fields }));
  assert.match(await store({ sha256: sha256("other", "base64") }), /Sha256 mismatch\. Expected:/);
  assert.match(await store({ sha256: "abc" }), /Bad header for digest/);
  assert.match(await store({ type: "nonsense" }), /Bad header for content-type/);
  assert.match(
    await error(client.action(action("files:storeText"), {})),
    /store\(\) expects a Blob\. If you are trying to store a Request, `await request\.blob\(\)` will/,
  );

  assert.equal(await client.action(action("files:roundTrip"), { size: 20_000_000 }), true);
  await client.action(action("files:removeByAction"), { storageId: stored.id });
  await until(async () => (await blobs(server)).length === 0);

  const posted = await fetch(`${server.siteUrl}/upload`, {
    method: "POST",
    headers: { "content-type": "text/csv" },
    body: "a,b",
  });
  const { url, storageId, metadata, uploadUrl } = await posted.json();
  const csv = await fetch(url);
  assert.deepEqual([csv.headers.get("content-type"), await csv.text()], ["text/csv", "a,b"]);
  assert.deepEqual([metadata.size, metadata.contentType], [3, "text/csv"]);
  const uploaded = await fetch(uploadUrl, { method: "POST", body: "x" });
  assert.deepEqual(Object.keys(await uploaded.json()), ["storageId"]);
  const file = `${server.siteUrl}/file?id=${storageId}`;
  const got = await fetch(file);
  assert.deepEqual([got.headers.get("content-type"), await got.text()], ["text/csv", "a,b"]);
  assert.equal(await (await fetch(file, { method: "DELETE" })).text(), "");
  assert.equal((await fetch(url, { method: "HEAD" })).status, 404);
  const again = await fetch(file, { method: "DELETE" });
  assert.match((await again.json()).code, new RegExp(`storage id ${storageId} not found$`));
});

Deno.test("mutations store and get files, and what they undo leaves nothing", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  const bytes = crypto.getRandomValues(new Uint8Array(40_000));
  const store = (fields: object) =>
    client.mutation(mutation("files:storeInMutation"), {
      bytes: bytes.buffer,
      type: "",
      ...fields,
    });
  const stored = await store({ type: "image/png", sha256: sha256(bytes, "base64") });
  assert.equal(Buffer.compare(new Uint8Array(stored.bytes), bytes), 0);
  assert.equal(stored.type, "image/png");
  assert.deepEqual(stored.used, [1, bytes.length, 1, bytes.length]);
  const response = await fetch(stored.url);
  assert.equal(response.headers.get("content-type"), "image/png");
  assert.equal(Buffer.compare(await response.bytes(), bytes), 0);
  const document = await client.query(query("files:document"), { storageId: stored.id });
  assert.deepEqual(
    [document.size, document.sha256, document.contentType],
    [bytes.length, sha256(bytes, "base64"), "image/png"],
  );

  const empty = await store({ bytes: new ArrayBuffer(0) });
  assert.deepEqual([empty.bytes.byteLength, empty.type, empty.used], [0, "", [1, 0, 1, 0]]);
  await client.mutation(mutation("files:remove"), { storageId: empty.id });

  // Only the file that is named by a document stays.
  assert.match(await error(store({ after: "throw" })), /undo/);
  assert.match(await error(store({ sha256: sha256("other", "base64") })), /Sha256 mismatch\./);
  assert.match(await error(store({ sha256: "abc" })), /Bad header for digest/);
  assert.match(await error(store({ type: "nonsense" })), /Bad header for content-type/);
  const deleted = await store({ after: "delete" });
  assert.equal(deleted.url, null);
  await until(async () => (await blobs(server)).length === 1);

  const { kept, failed, files } = await client.mutation(mutation("files:storeAndRollBack"), {});
  assert.equal(failed, true);
  assert.equal(files.length, 2);
  const get = (storageId: string) =>
    client.mutation(mutation("files:getInMutation"), { storageId });
  assert.deepEqual(await get(kept), { text: "kept", type: "" });
  await until(async () => (await blobs(server)).length === 2);
  await client.mutation(mutation("files:remove"), { storageId: kept });
  assert.equal(await get(kept), null);

  const { json } = await upload(server, "uploaded", { "content-type": "text/csv" });
  assert.deepEqual(await get(json.storageId!), { text: "uploaded", type: "text/csv" });
  const large = await upload(server, new Uint8Array(8 * 2 ** 20 + 1));
  assert.match(
    await error(get(large.json.storageId!)),
    /Too many bytes of files read in a single function execution \(limit: 8 MiB\)/,
  );
  assert.match(await error(get("x")), /Invalid storage ID: "x"\. Storage ID should be an Id/);
});

Deno.test("files that many mutations store at once are each there once", async () => {
  await using server = await serverWithApp(APP, { flags: ["--isolates", "2"] });
  const client = httpClient(server);
  const count = 6;
  const ids = Array.from(
    { length: count },
    () => client.mutation(mutation("files:storeAndCount"), {}),
  );
  const contents = await Promise.all(ids.map(async (stored) => {
    const storageId = await stored;
    const { text } = await client.mutation(mutation("files:getInMutation"), { storageId });
    return Number(text);
  }));
  assert.deepEqual(
    contents.sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => i),
  );
  await until(async () => (await blobs(server)).length === count);
});

Deno.test({
  name: "a bucket takes the place of the data directory",
  // s3rver leaves sockets and timers behind.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using s3 = await startS3Server();
    const { bucket, endpoint, prefix, accessKeyId, secretAccessKey } = s3.options;
    await using server = await serverWithApp(APP, {
      flags: ["--s3-bucket", bucket, "--s3-endpoint", endpoint, "--s3-prefix", prefix],
      env: {
        CONCAVE_S3_ACCESS_KEY_ID: accessKeyId,
        CONCAVE_S3_SECRET_ACCESS_KEY: secretAccessKey,
      },
    });
    const client = httpClient(server);
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const many = new Blob(Array.from({ length: 300 }, () => bytes));
    const { json } = await upload(server, many, { "content-type": "image/png" });
    const url = await client.query(query("files:url"), json);
    const whole = await (await fetch(url)).bytes();
    assert.equal(Buffer.compare(whole, await many.bytes()), 0);
    const part = await fetch(url, { headers: { range: "bytes=-100" } });
    assert.equal(part.status, 206);
    assert.equal(Buffer.compare(await part.bytes(), whole.subarray(-100)), 0);
    assert.equal(await client.action(action("files:roundTrip"), { size: 10_000_000 }), true);
    const stored = await client.mutation(mutation("files:storeInMutation"), {
      bytes: bytes.buffer,
      type: "image/png",
    });
    assert.equal(Buffer.compare(new Uint8Array(stored.bytes), bytes), 0);
    await client.mutation(mutation("files:remove"), { storageId: stored.id });
    await client.mutation(mutation("files:remove"), json);
    const store = new S3BlobStore(s3.options);
    await until(async () => (await Array.fromAsync(store.list())).length === 0);
  },
});
