// Values of every type go in, are stored, and come back.
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

export const echo = query({ args: { value: v.any() }, handler: (_ctx, args) => args.value });

export const store = mutation({
  args: { value: v.any() },
  handler: async (ctx, args) => {
    const id = await ctx.db.insert("values", { value: args.value });
    return (await ctx.db.get(id))?.value;
  },
});

export const count = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("values").collect()).length,
});
