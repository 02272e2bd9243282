// Who calls, as every kind of function sees it, directly and through other functions.
import {
  actionGeneric as action,
  internalMutationGeneric as internalMutation,
  internalQueryGeneric as internalQuery,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const query_ = makeFunctionReference<"query">("who:asQuery");
const mutation_ = makeFunctionReference<"mutation">("who:asMutation");
const action_ = makeFunctionReference<"action">("who:asAction");
const note_ = makeFunctionReference<"mutation">("who:note");

export const asQuery = query({ handler: async (ctx) => await ctx.auth.getUserIdentity() });
export const asMutation = mutation({ handler: async (ctx) => await ctx.auth.getUserIdentity() });
export const asAction = action({ handler: async (ctx) => await ctx.auth.getUserIdentity() });
export const internally = internalQuery({
  handler: async (ctx) => await ctx.auth.getUserIdentity(),
});

export const inQuery = query({ handler: async (ctx) => await ctx.runQuery(query_) });
export const inMutation = mutation({
  handler: async (ctx) => [await ctx.runQuery(query_), await ctx.runMutation(mutation_)],
});
export const inAction = action({
  handler: async (ctx) => [
    await ctx.runQuery(query_),
    await ctx.runMutation(mutation_),
    await ctx.runAction(action_),
  ],
});

/** A scheduled function has no caller. */
export const schedule = mutation({
  args: { by: v.string() },
  handler: async (ctx, { by }) => void await ctx.scheduler.runAfter(0, note_, { by }),
});
export const note = internalMutation({
  args: { by: v.string() },
  handler: async (ctx, { by }) => {
    await ctx.db.insert("seen", { by, identity: await ctx.auth.getUserIdentity() });
  },
});
export const seen = query({
  args: { by: v.string() },
  handler: async (ctx, { by }) =>
    (await ctx.db.query("seen").withIndex("by_by", (q) => q.eq("by", by)).collect())
      .map(({ identity }) => identity),
});

/** A token of this deployment's own. */
export const sign = mutation({
  args: { claims: v.optional(v.any()), expiresInSeconds: v.number() },
  handler: (ctx, args) => ctx.auth.signJwt(args),
});
