// Counters: the smallest thing that changes and can be watched.
import { internalQueryGeneric, mutationGeneric, queryGeneric } from "convex/server";
import type { DataModelFromSchemaDefinition, MutationBuilder, QueryBuilder } from "convex/server";
import { v } from "convex/values";
import type schema from "./schema.ts";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
const query: QueryBuilder<DataModel, "public"> = queryGeneric;
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;
const internalQuery: QueryBuilder<DataModel, "internal"> = internalQueryGeneric;

export const get = query({
  args: { name: v.string() },
  handler: async (ctx, args) => {
    const counter = await ctx.db
      .query("counters")
      .withIndex("by_name", (q) => q.eq("name", args.name))
      .unique();
    return counter?.value ?? 0;
  },
});

/** The sum of all counters. */
export const total = query({
  args: {},
  handler: async (ctx) => {
    const counters = await ctx.db.query("counters").collect();
    return counters.reduce((sum, counter) => sum + counter.value, 0);
  },
});

export const add = mutation({
  args: { name: v.string(), amount: v.number() },
  returns: v.number(),
  handler: async (ctx, args) => {
    const counter = await ctx.db
      .query("counters")
      .withIndex("by_name", (q) => q.eq("name", args.name))
      .unique();
    if (counter === null) {
      await ctx.db.insert("counters", { name: args.name, value: args.amount });
      return args.amount;
    }
    await ctx.db.patch(counter._id, { value: counter.value + args.amount });
    return counter.value + args.amount;
  },
});

/** Adds, then throws: nothing of it may remain. */
export const addAndFail = mutation({
  args: { name: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("counters", { name: args.name, value: 1000 });
    throw new Error("changed my mind");
  },
});

export const secret = internalQuery({ args: {}, handler: () => "internal" });
