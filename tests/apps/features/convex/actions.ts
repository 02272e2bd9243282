// Actions: the network, timers, and calls of other functions.
import { actionGeneric as action, makeFunctionReference } from "convex/server";
import { v } from "convex/values";

type ByName = { name: string };
const get = makeFunctionReference<"query", ByName, number>("counters:get");
const add = makeFunctionReference<"mutation", ByName & { amount: number }, number>("counters:add");
const addAndFail = makeFunctionReference<"mutation", ByName, null>("counters:addAndFail");

export const addTwice = action({
  args: { name: v.string() },
  handler: async (ctx, args): Promise<number[]> => {
    const before = await ctx.runQuery(get, { name: args.name });
    await ctx.runMutation(add, { name: args.name, amount: 1 });
    const after = await ctx.runMutation(add, { name: args.name, amount: 1 });
    return [before, after];
  },
});

export const fetchText = action({
  args: { url: v.string() },
  handler: async (_ctx, args) => await (await fetch(args.url)).text(),
});

export const sleep = action({
  args: { ms: v.number() },
  handler: async (_ctx, args) => {
    const start = Date.now();
    await new Promise((resolve) => setTimeout(resolve, args.ms));
    return Date.now() - start;
  },
});

/** A failing mutation inside of an action leaves nothing, and the action may go on. */
export const survivesFailure = action({
  args: { name: v.string() },
  handler: async (ctx, args): Promise<string> => {
    try {
      await ctx.runMutation(addAndFail, { name: args.name });
      return "no error";
    } catch (error) {
      return (error as Error).message;
    }
  },
});
