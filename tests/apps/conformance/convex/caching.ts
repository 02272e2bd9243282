// Queries whose runs can be told apart: a result that comes back with the same random number was not
// computed again (spec function-runtime 7).
import {
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

declare const process: { env: Record<string, string | undefined> };
const key = { args: { key: v.string() } };
const run = () => Math.random();

export const plain = query({ ...key, handler: run });

export const identity = query({
  ...key,
  handler: async (ctx) => {
    const who = await ctx.auth.getUserIdentity();
    return { who: who?.subject ?? null, run: run() };
  },
});

/** The callee's look at the identity counts. */
export const identityNested = query({
  ...key,
  handler: async (ctx, args): Promise<unknown> => {
    const callee = makeFunctionReference<"query", { key: string }, unknown>("caching:identity");
    return await ctx.runQuery(callee, args);
  },
});

export const variable = query({
  ...key,
  handler: () => ({ mode: process.env.MODE ?? null, run: run() }),
});

export const group = query({
  ...key,
  handler: async (ctx, { key }) => {
    const rows = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", key))
      .collect();
    return { rows: rows.length, run: run() };
  },
});

export const failing = query({
  ...key,
  handler: () => {
    throw new Error(`run ${run()}`);
  },
});

export const logging = query({
  ...key,
  handler: () => {
    console.log("ran");
    return run();
  },
});

/** Takes long enough for others to ask meanwhile. */
export const slow = query({
  ...key,
  handler: () => {
    let sum = 0;
    for (let i = 0; i < 60_000_000; i++) sum += i % 7;
    return { sum, run: run() };
  },
});

export const add = mutation({
  ...key,
  handler: (ctx, { key }) => ctx.db.insert("items", { group: key, text: "" }),
});
