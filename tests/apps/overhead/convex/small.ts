// The benchmark's smallest functions: what they cost is what the server adds.
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

/** Nothing of the module can change: its instances serve many runs. */
export const empty = query({ args: { nonce: v.number() }, handler: () => null });

export const note = mutation({
  args: { nonce: v.number() },
  handler: async (ctx, { nonce }) => {
    await ctx.db.insert("notes", { nonce });
    return null;
  },
});

/** Work for the processor, without a look at the database. */
export const busy = query({
  args: { nonce: v.number(), steps: v.number() },
  handler: (_ctx, { nonce, steps }) => {
    let sum = nonce;
    for (let i = 0; i < steps; i++) sum = (sum * 31 + i) % 1_000_003;
    return sum;
  },
});
