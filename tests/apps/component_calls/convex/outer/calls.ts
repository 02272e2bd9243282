// Between the app and the box that `outer` holds.
import {
  componentsGeneric,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

// deno-lint-ignore no-explicit-any -- named by text, so without a type
const components: any = componentsGeneric();

export const addInside = mutation({
  args: { text: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("outerNotes", args);
    await ctx.runMutation(components.inner.notes.add, args);
  },
});

export const whereInside = query({
  args: {},
  handler: (ctx): Promise<unknown> => ctx.runQuery(components.inner.notes.where, {}),
});

export const listInside = query({
  args: {},
  handler: (ctx): Promise<unknown> => ctx.runQuery(components.inner.notes.list, {}),
});

/** What a component tries that must not work: any child by name. */
export const reach = mutation({
  args: { child: v.string() },
  handler: async (ctx, { child }) => {
    try {
      return await ctx.runMutation(components[child].notes.add, { text: "x" });
    } catch (error) {
      return (error as Error).message;
    }
  },
});
