// @convex-dev/crons: jobs that the app registers, lists and deletes while it runs.
import { Crons } from "@convex-dev/crons";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { internalMutation, mutation, query } from "./_generated/server";

const crons = new Crons(components.crons);
const schedule = v.union(
  v.object({ kind: v.literal("interval"), ms: v.number() }),
  v.object({ kind: v.literal("cron"), cronspec: v.string(), tz: v.optional(v.string()) }),
);

export const register = mutation({
  args: { schedule, text: v.string(), name: v.optional(v.string()) },
  handler: async (ctx, { schedule, text, name }) =>
    await crons.register(ctx, schedule, internal.reminders.remind, { text }, name),
});

export const registerOnce = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const every = { kind: "interval" as const, ms: 1000 };
    await crons.register(ctx, every, internal.reminders.remindOnce, { name }, name);
  },
});

export const remind = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("reminders", { text });
  },
});

/** Deletes the job that runs it. */
export const remindOnce = internalMutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await ctx.db.insert("reminders", { text: name });
    await crons.delete(ctx, { name });
  },
});

export const reminded = query({
  args: { text: v.string() },
  handler: async (ctx, { text }) =>
    (await ctx.db.query("reminders").collect())
      .filter((reminder) => reminder.text === text)
      .map((reminder) => reminder._creationTime),
});

export const list = query({ args: {}, handler: async (ctx) => await crons.list(ctx) });

export const get = query({
  args: { identifier: v.union(v.object({ id: v.string() }), v.object({ name: v.string() })) },
  handler: async (ctx, { identifier }) => await crons.get(ctx, identifier),
});

export const remove = mutation({
  args: { identifier: v.union(v.object({ id: v.string() }), v.object({ name: v.string() })) },
  handler: async (ctx, { identifier }) => await crons.delete(ctx, identifier),
});
