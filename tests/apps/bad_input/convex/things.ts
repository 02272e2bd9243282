// What takes input of clients: identities, files, schedules.
import {
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

export const who = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });

export const uploadUrl = mutation({
  args: {},
  handler: async (ctx) => await ctx.storage.generateUploadUrl(),
});

export const url = query({
  args: { storageId: v.string() },
  handler: async (ctx, { storageId }) => await ctx.storage.getUrl(storageId),
});

export const removeFile = mutation({
  args: { storageId: v.string() },
  handler: async (ctx, { storageId }) => await ctx.storage.delete(storageId),
});

export const files = query({
  args: {},
  handler: async (ctx) => (await ctx.db.system.query("_storage").collect()).length,
});

/** Schedules the function with this name so far from now. */
export const schedule = mutation({
  args: { name: v.string(), delayMs: v.number() },
  handler: async (ctx, { name, delayMs }) =>
    await ctx.scheduler.runAt(Date.now() + delayMs, makeFunctionReference<"mutation">(name), {}),
});

export const scheduleAfter = mutation({
  args: { delayMs: v.number() },
  handler: async (ctx, { delayMs }) =>
    await ctx.scheduler.runAfter(delayMs, makeFunctionReference<"mutation">("things:uploadUrl")),
});

/** As many jobs in one transaction. */
export const scheduleMany = mutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    const target = makeFunctionReference<"mutation">("things:uploadUrl");
    for (let i = 0; i < count; i++) await ctx.scheduler.runAfter(3600_000, target);
  },
});

export const cancel = mutation({
  args: { id: v.string() },
  handler: async (ctx, { id }) =>
    await ctx.scheduler.cancel(id as Parameters<typeof ctx.scheduler.cancel>[0]),
});

export const insert = mutation({
  args: {},
  handler: async (ctx) => await ctx.db.insert("things", {}),
});

export const jobs = query({
  args: {},
  handler: async (ctx) => (await ctx.db.system.query("_scheduled_functions").collect()).length,
});
