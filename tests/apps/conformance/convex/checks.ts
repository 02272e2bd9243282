// Functions with validators, of both visibilities, and exports that are no functions of the platform
// (spec function-runtime 2).
import {
  actionGeneric as action,
  internalQueryGeneric as internalQuery,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

export const validated = query({
  args: {
    name: v.string(),
    count: v.optional(v.number()),
    big: v.optional(v.int64()),
    kind: v.optional(v.union(v.literal("a"), v.literal("b"))),
    one: v.optional(v.literal("only")),
    item: v.optional(v.id("items")),
    list: v.optional(v.array(v.object({ deep: v.array(v.boolean()) }))),
    table: v.optional(v.record(v.string(), v.bytes())),
  },
  handler: () => "accepted",
});

/** Without validator: any arguments, and positional ones of old clients. */
export const unvalidated = query((_ctx, ...given: unknown[]) => JSON.stringify(given));

export const returning = query({
  args: { value: v.any() },
  returns: v.object({ n: v.number() }),
  handler: (_ctx, { value }) => value,
});

/** Its write must not survive a wrong result. */
export const writing = mutation({
  args: { text: v.string(), result: v.any() },
  returns: v.string(),
  handler: async (ctx, { text, result }) => {
    await ctx.db.insert("items", { group: "checks", text });
    return result;
  },
});

export const count = query({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const rows = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", "checks"))
      .collect();
    return rows.filter((row) => row.text === text).length;
  },
});

export const unsupported = query({
  args: { what: v.string() },
  handler: (_ctx, { what }) => {
    const results: Record<string, unknown> = {
      date: new Date(0),
      map: new Map(),
      function: () => {},
      reserved: { $a: 1 },
    };
    return results[what] as null;
  },
});

export const undefinedResult = query({ args: {}, handler: () => undefined });

export const add = mutation({ args: {}, handler: () => "mutated" });
export const act = action({ args: {}, handler: () => "acted" });
export const hidden = internalQuery({ args: {}, handler: () => "hidden" });

/** An object with all that a registered function has. */
export const notAFunction = {
  isQuery: true,
  isPublic: true,
  invokeQuery: () => Promise.resolve('"called"'),
  exportArgs: () => '{"type":"any"}',
  exportReturns: () => "null",
};
export function plainFunction(): string {
  return "plain";
}
const direct = query({ args: {}, handler: () => "direct" });
export { direct as default };

/** Calls a registered function as if it were its handler. */
export const callsDirectly = query({
  args: {},
  handler: (ctx) => (direct as unknown as (ctx: unknown, args: object) => string)(ctx, {}),
});
