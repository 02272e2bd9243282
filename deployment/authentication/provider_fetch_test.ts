import assert from "node:assert/strict";
import { OutboundGuard } from "../../runtime/outbound_guard.ts";
import { parseOutboundPolicy } from "../../runtime/outbound_policy.ts";
import { ProviderDocuments } from "./provider_documents.ts";
import { guardedFetch } from "./provider_fetch.ts";

const DENIED = /^connections to [^ ]+ are not allowed by the server's --deny-net$/;
const refusal = (error: Error) => DENIED.test(error.message);

/** Stands for what tenants must not reach, and what they may, on two loopback addresses. */
async function twoHosts(
  body: (hosts: { open: string; secret: string; requests: string[] }) => Promise<void>,
) {
  const requests: string[] = [];
  const onListen = () => {};
  await using secret = Deno.serve({ port: 0, hostname: "127.0.0.2", onListen }, (request) => {
    requests.push(request.url);
    return new Response("secret");
  });
  const secretUrl = `http://127.0.0.2:${secret.addr.port}`;
  await using open = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen }, (request) => {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/redirect":
        return Response.redirect(`${secretUrl}/x`);
      case "/there":
        return Response.redirect(new URL("/document", request.url), 307);
      case "/loop":
        return Response.redirect(request.url);
      case "/file":
        return new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } });
      default:
        return Response.json({ accept: request.headers.get("accept") }, {
          status: 203,
          headers: { "cache-control": "max-age=5" },
        });
    }
  });
  await body({ open: `http://127.0.0.1:${open.addr.port}`, secret: secretUrl, requests });
}

Deno.test("a denied address is reached neither directly nor by a redirect nor by a name", () =>
  twoHosts(async ({ open, secret, requests }) => {
    const { signal } = new AbortController();
    const denying = (list: string, own: string[] = []) => {
      const get = guardedFetch(new OutboundGuard(parseOutboundPolicy(list)), own);
      return (url: string) => get(url, signal);
    };
    const get = denying("127.0.0.2");
    await assert.rejects(get(`${secret}/x`), refusal);
    await assert.rejects(get(secret.replace("127.0.0.2", "0x7f000002")), refusal);
    await assert.rejects(get(secret.replace("127.0.0.2", "[::ffff:127.0.0.2]")), refusal);
    await assert.rejects(get(`${open}/redirect`), refusal);
    await assert.rejects(
      denying("127.0.0.1,[::1]")(open.replace("127.0.0.1", "localhost")),
      refusal,
    );
    await assert.rejects(denying("private")(`${open}/document`), refusal);
    assert.deepEqual(requests, []);

    const response = await get(`${open}/there`);
    assert.deepEqual([response.status, response.headers.get("cache-control")], [203, "max-age=5"]);
    assert.deepEqual(await response.json(), { accept: "application/json" });
    const named = await get(`${open.replace("127.0.0.1", "localhost")}/document`);
    assert.equal((await named.json()).accept, "application/json");
    await assert.rejects(get(`${open}/loop`), /^Error: too many redirects$/);
    await assert.rejects(get(`${open}/file`), /redirected to a URL that is not http/);
    assert.equal(await (await get("data:text/plain,abc")).text(), "abc");

    // This very server; a redirect of it does not inherit the exception.
    const self = denying("private", [open]);
    assert.equal((await self(`${open}/there`)).status, 203);
    await assert.rejects(self(`${open}/redirect`), refusal);
    await assert.rejects(self(`${secret}/x`), refusal);
    assert.deepEqual(requests, []);
  }));

Deno.test("an issuer that never answers, or never ends its answer, is given up", async () => {
  const closing = new AbortController();
  const never = new Promise<Response>((resolve) => {
    closing.signal.addEventListener("abort", () => resolve(new Response()));
  });
  const onListen = () => {};
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen }, (request) => {
    const isSilent = new URL(request.url).pathname === "/silent";
    return isSilent ? never : new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("{"));
        },
      }),
    );
  });
  const documents = new ProviderDocuments({
    clock: Date.now,
    timeoutMs: 500,
    fetch: guardedFetch(new OutboundGuard(parseOutboundPolicy("127.0.0.2")), []),
  });
  for (const path of ["/silent", "/endless"]) {
    await assert.rejects(
      documents.get(`http://127.0.0.1:${server.addr.port}${path}`),
      /no answer within 0\.5 seconds/,
    );
  }
  closing.abort();
});
