// Every way in which a function can fail.
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { ConvexError, v } from "convex/values";

export const plain = query({
  args: {},
  handler: () => {
    throw new Error("boom");
  },
});

export const withData = mutation({
  args: {},
  handler: () => {
    throw new ConvexError({ code: "TooMuch", limit: 3n });
  },
});

export const validated = query({
  args: { amount: v.number() },
  returns: v.string(),
  handler: (_ctx, args) => (args.amount > 0 ? "positive" : args.amount) as string,
});

export const fetches = query({ args: {}, handler: () => fetch("http://127.0.0.1:9/") });

/** A query that fails while the list is empty: an error is a result like any other. */
export const needsNotes = query({
  args: { list: v.string() },
  handler: async (ctx, args) => {
    const note = await ctx.db
      .query("notes")
      .withIndex("by_list", (q) => q.eq("list", args.list))
      .first();
    if (note === null) throw new ConvexError("empty");
    return note.text;
  },
});
