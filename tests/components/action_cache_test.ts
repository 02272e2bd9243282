// @convex-dev/action-cache in a pushed app.
import assert from "node:assert/strict";
import { action, httpClient, mutation } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";

Deno.test("action cache: a result is kept by its arguments until it is forced, removed or old", async () => {
  await using server = await serverWithApp("tests/apps/components");
  const client = httpClient(server);
  const fetch = (text: string, force?: boolean) =>
    client.action(action("embeddings:fetch"), {
      text,
      ...(force === undefined ? {} : { force }),
    });
  const first = await fetch("a");
  assert.deepEqual(await fetch("a"), first);
  const other = await fetch("b");
  assert.notEqual(other.computation, first.computation);

  const forced = await fetch("a", true);
  assert.notEqual(forced.computation, first.computation);
  assert.deepEqual(await fetch("a"), forced);

  await client.mutation(mutation("embeddings:remove"), { text: "a" });
  const again = await fetch("a");
  assert.notEqual(again.computation, forced.computation);
  assert.deepEqual(await fetch("b"), other);

  // Another name is another cache; its entries are old after a millisecond.
  const brief = () => client.action(action("embeddings:fetchBrief"), { text: "a" });
  assert.notEqual((await brief()).computation, (await brief()).computation);

  await client.mutation(mutation("embeddings:removeAllForName"), {});
  const [a, b] = [await fetch("a"), await fetch("b")];
  assert.notEqual(a.computation, again.computation);
  assert.notEqual(b.computation, other.computation);
  await client.mutation(mutation("embeddings:removeEverything"), {});
  assert.notEqual((await fetch("a")).computation, a.computation);

  // What failed is not kept.
  await assert.rejects(fetch(""), /nothing to embed/);
});
