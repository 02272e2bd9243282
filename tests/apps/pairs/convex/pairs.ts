// The crash rounds call these functions while the server is killed.
import { mutationGeneric, queryGeneric } from "convex/server";
import type { DataModelFromSchemaDefinition, MutationBuilder, QueryBuilder } from "convex/server";
import { v } from "convex/values";
import type schema from "./schema.ts";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
const query: QueryBuilder<DataModel, "public"> = queryGeneric;
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;

/** Writes both halves, and counts them. */
export const write = mutation({
  args: { round: v.number(), key: v.string(), bytes: v.number() },
  handler: async (ctx, { round, key, bytes }) => {
    const payload = "x".repeat(bytes);
    await ctx.db.insert("halves", { round, key, half: "a", payload });
    await ctx.db.insert("halves", { round, key, half: "b", payload });
    const total = await ctx.db.query("totals")
      .withIndex("by_round", (q) => q.eq("round", round)).unique();
    if (total === null) await ctx.db.insert("totals", { round, pairs: 1 });
    else await ctx.db.patch(total._id, { pairs: total.pairs + 1 });
    return key;
  },
});

export const fill = mutation({
  args: { first: v.number(), count: v.number() },
  handler: async (ctx, { first, count }) => {
    for (let n = first; n < first + count; n++) {
      await ctx.db.insert("bulk", { n: n % 97, text: `document ${n}` });
    }
  },
});

/** What a round has written, without the payloads; a page at a time. */
export const ofRound = query({
  args: { round: v.number(), cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { round, cursor }) => {
    const page = await ctx.db.query("halves").withIndex("by_round", (q) => q.eq("round", round))
      .paginate({ cursor, numItems: 2000, maximumBytesRead: 4_000_000 });
    return {
      halves: page.page.map(({ key, half }) => ({ key, half })),
      cursor: page.isDone ? null : page.continueCursor,
    };
  },
});

export const totalOf = query({
  args: { round: v.number() },
  handler: async (ctx, { round }) => {
    const total = await ctx.db.query("totals")
      .withIndex("by_round", (q) => q.eq("round", round)).unique();
    return total?.pairs ?? 0;
  },
});

/** Removes what a round has written, a part at a time; true when nothing is left. */
export const clear = mutation({
  args: { round: v.number() },
  handler: async (ctx, { round }) => {
    const halves = await ctx.db.query("halves")
      .withIndex("by_round", (q) => q.eq("round", round)).take(20);
    for (const { _id } of halves) await ctx.db.delete(_id);
    return halves.length === 0;
  },
});
