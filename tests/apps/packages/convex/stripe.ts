// stripe, with a fetch of our own; its webhook signatures are made with crypto.subtle.
import Stripe from "stripe";
import { actionGeneric as action } from "convex/server";

export const stripe = action({
  args: {},
  handler: async () => {
    const seen: string[] = [];
    const client = new Stripe("sk_test_1", {
      maxNetworkRetries: 0,
      httpClient: Stripe.createFetchHttpClient(
        async (input: string | URL | Request, init?: RequestInit) => {
          seen.push(`${init?.method} ${new URL(String(input)).pathname} ${init?.body}`);
          return await Promise.resolve(
            Response.json({ id: "cus_1", object: "customer", name: "Ann" }),
          );
        },
      ),
    });
    const customer = await client.customers.create({ name: "Ann", metadata: { plan: "pro" } });
    const payload = JSON.stringify({ id: "evt_1", object: "event", type: "customer.created" });
    const crypto = Stripe.createSubtleCryptoProvider();
    const header = await client.webhooks.generateTestHeaderStringAsync({
      payload,
      secret: "whsec_test",
      cryptoProvider: crypto,
    });
    const event = await client.webhooks
      .constructEventAsync(payload, header, "whsec_test", undefined, crypto);
    const forged = await client.webhooks
      .constructEventAsync(payload + " ", header, "whsec_test", undefined, crypto)
      .catch((error: Error) => error.constructor.name);
    return { name: (customer as { name?: string }).name, event: event.type, forged, seen };
  },
});
