// Numbered notes in lists, for pagination.
import { mutationGeneric, paginationOptsValidator, queryGeneric } from "convex/server";
import type { DataModelFromSchemaDefinition, MutationBuilder, QueryBuilder } from "convex/server";
import { v } from "convex/values";
import type schema from "./schema.ts";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
const query: QueryBuilder<DataModel, "public"> = queryGeneric;
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;

export const page = query({
  args: { list: v.string(), paginationOpts: paginationOptsValidator },
  handler: (ctx, args) =>
    ctx.db
      .query("notes")
      .withIndex("by_list", (q) => q.eq("list", args.list))
      .paginate(args.paginationOpts),
});

export const add = mutation({
  args: { list: v.string(), position: v.number(), text: v.string() },
  handler: (ctx, args) => ctx.db.insert("notes", args),
});

/** Positions of the notes in the order in which they were made. */
export const asMade = query({
  args: { list: v.string() },
  handler: async (ctx, args) => {
    const notes = await ctx.db.query("notes").filter((q) => q.eq(q.field("list"), args.list))
      .collect();
    return notes.map(({ position }) => position);
  },
});

export const fill = mutation({
  args: { list: v.string(), count: v.number() },
  handler: async (ctx, args) => {
    for (let position = 0; position < args.count; position++) {
      await ctx.db.insert("notes", { list: args.list, position, text: `note ${position}` });
    }
  },
});
