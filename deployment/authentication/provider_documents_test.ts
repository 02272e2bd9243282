import assert from "node:assert/strict";
import { permittedAgeMs, ProviderDocuments } from "./provider_documents.ts";

Deno.test("how long an answer may be kept", () => {
  const cases: [Record<string, string>, number][] = [
    [{}, 0],
    [{ "cache-control": "max-age=60" }, 60_000],
    [{ "cache-control": "Public, Max-Age=60, must-revalidate" }, 60_000],
    [{ "cache-control": "max-age=60", age: "50" }, 10_000],
    [{ "cache-control": "max-age=60", age: "70" }, 0],
    [{ "cache-control": "max-age=60, no-store" }, 0],
    [{ "cache-control": "no-cache, max-age=60" }, 0],
    [{ "cache-control": "max-age=soon" }, 0],
    [{ "cache-control": "max-age=99999999999999999999" }, 86_400_000],
  ];
  for (const [headers, ageMs] of cases) {
    assert.equal(permittedAgeMs(new Headers(headers)), ageMs, JSON.stringify(headers));
  }
});

Deno.test("kept documents never exceed the bound; the least recently used go first", async () => {
  const requests: string[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (r) => {
    requests.push(new URL(r.url).pathname);
    return new Response("x".repeat(1_000_000), { headers: { "cache-control": "max-age=60" } });
  });
  const url = (n: number) => `http://127.0.0.1:${server.addr.port}/${n}`;
  const documents = new ProviderDocuments({ clock: Date.now });
  for (let n = 0; n < 20; n++) {
    await documents.get(url(n));
    await documents.get(url(0));
    assert.ok(documents.keptBytes <= 16 * 1024 * 1024);
  }
  assert.equal(requests.length, 20);
  await documents.get(url(1));
  assert.deepEqual(requests.slice(20), ["/1"]);
});
