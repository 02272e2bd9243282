// What code must not be able to do, run as a query, a mutation and an action (http.ts: as an HTTP action,
// at_import.ts: as module level code), and what well-behaved clients call meanwhile.
import {
  actionGeneric as action,
  internalQueryGeneric as internalQuery,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";
import { escapes } from "./escapes.ts";
import { forgery } from "./forgery.ts";
import { reach } from "./reach.ts";
import { resources } from "./resources.ts";
import { tampering } from "./tampering.ts";

const families = () => ({ resources, escapes, tampering, forgery });

/** The name is `family.attack`. */
export async function attempt(name: string): Promise<unknown> {
  const [family, attack] = name.split(".") as [keyof ReturnType<typeof families>, string];
  const reached = await families()[family][attack]!();
  // Large results are attacks themselves: they must reach the server as they are.
  return family === "resources" ? reached : `reached: ${describe(reached)}`;
}

function describe(value: unknown): string {
  try {
    return typeof value === "string" ? value.slice(0, 500) : JSON.stringify(value) ?? String(value);
  } catch {
    return typeof value;
  }
}

export const names = query({
  args: {},
  handler: () =>
    Object.entries(families()).flatMap(([family, attacks]) =>
      Object.keys(attacks).map((attack) => `${family}.${attack}`)
    ),
});

const args = { attack: v.string() };
export const asQuery = query({
  args,
  handler: async (_ctx, { attack }) => await attempt(attack) as null,
});

export const asMutation = mutation({
  args,
  handler: async (ctx, { attack }) => {
    await ctx.db.insert("visits", { who: `attacker ${attack}` });
    const reached = await attempt(attack);
    // What was not refused must not stay either.
    throw new Error(`let through: ${String(reached).slice(0, 500)}`);
  },
});

export const asAction = action({
  args,
  handler: async (_ctx, { attack }) => await attempt(attack) as null,
});

export const hidden = internalQuery({ args: {}, handler: () => "hidden" });

/** A secret in every place where another run might find it. */
export const keepSecret = action({
  args: {},
  handler: async () => {
    (globalThis as { secretOfAnotherRun?: string }).secretOfAnotherRun = "secret";
    /secret/.test("a secret");
    await new Promise((resolve) => setTimeout(resolve, 5));
    return null;
  },
});

/** The realm as a run finds it; the nonce keeps the result out of the cache. */
export const realm = query({
  args: { nonce: v.number() },
  handler: () => ({
    polluted: ({} as Record<string, unknown>).polluted ?? null,
    type: ({} as Record<string, unknown>).type ?? null,
    ok: ({} as Record<string, unknown>).ok ?? null,
    json: JSON.stringify(JSON.parse('{"a":[1]}')),
    text: String({}),
    array: [..."ab", ...[1].concat(2)].join(),
    map: new Map([[1, 2]]).get(1) ?? null,
    pattern: /b/.exec("abc")?.index ?? null,
    now: Date.now() > 1e12,
    call: (function (this: unknown) {
      return this;
    }).call("x") === "x",
    hook: String(new Error("x").stack).includes("hooked"),
    secret: reach("secretOfAnotherRun") ?? null,
  }),
});

export const visit = mutation({
  args: { who: v.string() },
  handler: (ctx, args) => ctx.db.insert("visits", args),
});

export const visits = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("visits").collect()).map((visit) => visit.who),
});
