// The console (spec function-runtime 4.1).
import {
  actionGeneric as action,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

class Point {
  x = 1;
  inspect() {
    return "Point!";
  }
}

export const formats = query({
  args: {},
  handler: () => {
    const circular: Record<string, unknown> = { name: "me" };
    circular.self = circular;
    console.log("hello", 1, -0, 1.5, 10n, null, undefined, true, Symbol("s"));
    console.log([1, 2], [], {}, ["a", ["b"]]);
    console.log({ a: 1, b: "x" });
    console.log({ a: { b: { c: { d: { e: { f: 1 } } } } } });
    console.log(new Error("msg"), new Map([["a", 1]]), new Set([1]), new Date(0), /a+/g);
    console.log(function named() {}, class Named {}, circular, new Point());
    console.log("%s is not substituted", "text");
    console.log("it's", 'say "hi"', "a\nb");
    console.log();
    console.debug("d");
    console.info("i");
    console.warn("w");
    console.error("e");
    return null;
  },
});

export const unprintable = query({
  args: {},
  handler: () => {
    const hostile = new Proxy({}, {
      ownKeys() {
        throw new Error("not you");
      },
    });
    console.log("before", hostile);
    return "went on";
  },
});

export const timers = query({
  args: {},
  handler: () => {
    console.time();
    console.time("a");
    console.time("a");
    console.timeLog("a", "more", { b: 1 });
    console.timeEnd("a");
    console.timeEnd("a");
    console.timeLog("missing");
    console.timeEnd();
    return null;
  },
});

export const traces = query({
  args: {},
  handler: () => {
    console.trace("where", 1);
    return null;
  },
});

/** One line of `length` two-byte characters. */
export const long = query({
  args: { length: v.number() },
  handler: (_ctx, { length }) => {
    console.log("first", "é".repeat(length), "never");
    return null;
  },
});

export const many = query({
  args: { count: v.number() },
  handler: (_ctx, { count }) => {
    for (let i = 1; i <= count; i++) console.log(i);
    return null;
  },
});

const inner = makeFunctionReference<"mutation", { text: string }, null>("logging:inner");

export const innerMutation = mutation({
  args: { text: v.string() },
  handler: (_ctx, { text }) => {
    console.log("inner", text);
    return null;
  },
});
export { innerMutation as inner };

export const outer = mutation({
  args: {},
  handler: async (ctx) => {
    console.log("before");
    await ctx.runMutation(inner, { text: "one" });
    console.log("after");
    return null;
  },
});

/** What it calls has executions and lines of its own. */
export const fromAction = action({
  args: {},
  handler: async (ctx) => {
    console.log("action before");
    await ctx.runMutation(inner, { text: "two" });
    console.log("action after");
    return null;
  },
});

export const failing = query({
  args: {},
  handler: () => {
    console.log("before the error");
    throw new Error("with a line");
  },
});

/** Takes a while between reading a variable and its end. */
export const slowReader = mutation({
  args: { rounds: v.number() },
  handler: (_ctx, { rounds }) => {
    const read = process.env.CONTENDED ?? null;
    let sum = 0;
    for (let i = 0; i < rounds; i++) sum += Math.sqrt(i);
    return sum > 0 ? read : null;
  },
});

declare const process: { env: Record<string, string | undefined> };
