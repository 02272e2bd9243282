// What an app of the year 2025 may look like; pushed by its own CLI (tests/older_cli_test.ts).
import { v } from "convex/values";
import { internalMutation, mutation, query } from "./_generated/server";

export const add = mutation({
  args: { body: v.string() },
  handler: (ctx, { body }) => ctx.db.insert("notes", { body }),
});

export const list = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ body }) => body),
});

export const clear = internalMutation({
  args: {},
  handler: async (ctx) => {
    for (const { _id } of await ctx.db.query("notes").collect()) await ctx.db.delete(_id);
  },
});
