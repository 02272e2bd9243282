// The default runtime's side: what Node actions call, and what calls them.
import {
  actionGeneric as action,
  internalMutationGeneric as internalMutation,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { ConvexError } from "convex/values";

export const list = query({
  handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text),
});

export const add = internalMutation({
  handler: async (ctx, { text }: { text: string }) => {
    if (text === "forbidden") throw new ConvexError({ reason: "forbidden" });
    await ctx.db.insert("notes", { text });
  },
});

export const shout = action({
  handler: (_ctx, { text }: { text: string }) => Promise.resolve(text.toUpperCase()),
});

/** An action of the default runtime that calls one of Node. */
export const hashOf = action({
  handler: (ctx, { text }: { text: string }) =>
    ctx.runAction(makeFunctionReference<"action">("work:hash"), { text }),
});

export const scheduleNote = mutation({
  handler: (ctx, { text }: { text: string }) =>
    ctx.scheduler.runAfter(0, makeFunctionReference<"action">("work:note"), { text }),
});
