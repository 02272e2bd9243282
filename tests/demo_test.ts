// The demo in a real browser: what is written in one page shows up in the other.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { startDemo } from "../examples/demo.ts";
import { launchBrowser } from "./harness/browser.ts";
import { httpClient, mutation, query } from "./harness/clients.ts";

Deno.test({
  name: "two browser pages chat with each other, live",
  // Playwright keeps handles of the browser process until it has ended.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using demo = await startDemo();
    const browser = await launchBrowser();
    try {
      const alice = await openPage(demo.url, "Alice");
      const bob = await openPage(demo.url, "Bob");

      await say(alice, "Hello from the first page");
      await seen(bob, "Hello from the first page");
      await say(bob, "And hello from the second");
      await seen(alice, "And hello from the second");
      await bob.getByText("# general 2").waitFor();

      // A channel opened in one page is listed in the other, and is a room of its own.
      await alice.getByPlaceholder("New channel").fill("tea");
      await alice.getByPlaceholder("New channel").press("Enter");
      await alice.getByPlaceholder("Message #tea").waitFor();
      await bob.getByText("# tea").click();
      await say(alice, "Only here");
      await seen(bob, "Only here");
      assert.equal(await bob.getByText("Hello from the first page").count(), 0);

      // The bot is an action: it reads, fetches and writes.
      await bob.getByText("# general").click();
      await bob.getByRole("button", { name: "Summarize" }).click();
      await alice.getByText("# general").click();
      await seen(alice, /2 messages, \d+ words, 2 people here/);

      // Older messages come page by page, when a room is entered anew.
      await alice.getByText("# tea").click();
      const client = httpClient(demo.server);
      const channel = (await client.query(query("channels:list"), {}))[0]._id;
      for (let i = 0; i < 40; i++) {
        await client.mutation(mutation("messages:send"), {
          channel,
          author: "Carol",
          body: `line ${i}`,
        });
      }
      await alice.getByText("# general").click();
      await seen(alice, "line 39");
      assert.equal(await alice.getByText("Hello from the first page").count(), 0);
      await alice.getByRole("button", { name: "Load older messages" }).click();
      await seen(alice, "Hello from the first page");

      // The server dies and comes back: the page goes on without a reload.
      await demo.server.kill();
      await demo.server.restart();
      await say(bob, "Still here");
      await seen(alice, "Still here");
    } finally {
      await browser.close();
    }

    async function openPage(url: string, name: string): Promise<Page> {
      const context = await browser.newContext({ viewport: { width: 1000, height: 640 } });
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      await page.goto(url);
      await page.getByLabel("Your name").fill(name);
      await page.getByPlaceholder("Message #general").waitFor();
      return page;
    }
  },
});

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel("Message").fill(text);
  await page.getByLabel("Message").press("Enter");
}

async function seen(page: Page, text: string | RegExp): Promise<void> {
  await page.locator("article", { hasText: text }).first().waitFor();
}
