// @convex-dev/presence in a pushed app: heartbeats, and a worker (a component in the component)
// that finds those who stopped.
import assert from "node:assert/strict";
import { App } from "../harness/app.ts";
import { launchBrowser } from "../harness/browser.ts";
import { httpClient, LiveClient, mutation, post, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";
import { bundlePage, pageHtml, servePage } from "../harness/web_page.ts";

const APP = "tests/apps/components";
const HOUR_MS = 60 * 60 * 1000;

interface Present {
  readonly userId: string;
  readonly online: boolean;
  readonly lastDisconnected: number;
  readonly data?: { readonly mood: string };
}

const who = (list: unknown, online: boolean) =>
  (list as Present[]).filter((user) => user.online === online).map(({ userId }) => userId).sort();

function heartbeat(
  server: Server,
  userId: string,
  options: { roomId?: string; sessionId?: string; interval?: number } = {},
): Promise<{ roomToken: string; sessionToken: string }> {
  const { roomId = "room", sessionId = `session of ${userId}`, interval = HOUR_MS } = options;
  return httpClient(server).mutation(mutation("presence:heartbeat"), {
    roomId,
    userId,
    sessionId,
    interval,
  });
}

Deno.test("presence: a live list shows who joins, leaves, and stops to send heartbeats", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const { roomToken, sessionToken } = await heartbeat(server, "ann");
  const list = client.watch("presence:list", { roomToken });
  await list.until((users) => who(users, true).join() === "ann");
  assert.equal((await heartbeat(server, "bob", { interval: 400 })).roomToken, roomToken);
  await list.until((users) => who(users, true).join() === "ann,bob");

  // Bob's heartbeats do not come any more.
  const without = await list.until((users) => who(users, true).join() === "ann", 30_000);
  assert.deepEqual(who(without, false), ["bob"]);
  const bob = (without as Present[]).find(({ userId }) => userId === "bob")!;
  assert.ok(bob.lastDisconnected > 0);
  await heartbeat(server, "bob");
  await list.until((users) => who(users, true).join() === "ann,bob");

  // What the hook's beacon sends when a page goes away.
  const beacon = await post(`${server.url}/api/mutation`, {
    path: "presence:disconnect",
    args: { sessionToken },
  });
  assert.equal(beacon.json.status, "success", beacon.text);
  await list.until((users) => who(users, true).join() === "bob");
});

Deno.test("presence: heartbeats that say nothing new reach no client", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const { roomToken } = await heartbeat(server, "ann");
  const list = client.watch("presence:list", { roomToken });
  await list.until((users) => who(users, true).join() === "ann");
  const before = list.results.length;
  for (let i = 0; i < 5; i++) await heartbeat(server, "ann");
  await heartbeat(server, "bob");
  await list.until((users) => who(users, true).join() === "ann,bob");
  assert.equal(list.results.length, before + 1);
});

Deno.test("presence: sessions of one user, users' data and rooms", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  const { roomToken, sessionToken } = await heartbeat(server, "ann", { sessionId: "phone" });
  await heartbeat(server, "ann", { sessionId: "laptop" });
  await heartbeat(server, "ann", { roomId: "other", sessionId: "tablet" });
  await assert.rejects(heartbeat(server, "bob", { sessionId: "phone" }), /must be unique/);
  const list = (): Promise<Present[]> => client.query(query("presence:list"), { roomToken });
  const rooms = () => client.query(query("presence:roomsOf"), { userId: "ann" });
  assert.deepEqual((await rooms()).toSorted(), ["other", "room"]);

  // She is online as long as one of her sessions is.
  await client.mutation(mutation("presence:disconnect"), { sessionToken });
  assert.deepEqual(who(await list(), true), ["ann"]);
  await client.mutation(mutation("presence:describe"), {
    roomId: "room",
    userId: "ann",
    mood: "merry",
  });
  assert.equal((await list())[0]!.data?.mood, "merry");
  await client.mutation(mutation("presence:removeUser"), { roomId: "room", userId: "ann" });
  assert.deepEqual(await list(), []);
  assert.deepEqual(await rooms(), ["other"]);
});

Deno.test({
  name: "presence: pages with the React hook see each other come and go",
  // Playwright keeps handles of the browser process until it has ended.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using server = await serverWithApp(APP);
    await using app = await App.copy(APP);
    const script = await bundlePage("web/presence.tsx", app.dir);
    const html = pageHtml({ "convex-url": server.url });
    await using site = servePage({ "/": html, "/main.js": script });
    const browser = await launchBrowser();
    try {
      const open = async (user: string) => {
        const page = await browser.newPage();
        page.setDefaultTimeout(20_000);
        await page.goto(`http://127.0.0.1:${site.addr.port}/?user=${user}`);
        await page.getByText(`${user} is here`).waitFor();
        return page;
      };
      const ann = await open("ann");
      const bob = await open("bob");
      await ann.getByText("bob is here").waitFor();
      await bob.getByText("ann is here").waitFor();

      // Bob's page says goodbye with a beacon; without, he would be here for 25 s more.
      await bob.goto("about:blank");
      const left = Date.now();
      await ann.getByText("bob is away").waitFor();
      assert.ok(Date.now() - left < 15_000);
      await open("bob");
      await ann.getByText("bob is here").waitFor();
    } finally {
      await browser.close();
    }
  },
});
