// Run in an app by the version of `convex` that is installed there: a live query that sees the mutations of
// both clients, those of one connection in the order in which they were made.

import assert from "node:assert/strict";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";

const MUTATIONS = 40;
const WAIT_MS_MAX = 20_000;

const url = Deno.args[0]!;
const { notes } = anyApi;
const timer = setTimeout(() => {
  console.error("the live query does not show what was written");
  Deno.exit(1);
}, WAIT_MS_MAX);

const http = new ConvexHttpClient(url);
const client = new ConvexClient(url);
const before: string[] = await http.query(notes!.list!, {});
const written = ["by HTTP", ...Array.from({ length: MUTATIONS }, (_, i) => `number ${i}`)];
const shown = new Promise<void>((resolve) => {
  client.onUpdate(notes!.list!, {}, (list: string[]) => {
    if (list.length === before.length + written.length) resolve();
  });
});
await http.mutation(notes!.add!, { body: written[0]! });
await Promise.all(written.slice(1).map((body) => client.mutation(notes!.add!, { body })));
await shown;
assert.deepEqual((await http.query(notes!.list!, {})).slice(before.length), written);
await assert.rejects(client.mutation(notes!.add!, { body: 1 }), /ArgumentValidationError/);
clearTimeout(timer);
await client.close();
Deno.exit(0);
