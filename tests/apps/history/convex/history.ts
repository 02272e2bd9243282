// Transactions for the history checker. Each returns what it read.
import { type GenericMutationCtx, type GenericQueryCtx, mutationGeneric } from "convex/server";
import { queryGeneric } from "convex/server";
import type { DataModelFromSchemaDefinition, MutationBuilder, QueryBuilder } from "convex/server";
import { v } from "convex/values";
import type schema from "./schema.ts";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
const query: QueryBuilder<DataModel, "public"> = queryGeneric;
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;

/** Work that makes a transaction last, so that others come in between. */
const SPIN_STEPS = 100_000;

/** Executes operations in order; returns what each read, for a write what was there before. */
export const transact = mutation({
  args: {
    operations: v.array(v.object({
      type: v.union(
        v.literal("append"),
        v.literal("list"),
        v.literal("write"),
        v.literal("register"),
      ),
      key: v.number(),
      value: v.number(),
    })),
    spins: v.number(),
  },
  handler: async (ctx, { operations, spins }) => {
    const results: (number[] | number | null)[] = [];
    let sum = 0;
    for (const { type, key, value } of operations) {
      for (let i = 0; i < spins * SPIN_STEPS; i++) sum += Math.sqrt(i);
      switch (type) {
        case "append": {
          const list = await listAt(ctx, key);
          results.push(list?.values ?? []);
          if (list === null) await ctx.db.insert("lists", { key, values: [value] });
          else await ctx.db.patch(list._id, { values: [...list.values, value] });
          break;
        }
        case "list":
          results.push((await listAt(ctx, key))?.values ?? []);
          break;
        case "write": {
          const register = await registerAt(ctx, key);
          results.push(register?.value ?? null);
          if (register === null) await ctx.db.insert("registers", { key, value });
          else await ctx.db.patch(register._id, { value });
          break;
        }
        case "register":
          results.push((await registerAt(ctx, key))?.value ?? null);
      }
    }
    return sum < 0 ? null : results;
  },
});

/** Some lists and registers at one point in time. */
export const read = query({
  args: { keys: v.array(v.number()) },
  handler: async (ctx, { keys }) => {
    const lists: number[][] = [];
    const registers: (number | null)[] = [];
    for (const key of keys) {
      lists.push((await listAt(ctx, key))?.values ?? []);
      registers.push((await registerAt(ctx, key))?.value ?? null);
    }
    return { lists, registers };
  },
});

type ReadCtx = GenericQueryCtx<DataModel> | GenericMutationCtx<DataModel>;

function listAt(ctx: ReadCtx, key: number) {
  return ctx.db.query("lists").withIndex("by_key", (q) => q.eq("key", key)).unique();
}

function registerAt(ctx: ReadCtx, key: number) {
  return ctx.db.query("registers").withIndex("by_key", (q) => q.eq("key", key)).unique();
}
