// @convex-dev/resend in a pushed app: emails go out in one batch, to a double of the vendor's API
// (the package names `api.resend.com` itself), and their fate comes back by a signed webhook.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";
import { setVariables } from "../harness/variables.ts";
import { Vendor } from "../harness/vendor.ts";
import { outcomesOf } from "./task_history.ts";

const APP = "tests/apps/components";
const API_KEY = "re_test_key";
const WEBHOOK_KEY = "c2VjcmV0IG9mIHRoZSB3ZWJob29r";
const TO = "delivered@resend.dev";

interface Batch {
  readonly url: string;
  readonly authorization: string | null;
  readonly idempotencyKey: string | null;
  readonly emails: { readonly to: string[]; readonly subject: string; readonly html: string }[];
}

/** The vendor's batch endpoint; it answers with failures first, where some are given. */
function resendApi(batches: Batch[], failures: number[] = []): Vendor {
  return new Vendor("api.resend.com", async (request) => {
    const emails = await request.json();
    const { url, headers } = request;
    batches.push({
      url,
      authorization: headers.get("authorization"),
      idempotencyKey: headers.get("idempotency-key"),
      emails,
    });
    const failure = failures.shift();
    if (failure !== undefined) return new Response("not now", { status: failure });
    return Response.json({ data: emails.map((_: unknown, i: number) => ({ id: `sent-${i}` })) });
  });
}

async function startServer(vendor: Vendor): Promise<Server> {
  const server = await serverWithApp(APP, { env: vendor.env });
  await setVariables(server, {
    RESEND_API_KEY: API_KEY,
    RESEND_WEBHOOK_SECRET: `whsec_${WEBHOOK_KEY}`,
  });
  return server;
}

const send = (server: Server, emails: Record<string, string>[]): Promise<string[]> =>
  httpClient(server).mutation(mutation("emails:send"), { emails });

async function reach(client: LiveClient, id: string, status: string): Promise<void> {
  await client.watch("emails:status", { id }).until((now) => now === status, 60_000);
}

/** Tells the app of an event as the vendor does. */
async function tell(server: Server, event: unknown, key: string): Promise<number> {
  const body = JSON.stringify(event);
  const [id, time] = ["msg_1", `${Math.floor(Date.now() / 1000)}`];
  const hmac = createHmac("sha256", new Uint8Array(Buffer.from(key, "base64")));
  const signature = hmac.update(`${id}.${time}.${body}`).digest("base64");
  const headers = {
    "svix-id": id,
    "svix-timestamp": time,
    "svix-signature": `v1,${signature}`,
  };
  const response = await fetch(`${server.siteUrl}/resend-webhook`, {
    method: "POST",
    headers,
    body,
  });
  await response.body?.cancel();
  return response.status;
}

const delivered = (emailId: string) => ({
  type: "email.delivered",
  created_at: new Date().toISOString(),
  data: {
    created_at: new Date().toISOString(),
    email_id: emailId,
    from: "test@example.com",
    to: [TO],
    subject: "first",
  },
});

Deno.test("resend: emails leave in a batch, again after a failure, and are followed by webhook", async () => {
  const batches: Batch[] = [];
  await using vendor = resendApi(batches, [503]);
  await using server = await startServer(vendor);
  await using client = new LiveClient(server);
  const cancelled = await client.mutation(mutation("emails:sendAndCancel"), {
    to: TO,
    subject: "cancelled",
  });
  const [first = "", second = "", same] = await send(server, [
    { to: TO, subject: "first" },
    { to: TO, subject: "second", idempotencyKey: "order 2" },
    { to: TO, subject: "second again", idempotencyKey: "order 2" },
  ]);
  assert.equal(same, second, "the key makes one email of two");
  for (const id of [first, second]) await reach(client, id, "sent");
  assert.equal(await client.query(query("emails:status"), { id: cancelled }), "cancelled");

  assert.equal(batches.length, 2, "the batch that the vendor answered with 503 was sent again");
  for (const { url, authorization, emails } of batches) {
    assert.match(url, /^https:\/\/api\.resend\.com(:\d+)?\/emails\/batch$/);
    assert.equal(authorization, `Bearer ${API_KEY}`);
    assert.deepEqual(
      emails.map(({ to, subject, html }) => ({ to, subject, html })),
      ["first", "second"].map((subject) => ({ to: [TO], subject, html: `<p>${subject}</p>` })),
    );
  }
  assert.equal(batches[0]!.idempotencyKey, batches[1]!.idempotencyKey);

  assert.equal(await tell(server, delivered("sent-0"), WEBHOOK_KEY), 201);
  await reach(client, first, "delivered");
  const { outcomes } = await outcomesOf(client, first, 1);
  assert.deepEqual(outcomes, ["email.delivered"]);
  assert.equal(await tell(server, delivered("sent-1"), "Zm9yZ2Vk"), 500, "a forged signature");
  assert.equal(await client.query(query("emails:status"), { id: second }), "sent");
});

Deno.test("resend: a refused batch fails with the vendor's words; only test addresses in test mode", async () => {
  const batches: Batch[] = [];
  await using vendor = resendApi(batches, [422]);
  await using server = await startServer(vendor);
  await using client = new LiveClient(server);
  const [id = ""] = await send(server, [{ to: TO, subject: "refused" }]);
  await reach(client, id, "failed");
  assert.equal(batches.length, 1);
  const { errorMessage } = await client.query(query("emails:get"), { id });
  assert.match(errorMessage, /Resend API error: 422 .*not now/);
  await assert.rejects(
    send(server, [{ to: "someone@example.com", subject: "x" }]),
    /Test mode is enabled/,
  );
});
