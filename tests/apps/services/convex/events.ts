// Functions that leave traces, for the tests of HTTP actions.
import {
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

export const add = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("events", { text });
  },
});

export const say = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("events", { text });
  },
});

export const list = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("events").collect()).map(({ text }) => text),
});
