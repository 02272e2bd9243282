// Notes that only their owner sees.
import { getAuthUserId } from "@convex-dev/auth/server";
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

/** Null for strangers. */
export const mine = query({
  args: {},
  handler: async (ctx) => {
    const userId = await getAuthUserId(ctx);
    if (userId === null) return null;
    const user = await ctx.db.get(userId);
    const notes = await ctx.db.query("notes").withIndex("by_owner", (q) => q.eq("owner", userId))
      .collect();
    return { email: user!.email, notes: notes.map(({ text }) => text) };
  },
});

export const add = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const owner = await getAuthUserId(ctx);
    if (owner === null) throw new Error("Sign in first");
    await ctx.db.insert("notes", { owner, text });
  },
});
