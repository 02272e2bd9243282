// What a small component does, and everything that tells which instance is doing it.
import {
  actionGeneric as action,
  createFunctionHandle,
  type FunctionHandle,
  internalMutationGeneric as internalMutation,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

declare const process: { readonly env: Readonly<Record<string, string | undefined>> };

const keep = makeFunctionReference<"mutation", { text: string }>("notes:addInternally");

export const list = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text),
});

export const get = query({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.db.get(id as never),
});

export const add = mutation({
  args: { text: v.string() },
  returns: v.string(),
  handler: async (ctx, args) => {
    console.log("adding", args.text);
    return await ctx.db.insert("notes", args);
  },
});

/** One read and one write. */
export const count = mutation({
  args: { id: v.id("notes") },
  handler: async (ctx, { id }) => {
    const note = await ctx.db.get(id);
    await ctx.db.patch(id, { text: `${Number(note!.text) + 1}` });
  },
});

export const addInternally = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("notes", args);
  },
});

export const addAndFail = mutation({
  args: { text: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("notes", args);
    await ctx.scheduler.runAfter(0, keep, { text: "scheduled by a failure" });
    throw new Error("the box is full");
  },
});

export const where = query({
  args: {},
  handler: async (ctx) => ({
    ...await ctx.meta.getFunctionMetadata(),
    kind: process.env.KIND ?? null,
    shared: process.env.SHARED ?? null,
    hidden: process.env.APP_KEY ?? null,
    site: process.env.CONVEX_SITE_URL,
    user: (await ctx.auth.getUserIdentity())?.subject ?? null,
  }),
});

export const whereInAction = action({
  args: {},
  handler: async (ctx) => ({
    ...await ctx.meta.getFunctionMetadata(),
    kind: process.env.KIND ?? null,
    shared: process.env.SHARED ?? null,
    site: process.env.CONVEX_SITE_URL,
    user: (await ctx.auth.getUserIdentity())?.subject ?? null,
    texts: await ctx.runQuery(makeFunctionReference<"query">("notes:list")),
  }),
});

export const handleOfAdd = query({
  args: {},
  handler: () => createFunctionHandle(keep),
});

/** Calls whoever is behind the handle. */
export const callBack = mutation({
  args: { handle: v.string(), text: v.string() },
  handler: (ctx, { handle, text }): Promise<unknown> =>
    ctx.runMutation(handle as FunctionHandle<"mutation">, { text }),
});

/** The same, later, from a job of the box's own. */
export const callBackLater = mutation({
  args: { handle: v.string(), text: v.string() },
  returns: v.string(),
  handler: (ctx, { handle, text }) =>
    ctx.scheduler.runAfter(0, handle as FunctionHandle<"mutation">, { text }),
});

export const addLater = mutation({
  args: { text: v.string(), delayMs: v.number() },
  returns: v.string(),
  handler: (ctx, { text, delayMs }) => ctx.scheduler.runAfter(delayMs, keep, { text }),
});

export const cancel = mutation({
  args: { job: v.string() },
  handler: (ctx, { job }) => ctx.scheduler.cancel(job as never),
});

export const jobs = query({
  args: {},
  handler: async (ctx) =>
    (await ctx.db.system.query("_scheduled_functions").collect())
      .map(({ name, state }) => [name, state.kind]),
});
