// Files of a box.
import {
  actionGeneric as action,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

export const uploadUrl = mutation({
  args: {},
  handler: (ctx) => ctx.storage.generateUploadUrl(),
});

export const store = action({
  args: { text: v.string() },
  returns: v.string(),
  handler: (ctx, { text }) => ctx.storage.store(new Blob([text])),
});

export const load = action({
  args: { id: v.string() },
  handler: async (ctx, { id }) => (await (await ctx.storage.get(id as never))?.text()) ?? null,
});

export const url = query({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.storage.getUrl(id as never),
});

export const all = query({
  args: {},
  handler: async (ctx) => (await ctx.db.system.query("_storage").collect()).map(({ _id }) => _id),
});

export const remove = mutation({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.storage.delete(id as never),
});
