// @convex-dev/auth with its password provider: the deployment keeps the users, issues their tokens and
// verifies them by what it publishes itself.
import assert from "node:assert/strict";
import { exportJWK, exportPKCS8, generateKeyPair } from "jose";
import type { Page } from "playwright-core";
import { App } from "./harness/app.ts";
import { launchBrowser } from "./harness/browser.ts";
import { action, httpClient, LiveClient, mutation, query } from "./harness/clients.ts";
import { Server } from "./harness/server.ts";
import { bundlePage, pageHtml, servePage } from "./harness/web_page.ts";

const APP = "tests/apps/passwords";

let server: Server;
Deno.test.beforeAll(async () => {
  // The issuer is this very server, which no policy keeps it from asking.
  server = await Server.start({ flags: ["--deny-net", "private"] });
  await using app = await App.copy(APP);
  for (const [name, value] of Object.entries(await signingKeys())) {
    const set = await app.cli(server, ["env", "set", "--", name, value]);
    assert.equal(set.code, 0, set.stderr);
  }
  await app.push(server);
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** The variables that the package's own setup command makes. */
async function signingKeys(): Promise<Record<string, string>> {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  return {
    SITE_URL: "http://127.0.0.1:5173",
    JWT_PRIVATE_KEY: (await exportPKCS8(privateKey)).trimEnd().replaceAll("\n", " "),
    JWKS: JSON.stringify({ keys: [{ use: "sig", ...await exportJWK(publicKey) }] }),
  };
}

interface Tokens {
  readonly token: string;
  readonly refreshToken: string;
}

async function signIn(params: Record<string, string>): Promise<Tokens> {
  const client = httpClient(server);
  const { tokens } = await client.action(action("auth:signIn"), { provider: "password", params });
  return tokens;
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => "no failure", (error) => String(error.message));
}

Deno.test("the deployment publishes itself as an issuer", async () => {
  const discovery = await fetch(`${server.siteUrl}/.well-known/openid-configuration`);
  const { issuer, jwks_uri } = await discovery.json();
  assert.equal(issuer, server.siteUrl);
  const { keys } = await (await fetch(jwks_uri)).json();
  assert.deepEqual([keys.length, keys[0].kty], [1, "RSA"]);
});

Deno.test("a user signs up, in, renews the tokens, and signs out", async () => {
  const credentials = { email: "ada@example.com", password: "correct horse" };
  const first = await signIn({ ...credentials, flow: "signUp" });
  const client = httpClient(server);
  assert.equal(await client.query(query("notes:mine"), {}), null);
  client.setAuth(first.token);
  assert.equal(await client.query(query("auth:isAuthenticated"), {}), true);
  await client.mutation(mutation("notes:add"), { text: "mine" });
  const ada = { email: credentials.email, notes: ["mine"] };
  assert.deepEqual(await client.query(query("notes:mine"), {}), ada);

  assert.match(await failure(signIn({ ...credentials, password: "wrong", flow: "signIn" })), /./);
  assert.match(
    await failure(signIn({ email: "bob@example.com", password: "short", flow: "signUp" })),
    /Invalid password/,
  );
  const second = await signIn({ ...credentials, flow: "signIn" });
  assert.notEqual(second.token, first.token);
  await using live = new LiveClient(server);
  live.setAuth(() => Promise.resolve(second.token));
  const notes = live.watch("notes:mine");
  await notes.until((value) => (value as typeof ada | null)?.notes.length === 1);

  const { tokens: renewed } = await httpClient(server).action(action("auth:signIn"), {
    refreshToken: second.refreshToken,
  });
  client.setAuth(renewed.token);
  assert.deepEqual(await client.query(query("notes:mine"), {}), ada);

  await client.action(action("auth:signOut"), {});
  const { tokens: afterwards } = await httpClient(server).action(action("auth:signIn"), {
    refreshToken: renewed.refreshToken,
  });
  assert.equal(afterwards, null, "the session has ended");
  const [head, body, signature] = first.token.split(".");
  client.setAuth([head, body, signature!.split("").reverse().join("")].join("."));
  assert.match(
    await failure(client.query(query("notes:mine"), {})),
    /Could not verify OIDC token claim/,
  );
});

Deno.test({
  name: "in a browser: sign up, stay signed in while tokens are renewed, sign out, sign in again",
  // Playwright keeps handles of the browser process until it has ended.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const script = await bundlePage(`${APP}/web/main.tsx`);
    await using site = servePage({
      "/": pageHtml({ "convex-url": server.url }),
      "/main.js": script,
    });
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(20_000);
      await page.goto(`http://127.0.0.1:${site.addr.port}`);
      await page.getByLabel("Email").fill("grace@example.com");
      await page.getByLabel("Password").fill("short");
      await page.getByRole("button", { name: "Sign up" }).click();
      await page.getByRole("alert").filter({ hasText: "Invalid password" }).waitFor();

      await page.getByLabel("Password").fill("a long password");
      await page.getByRole("button", { name: "Sign up" }).click();
      await page.getByRole("heading", { name: "grace@example.com" }).waitFor();
      // The first renewal comes at once, the second when the token is about to expire.
      await tokenChange(page);
      await tokenChange(page);
      await page.getByRole("button", { name: "Add" }).click();
      await page.getByText("from the page").waitFor();

      await page.reload();
      await page.getByText("from the page").waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Email").fill("grace@example.com");
      await page.getByLabel("Password").fill("a long password");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("from the page").waitFor();
    } finally {
      await browser.close();
    }
  },
});

/** Waits until the page has another access token than now. */
async function tokenChange(page: Page): Promise<void> {
  const [key, token] = await page.evaluate(() => {
    const key = Object.keys(localStorage).find((name) => name.startsWith("__convexAuthJWT"))!;
    return [key, localStorage.getItem(key)];
  });
  await page.waitForFunction(([key, token]) => localStorage.getItem(key!) !== token, [key, token]);
}
