// The same read and write many times in one mutation: in line, or by calls into a component.
import { componentsGeneric, mutationGeneric as mutation } from "convex/server";
import { v } from "convex/values";

// deno-lint-ignore no-explicit-any -- without generated types
const components: any = componentsGeneric();

export const add = mutation({
  args: {},
  handler: (ctx) => ctx.db.insert("notes", { text: "0" }),
});

export const inLine = mutation({
  args: { id: v.id("notes"), rounds: v.number() },
  handler: async (ctx, { id, rounds }) => {
    for (let round = 0; round < rounds; round++) {
      const note = await ctx.db.get(id);
      await ctx.db.patch(id, { text: `${Number(note!.text) + 1}` });
    }
  },
});

export const inComponent = mutation({
  args: { id: v.string(), rounds: v.number() },
  handler: async (ctx, { id, rounds }) => {
    for (let round = 0; round < rounds; round++) {
      await ctx.runMutation(components.first.notes.count, { id });
    }
  },
});
