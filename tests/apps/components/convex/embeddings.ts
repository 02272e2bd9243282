// @convex-dev/action-cache: results of a costly action, kept by name and arguments.
import { ActionCache, removeAll } from "@convex-dev/action-cache";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { action, internalAction, mutation } from "./_generated/server";

const cache = new ActionCache(components.actionCache, { action: internal.embeddings.embed });
const brief = new ActionCache(components.actionCache, {
  action: internal.embeddings.embed,
  name: "brief",
  ttl: 1,
});

/** Each computation gives another result, so that a kept one can be told. */
export const embed = internalAction({
  args: { text: v.string() },
  handler: async (_ctx, { text }) => {
    if (text === "") throw new Error("nothing to embed");
    return { text, computation: crypto.randomUUID() as string };
  },
});

type Embedding = { text: string; computation: string };

export const fetch = action({
  args: { text: v.string(), force: v.optional(v.boolean()) },
  handler: async (ctx, { text, force }): Promise<Embedding> =>
    await cache.fetch(ctx, { text }, { force }),
});

export const fetchBrief = action({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<Embedding> => await brief.fetch(ctx, { text }),
});

export const remove = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => await cache.remove(ctx, { text }),
});

export const removeAllForName = mutation({
  args: {},
  handler: async (ctx) => await cache.removeAllForName(ctx),
});

export const removeEverything = mutation({
  args: {},
  handler: async (ctx) => await removeAll(ctx, components.actionCache),
});
