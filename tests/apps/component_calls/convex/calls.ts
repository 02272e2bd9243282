// Calls from each kind of function of the app into whatever a path below `components` names.
import {
  actionGeneric as action,
  componentsGeneric,
  createFunctionHandle,
  internalMutationGeneric as internalMutation,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

// deno-lint-ignore no-explicit-any -- named by text, so without a type
const components: any = componentsGeneric();

/** `first.notes.add` → `components.first.notes.add`. */
function target(path: string) {
  return path.split(".").reduce((node, part) => node[part], components);
}

const call = { path: v.string(), args: v.any() };

export const read = query({
  args: call,
  handler: (ctx, { path, args }): Promise<unknown> => ctx.runQuery(target(path), args),
});

export const write = mutation({
  args: call,
  handler: (ctx, { path, args }): Promise<unknown> => ctx.runMutation(target(path), args),
});

/** Catches what the component throws, and goes on. */
export const attempt = mutation({
  args: call,
  handler: async (ctx, { path, args }) => {
    try {
      return await ctx.runMutation(target(path), args);
    } catch (error) {
      return (error as Error).message;
    }
  },
});

export const act = action({
  args: { ...call, kind: v.union(v.literal("query"), v.literal("mutation"), v.literal("action")) },
  handler: async (ctx, { kind, path, args }): Promise<unknown> => {
    if (kind === "query") return await ctx.runQuery(target(path), args);
    if (kind === "mutation") return await ctx.runMutation(target(path), args);
    return await ctx.runAction(target(path), args);
  },
});

export const schedule = mutation({
  args: call,
  handler: async (ctx, { path, args }) => {
    await ctx.scheduler.runAfter(0, target(path), args);
  },
});

export const scheduleFromAction = action({
  args: call,
  handler: async (ctx, { path, args }) => {
    await ctx.scheduler.runAfter(0, target(path), args);
  },
});

export const handle = query({
  args: { path: v.string() },
  handler: (_ctx, { path }) => createFunctionHandle(target(path)),
});

export const handleFromAction = action({
  args: { path: v.string() },
  handler: (_ctx, { path }) => createFunctionHandle(target(path)),
});

/** A handle of a function of the app, for components to call back. */
export const ownHandle = query({
  args: {},
  handler: () =>
    createFunctionHandle(makeFunctionReference<"mutation", { text: string }>("calls:keep")),
});

export const keep = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("kept", args);
  },
});

export const kept = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("kept").collect()).map(({ text }) => text),
});

export const jobs = query({
  args: {},
  handler: async (ctx) =>
    (await ctx.db.system.query("_scheduled_functions").collect())
      .map(({ name, state }) => [name, state.kind]),
});
