// Functions that come near a limit or go beyond it, by so much as they are told (spec function-runtime 6).
import {
  actionGeneric as action,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const amount = { args: { n: v.number() } };

/** Writes as many items as it is told, of `bytes` bytes of text each. */
export const write = mutation({
  args: { n: v.number(), bytes: v.number(), group: v.optional(v.string()) },
  handler: async (ctx, { n, bytes, group = "limits" }) => {
    for (let i = 0; i < n; i++) {
      await ctx.db.insert("items", { group, text: "x".repeat(bytes) });
    }
    return null;
  },
});

export const read = query({
  args: { n: v.number(), nonce: v.number() },
  handler: async (ctx, { n }) => {
    const rows = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", "limits"))
      .take(n);
    return rows.length;
  },
});

/** A filter discards everything, and what it looked at counts all the same. */
export const readFiltered = query({
  args: { nonce: v.number() },
  handler: async (ctx) => {
    const rows = await ctx.db.query("items").filter((q) => q.eq(q.field("text"), "none")).collect();
    return rows.length;
  },
});

export const ranges = query({
  args: { n: v.number(), nonce: v.number() },
  handler: async (ctx, { n }) => {
    for (let i = 0; i < n; i++) {
      const group = `nothing ${i}`;
      await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).first();
    }
    return n;
  },
});

/** The limit is an error like any other: a function may catch it. */
export const rangesCaught = query({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    try {
      for (let i = 0; i < n; i++) {
        const group = `caught ${i}`;
        await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group)).first();
      }
      return "no error";
    } catch (error) {
      return (error as Error).message;
    }
  },
});

const nothing = makeFunctionReference<"mutation", { text: string }, null>("limits:nothing");
const doNothing = mutation({ args: { text: v.string() }, handler: () => null });
export { doNothing as nothing };

export const schedule = mutation({
  args: { n: v.number(), bytes: v.number() },
  handler: async (ctx, { n, bytes }) => {
    for (let i = 0; i < n; i++) {
      await ctx.scheduler.runAfter(3_600_000, nothing, { text: "x".repeat(bytes) });
    }
    return null;
  },
});

export const echo = query({
  args: { text: v.string(), bytes: v.number() },
  handler: (_ctx, { bytes }) => "x".repeat(bytes),
});
export const echoInAction = action({
  args: { text: v.string(), bytes: v.number() },
  handler: (_ctx, { bytes }) => "x".repeat(bytes),
});

/** Nesting that a document may have, the document included. */
export const nest = mutation({
  args: { levels: v.number() },
  handler: async (ctx, { levels }) => {
    let value: unknown = 1;
    for (let i = 1; i < levels; i++) value = { a: value };
    await ctx.db.insert("anything", { value });
    return null;
  },
});

const spin = () => {
  for (;;);
};
const spinCatching = () => {
  try {
    spin();
  } catch {
    return "caught in the function itself";
  }
};
const once = { args: { nonce: v.number() } };
export const spinInQuery = query({ ...once, handler: spinCatching });
export const spinInMutation = mutation({ ...once, handler: spinCatching });
export const spinInAction = action({
  args: {},
  handler: async () => {
    for (;;) await new Promise((resolve) => setTimeout(resolve, 5));
  },
});

/** Writes, and never ends: its caller may go on, without what it wrote. */
export const writeAndSpin = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("items", { group: "endless callee", text });
    spin();
  },
});
const endless = makeFunctionReference<"mutation", { text: string }, null>("limits:writeAndSpin");
export const passOn = mutation({
  args: { text: v.string() },
  handler: async (ctx, args): Promise<null> => {
    await ctx.db.insert("items", { group: "endless callee", text: "passed on" });
    return await ctx.runMutation(endless, args);
  },
});
export const callEndless = mutation({
  args: {},
  handler: async (ctx) => {
    const direct = await ctx.runMutation(endless, { text: "a" })
      .catch((error: Error) => error.message);
    const passing = makeFunctionReference<"mutation", { text: string }, null>("limits:passOn");
    const nested = await ctx.runMutation(passing, { text: "b" })
      .catch((error: Error) => error.message.split("\n")[0]);
    await ctx.db.insert("items", { group: "endless caller", text: "went on" });
    return [direct, nested];
  },
});
export const hoard = query({
  ...once,
  handler: () => {
    for (const kept: unknown[] = [];;) kept.push(new Array(1_000_000).fill(0));
  },
});
/** Calls a query that overruns a limit. */
export const callOverrunning = query({
  args: { name: v.string(), nonce: v.number() },
  handler: async (ctx, { name, nonce }): Promise<string> => {
    const callee = makeFunctionReference<"query", { nonce: number }, string>(name);
    return await ctx.runQuery(callee, { nonce }).catch((error: Error) => `caught ${error.message}`);
  },
});

/** The caller of a function that took too long may go on. */
export const callSlow = mutation({
  args: { ms: v.number() },
  handler: async (ctx, args): Promise<string> => {
    const callee = makeFunctionReference<"mutation", { ms: number }, null>("limits:compute");
    try {
      await ctx.runMutation(callee, args);
      return "in time";
    } catch (error) {
      await ctx.db.insert("items", { group: "after the timeout", text: "written" });
      return (error as Error).message;
    }
  },
});

/** Computes for a given time, which only mutations can measure. */
function computeFor(ms: number): void {
  const start = performance.now();
  while (performance.now() - start < ms);
}
export const compute = mutation({
  args: { ms: v.number() },
  handler: (_ctx, { ms }) => computeFor(ms),
});
export const computeTwice = mutation({
  args: { ms: v.number() },
  handler: async (ctx, { ms }) => {
    computeFor(ms);
    await ctx.db.query("items").first();
    computeFor(ms);
  },
});

/** Waits for calls that are short enough each. */
export const callOften = mutation({
  args: { times: v.number(), ms: v.number() },
  handler: async (ctx, { times, ms }): Promise<null> => {
    const callee = makeFunctionReference<"mutation", { ms: number }, null>("limits:compute");
    await ctx.db.insert("items", { group: "called often", text: "" });
    for (let i = 0; i < times; i++) await ctx.runMutation(callee, { ms });
    return null;
  },
});

export const depth = query({
  ...amount,
  handler: async (ctx, { n }): Promise<string> => {
    if (n === 0) return "deep enough";
    const deeper = makeFunctionReference<"query", { n: number }, string>("limits:depth");
    return await ctx.runQuery(deeper, { n: n - 1 });
  },
});

export const countGroup = query({
  args: { group: v.string() },
  handler: async (ctx, { group }) => {
    const rows = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", group))
      .collect();
    return rows.length;
  },
});
