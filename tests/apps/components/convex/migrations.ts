// @convex-dev/migrations: changes of all documents of a table, in batches.
import { Migrations } from "@convex-dev/migrations";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { mutation, query } from "./_generated/server";
import schema from "./schema";

const migrations = new Migrations(components.migrations, { schema });

export const greet = migrations.define({
  table: "members",
  migrateOne: (_ctx, member) => ({ greeting: `Hello ${member.name}` }),
});

/** Fails on a member without a name; what earlier batches did stays. */
export const countVisit = migrations.define({
  table: "members",
  batchSize: 40,
  migrateOne: async (ctx, member) => {
    if (member.name === "") throw new Error(`member ${member.number} has no name`);
    await ctx.db.patch(member._id, { visits: (member.visits ?? 0) + 1 });
  },
});

export const ungreetFirstTen = migrations.define({
  table: "members",
  customRange: (query) => query.withIndex("by_number", (q) => q.lt("number", 10)),
  migrateOne: () => ({ greeting: undefined }),
});

export const run = migrations.runner();
export const runAll = migrations.runner([
  internal.migrations.greet,
  internal.migrations.ungreetFirstTen,
]);

export const start = mutation({
  args: { reset: v.optional(v.boolean()), batchSize: v.optional(v.number()) },
  handler: async (ctx, options): Promise<string> =>
    (await migrations.runOne(ctx, internal.migrations.countVisit, options)).state,
});

/** Starts a migration and cancels it before its second batch. */
export const startAndCancel = mutation({
  args: {},
  handler: async (ctx): Promise<string> => {
    await migrations.runOne(ctx, internal.migrations.countVisit, { batchSize: 10 });
    return (await migrations.cancel(ctx, internal.migrations.countVisit)).state;
  },
});

type Status = { name: string; state: string; processed: number; isDone: boolean; error?: string };

export const status = query({
  args: {},
  handler: async (ctx): Promise<Status[]> =>
    (await migrations.getStatus(ctx, {
      migrations: [
        internal.migrations.greet,
        internal.migrations.countVisit,
        internal.migrations.ungreetFirstTen,
      ],
    })).map(({ name, state, processed, isDone, error }) => ({
      name,
      state,
      processed,
      isDone,
      ...(error === undefined ? {} : { error }),
    })),
});

export const fill = mutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    for (let number = 0; number < count; number++) {
      await ctx.db.insert("members", { number, name: `member ${number}` });
    }
  },
});

export const rename = mutation({
  args: { number: v.number(), name: v.string() },
  handler: async (ctx, { number, name }) => {
    const member = await ctx.db.query("members")
      .withIndex("by_number", (q) => q.eq("number", number)).unique();
    await ctx.db.patch(member!._id, { name });
  },
});

/** How many members are greeted, and how many times they were visited. */
export const members = query({
  args: {},
  handler: async (ctx) => {
    const members = await ctx.db.query("members").collect();
    const visits = members.map((member) => member.visits ?? 0);
    return {
      greeted: members.filter(({ name, greeting }) => greeting === `Hello ${name}`).length,
      leastVisits: Math.min(...visits),
      mostVisits: Math.max(...visits),
      visits: visits.reduce((sum, each) => sum + each, 0),
    };
  },
});
