// Time, random numbers, order and what a function leaves unfinished (spec function-runtime 1.6, 4).
import {
  actionGeneric as action,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const atImport = {
  time: Date.now(),
  random: Math.random(),
  uuid: crypto.randomUUID(),
  bytes: crypto.getRandomValues(new Uint8Array(4)).toHex(),
  elapsed: performance.now(),
};

/** Not cached: each call has another nonce. */
const args = { nonce: v.number() };

const momentOfImport = () => ({ ...atImport, isOrigin: performance.timeOrigin === atImport.time });
export const importedInQuery = query({ args, handler: momentOfImport });
export const importedInAction = action({ args, handler: momentOfImport });

function work(): void {
  for (let i = 0; i < 3_000_000; i++) Math.sqrt(i);
}

const clock = async () => {
  const before = [Date.now(), performance.now()] as const;
  work();
  await null;
  const after = [new Date().getTime(), performance.now()] as const;
  return {
    now: before[0],
    elapsed: after[0] - before[0],
    performance: after[1] > before[1] ? "advances" : "constant",
    resolution: Math.abs(after[1] * 10 - Math.round(after[1] * 10)) < 1e-6,
    text: new Date(Date()).getTime() === Math.floor(after[0] / 1000) * 1000,
  };
};
export const clockInQuery = query({ args, handler: clock });
export const clockInMutation = mutation({ args, handler: clock });

const numbers = () => [
  Math.random(),
  crypto.getRandomValues(new Uint32Array(2)).join(),
  crypto.randomUUID(),
  Math.random(),
];
export const randomInQuery = query({ args, handler: numbers });
export const randomInMutation = mutation({ args, handler: numbers });

/** The order in which promise jobs and database calls come to an end. */
export const order = query({
  args,
  handler: async (ctx) => {
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(name);
    const rows = ctx.db.query("items");
    await Promise.all([
      rows.take(1).then(note("scan 1")),
      rows.first().then(note("scan 2")),
      ctx.auth.getUserIdentity().then(note("identity")),
      Promise.resolve().then(note("job 1")).then(note("job 2")),
      (async () => {
        await null;
        note("async")();
        await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", "a")).unique();
        note("scan 3")();
      })(),
      crypto.subtle.digest("SHA-256", new Uint8Array(1)).then(note("digest")),
    ]);
    return seen.filter((name) => name !== "digest").join(", ");
  },
});

/** Its insert is not awaited, and is done all the same. */
export const forgetful = mutation({
  args: { text: v.string() },
  handler: (ctx, { text }) => {
    void ctx.db.insert("items", { group: "forgotten", text });
    return null;
  },
});

/** Nothing that it started counts once it has failed. */
export const forgetfulAndFailing = mutation({
  args: { text: v.string() },
  handler: (ctx, { text }) => {
    void ctx.db.insert("items", { group: "forgotten", text });
    throw new Error("after all");
  },
});

export const forgotten = query({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const rows = await ctx.db.query("items").withIndex(
      "by_group",
      (q) => q.eq("group", "forgotten"),
    )
      .collect();
    return rows.filter((row) => row.text === text).length;
  },
});

const never = () => new Promise(() => {});
export const neverInQuery = query({ args: {}, handler: never });
export const neverInMutation = mutation({ args: {}, handler: never });

const unhandled = async () => {
  void Promise.reject(new RangeError("nobody cares"));
  await null;
  return "returned";
};
export const unhandledInQuery = query({ args: {}, handler: unhandled });
export const unhandledInMutation = mutation({ args: {}, handler: unhandled });
export const unhandledInAction = action({
  args: {},
  handler: async () => {
    void Promise.reject(new RangeError("nobody cares"));
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  },
});

/** A rejection that finds its handler before the jobs are done is fine. */
export const handledInTime = query({
  args: {},
  handler: async () => {
    const failing = Promise.reject(new Error("handled"));
    await null;
    return await failing.catch((error: Error) => error.message);
  },
});
