// One function of each kind, and what they see of the configuration.
import {
  actionGeneric as action,
  internalMutationGeneric as internalMutation,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const note_ = makeFunctionReference<"mutation">("things:note");
const variables_ = makeFunctionReference<"query", Record<string, never>, { greeting: string }>(
  "things:variables",
);

export const variables = query({
  args: {},
  handler: () => {
    const { CONVEX_CLOUD_URL: cloud, CONVEX_SITE_URL: site, GREETING: greeting } = process.env;
    return { cloud, site, greeting: greeting ?? null };
  },
});

/** What it sees of a variable before and after that changes for others. */
export const acrossChange = action({
  args: {},
  handler: async (ctx): Promise<(string | null)[]> => {
    const before = process.env.GREETING ?? null;
    await ctx.runMutation(note_, {});
    for (;;) {
      const { greeting } = await ctx.runQuery(variables_, {});
      if (greeting !== before) return [before, process.env.GREETING ?? null, greeting];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
});

export const uploadUrl = mutation({
  args: {},
  handler: async (ctx) => await ctx.storage.generateUploadUrl(),
});

export const url = query({
  args: { storageId: v.string() },
  handler: async (ctx, { storageId }) => await ctx.storage.getUrl(storageId),
});

export const identify = action({
  args: {},
  handler: async (ctx) => await ctx.auth.getUserIdentity(),
});

/** Schedules a note for a moment in the near future. */
export const noteLater = mutation({
  args: { delayMs: v.number() },
  handler: async (ctx, { delayMs }) => void await ctx.scheduler.runAfter(delayMs, note_, {}),
});

export const note = internalMutation({
  args: {},
  handler: async (ctx) => void await ctx.db.insert("notes", {}),
});

export const notes = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").collect()).length,
});
