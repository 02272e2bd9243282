import assert from "node:assert/strict";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { readJson } from "./body.ts";

function request(body: BodyInit, headers: Record<string, string> = {}): Request {
  return new Request("http://h/", {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
}

const value = { text: "ä".repeat(1000) };
const json = JSON.stringify(value);

Deno.test("JSON is read plain and compressed", async () => {
  assert.deepEqual(await readJson(request(json), 10_000), value);
  for (const [encoding, bytes] of [["br", brotliCompressSync(json)], ["gzip", gzipSync(json)]]) {
    const encoded = request(new Uint8Array(bytes as Uint8Array), {
      "content-encoding": encoding as string,
    });
    assert.deepEqual(await readJson(encoded, 10_000), value);
  }
});

Deno.test("limits hold for declared, undeclared and compressed lengths", async () => {
  const tooLong = { code: "BadJsonBody", message: /length limit exceeded/ };
  const declared = request(json, { "content-length": `${json.length}` });
  await assert.rejects(readJson(declared, 100), tooLong);
  await assert.rejects(readJson(request(json), 100), tooLong);
  const bomb = request(new Uint8Array(gzipSync("0".repeat(1_000_000))), {
    "content-encoding": "gzip",
  });
  await assert.rejects(readJson(bomb, 10_000), tooLong);
});

Deno.test("what is not JSON is refused with the platform's texts", async () => {
  const cases: [Request, RegExp][] = [
    [request("{}", { "content-type": "text/plain" }), /^Expected request with `Content-Type/],
    [request("{", {}), /^Failed to parse the request body as JSON: /],
    [request("{}", { "content-encoding": "br" }), /^Failed to buffer the request body: /],
    [request("{}", { "content-encoding": "x" }), /unsupported content encoding x$/],
  ];
  for (const [bad, message] of cases) {
    await assert.rejects(readJson(bad, 10_000), { code: "BadJsonBody", message });
  }
  const charset = request("{}", { "content-type": "application/vnd.api+json; charset=utf-8" });
  assert.deepEqual(await readJson(charset, 10), {});
});
