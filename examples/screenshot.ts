// `deno task screenshot`: takes docs/screenshot.png, the README's picture, from the running demo.
import { launchBrowser } from "../tests/harness/browser.ts";
import { httpClient, mutation } from "../tests/harness/clients.ts";
import { fromRepository } from "../tests/harness/server.ts";
import { startDemo } from "./demo.ts";

const CONVERSATION: readonly [author: string, body: string][] = [
  ["Ada", "Morning! The new server is up. Who is here?"],
  ["Grace", "Me. I pushed the same code as last week, nothing changed in the app."],
  ["Ada", "Open a second tab and write something."],
  ["Grace", "It was in the other tab before I let go of the key."],
  ["Linus", "I killed the server with -9 in the middle of a message. It arrived once."],
  ["Ada", "That is the idea."],
];

await using demo = await startDemo();
const client = httpClient(demo.server);
for (const name of ["help", "random"]) {
  await client.mutation(mutation("channels:open"), { name });
}
const channel = await client.mutation(mutation("channels:open"), { name: "general" });
for (const [author, body] of CONVERSATION) {
  await client.mutation(mutation("messages:send"), { channel, author, body });
}
const browser = await launchBrowser();
const page = await browser.newPage({ viewport: { width: 960, height: 600 } });
await page.goto(demo.url);
await page.getByLabel("Your name").fill("Ada");
await page.getByText("That is the idea.").waitFor();
await page.screenshot({ path: fromRepository("docs/screenshot.png") });
await browser.close();
