// `ConvexProviderWithAuth` in a real browser, with users of a real OpenID Connect provider.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { App } from "./harness/app.ts";
import { launchBrowser } from "./harness/browser.ts";
import { httpClient, mutation } from "./harness/clients.ts";
import { OidcProvider } from "./harness/oidc_provider.ts";
import { freePort, Server } from "./harness/server.ts";
import { bundlePage, pageHtml, servePage } from "./harness/web_page.ts";
import { until } from "./harness/until.ts";

const APP = "tests/apps/identity";
/** The client asks for a new token 10 s before the end of the one it has. */
const TOKEN_SECONDS = 13;

Deno.test({
  name: "sign in at a provider, live queries, token refresh, the end of a session, sign out",
  // Playwright keeps handles of the browser process until it has ended.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const script = await bundlePage(`${APP}/web/main.tsx`);
    const port = freePort();
    const pageUrl = `http://127.0.0.1:${port}/`;
    await using provider = await OidcProvider.start({ pageUrl, tokenSeconds: TOKEN_SECONDS });
    await using server = await serverForUsersOf(provider);
    const meta = { "convex-url": server.url, "provider-url": provider.url };
    await using _site = servePage({ "/": pageHtml(meta), "/main.js": script }, port);
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(20_000);
      await page.goto(pageUrl);
      await signIn(page, "grace");
      await page.getByRole("heading", { name: "grace@example.com" }).waitFor();
      await page.getByRole("button", { name: "Add" }).click();
      await page.getByText("from the page").waitFor();

      // What the same user writes elsewhere shows up, also after the first token has expired.
      const elsewhere = httpClient(server);
      const write = async (text: string) => {
        elsewhere.setAuth(await provider.signIn("grace"));
        await elsewhere.mutation(mutation("notes:add"), { text });
        await page.getByText(text).waitFor();
      };
      await write("from elsewhere");
      const signedInMs = Date.now();
      await until(() =>
        provider.refreshes >= 4 && Date.now() > signedInMs + (TOKEN_SECONDS + 1) * 1000
      );
      await write("after the first token");

      // Another user sees nothing of it.
      elsewhere.setAuth(await provider.signIn("mallory"));
      await elsewhere.mutation(mutation("notes:add"), { text: "of another user" });

      // The provider ends the session: there is no new token, so the page is signed out.
      await provider.endSessions();
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await signIn(page, "grace");
      await page.getByText("after the first token").waitFor();
      assert.equal(await page.getByText("of another user").count(), 0);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      assert.equal(await page.getByRole("heading").count(), 0);
    } finally {
      await browser.close();
    }
  },
});

async function serverForUsersOf(provider: OidcProvider): Promise<Server> {
  const server = await Server.start();
  await using app = await App.copy(APP);
  await app.write(
    "convex/auth.config.ts",
    `export default { providers: [{ domain: "${provider.url}", applicationID: "app" }] };`,
  );
  await app.push(server);
  return server;
}

/** Goes through the provider's forms: a login unless it knows the browser, then a consent. */
async function signIn(page: Page, user: string): Promise<void> {
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  const login = page.locator('input[name="login"]');
  const consent = page.getByRole("button", { name: "Continue" });
  await login.or(consent).waitFor();
  if (await login.isVisible()) {
    await login.fill(user);
    await page.locator('input[name="password"]').fill("any");
    await page.locator('button[type="submit"]').click();
  }
  await consent.click();
}
