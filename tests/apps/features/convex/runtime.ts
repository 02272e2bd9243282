// What functions find around them: log, environment, time, random numbers, module state.
import { queryGeneric as query } from "convex/server";
import { v } from "convex/values";

let calls = 0;

export const logs = query({
  args: {},
  handler: () => {
    console.log("hello", { a: 1 });
    console.warn("careful");
    return null;
  },
});

export const environment = query({
  args: { name: v.string() },
  handler: (_ctx, args) => process.env[args.name] ?? null,
});

/** Counts its calls in module state: always 1, because each run has fresh modules. */
export const countCalls = query({ args: {}, handler: () => ++calls });

export const frozenTime = query({
  args: {},
  handler: () => {
    const start = Date.now();
    for (let i = 0; i < 1_000_000; i++) Math.sqrt(i);
    return { elapsed: Date.now() - start, now: start, random: Math.random() };
  },
});

declare const process: { env: Record<string, string | undefined> };
