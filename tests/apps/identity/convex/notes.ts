// Notes that belong to whoever is signed in.
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

export const mine = query({
  args: {},
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity === null) throw new Error("Nobody is signed in");
    const notes = await ctx.db.query("notes")
      .withIndex("by_owner", (q) => q.eq("owner", identity.tokenIdentifier)).collect();
    return { email: identity.email, notes: notes.map(({ text }) => text) };
  },
});

export const add = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity === null) throw new Error("Nobody is signed in");
    await ctx.db.insert("notes", { owner: identity.tokenIdentifier, text });
  },
});
