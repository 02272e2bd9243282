// Functions that schedule functions: the tests of the scheduler and its benchmark run them.
import {
  actionGeneric,
  type DataModelFromSchemaDefinition,
  type GenericActionCtx,
  internalActionGeneric,
  internalMutationGeneric,
  makeFunctionReference,
  type MutationBuilder,
  mutationGeneric,
  type QueryBuilder,
  queryGeneric,
} from "convex/server";
import { v } from "convex/values";
import type schema from "./schema.ts";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
const query: QueryBuilder<DataModel, "public"> = queryGeneric;
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;
const internalMutation: MutationBuilder<DataModel, "internal"> = internalMutationGeneric;

const jobId = v.id("_scheduled_functions");
const reference = (name: string) => makeFunctionReference<"mutation" | "action">(name);

/** Schedules `name` for each key; returns the ids. */
export const schedule = mutation({
  args: { name: v.string(), keys: v.array(v.string()), delayMs: v.number(), fails: v.boolean() },
  handler: async (ctx, { name, keys, delayMs, fails }) => {
    const ids: string[] = [];
    for (const key of keys) {
      ids.push(await ctx.scheduler.runAfter(delayMs, reference(name), { key }));
    }
    if (fails) throw new Error("the mutation failed");
    return ids;
  },
});

/** Schedules a mark for each time, whose key begins with the time. */
export const scheduleTimes = mutation({
  args: { times: v.array(v.number()) },
  handler: async (ctx, { times }) => {
    const mark = reference("jobs:mark");
    const ids: string[] = [];
    for (const [i, time] of times.entries()) {
      ids.push(await ctx.scheduler.runAt(time, mark, { key: `${time}/${i}` }));
    }
    return ids;
  },
});

/** Schedules a function with any arguments. */
export const scheduleCall = mutation({
  args: { name: v.string(), args: v.any() },
  handler: (ctx, { name, args }) => ctx.scheduler.runAfter(0, reference(name), args),
});

export const scheduleAt = mutation({
  args: { name: v.string(), key: v.string(), time: v.number(), asDate: v.boolean() },
  handler: (ctx, { name, key, time, asDate }) =>
    ctx.scheduler.runAt(asDate ? new Date(time) : time, reference(name), { key }),
});

export const scheduleFromAction = actionGeneric({
  args: { name: v.string(), key: v.string(), delayMs: v.number(), fails: v.boolean() },
  handler: async (ctx, { name, key, delayMs, fails }) => {
    const id = await ctx.scheduler.runAfter(delayMs, reference(name), { key });
    if (fails) throw new Error("the action failed");
    return id;
  },
});

export const cancelFromAction = actionGeneric({
  args: { id: jobId },
  handler: async (ctx, { id }) => await ctx.scheduler.cancel(id),
});

export const cancel = mutation({
  args: { id: v.string() },
  handler: async (ctx, { id }) => await ctx.scheduler.cancel(id as never),
});

export const mark = internalMutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.db.insert("marks", { key, at: Date.now() });
  },
});

/** Notes what it sees of its own job and of who calls. */
export const introspect = internalMutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    const running = (await ctx.db.system.query("_scheduled_functions").collect())
      .filter((job) => job.state.kind === "inProgress");
    const identity = await ctx.auth.getUserIdentity();
    await ctx.db.insert("marks", {
      key: JSON.stringify({ key, running: running.length, identity }),
      at: Date.now(),
    });
  },
});

export const throws = internalMutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.db.insert("marks", { key, at: Date.now() });
    throw new Error(`no ${key}`);
  },
});

/** Cancels the job whose id is the key. */
export const cancelKey = internalMutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => await ctx.scheduler.cancel(key as never),
});

/** Cancels its own job, then schedules a mark. */
export const cancelSelf = internalMutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    const own = (await ctx.db.system.query("_scheduled_functions").collect())
      .find(({ state, name }) => state.kind === "inProgress" && name === "jobs.js:cancelSelf");
    await ctx.scheduler.cancel(own!._id);
    await ctx.scheduler.runAfter(0, reference("jobs:mark"), { key });
  },
});

/** The end of an action: schedules a mark, through a mutation, and notes that it ended. */
async function endWithChild(ctx: GenericActionCtx<DataModel>, key: string): Promise<void> {
  await ctx.runMutation(makeFunctionReference<"mutation">("jobs:schedule"), {
    name: "jobs:mark",
    keys: [`${key} child`],
    delayMs: 0,
    fails: false,
  });
  await ctx.runMutation(makeFunctionReference<"mutation">("jobs:mark"), { key: `${key} ended` });
}

/** Notes that it began, waits as long as the key says (`name/ms`), and schedules a child. */
export const slowAction = internalActionGeneric({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.runMutation(makeFunctionReference<"mutation">("jobs:mark"), { key: `${key} began` });
    await new Promise((resolve) => setTimeout(resolve, Number(key.split("/")[1])));
    await endWithChild(ctx, key);
  },
});

/** Waits for the mark `key go`, then schedules a child. */
export const awaitsMark = internalActionGeneric({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    const countMarks = makeFunctionReference<"query">("jobs:countMarks");
    while (await ctx.runQuery(countMarks, { prefix: `${key} go` }) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await endWithChild(ctx, key);
  },
});

/** Calls a mutation again and again, until that fails. */
export const untilRefused = internalActionGeneric({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    for (;;) {
      await ctx.runMutation(makeFunctionReference<"mutation">("jobs:mark"), { key });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
});

/** Cancels the action that it is run by, then schedules. */
export const cancelsItself = internalActionGeneric({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    const jobs = await ctx.runQuery(makeFunctionReference<"query">("jobs:jobsOf"), {
      name: "jobs.js:cancelsItself",
    });
    for (const { _id } of jobs) await ctx.scheduler.cancel(_id);
    await ctx.scheduler.runAfter(0, reference("jobs:mark"), { key: `${key} child` });
    await ctx.runMutation(makeFunctionReference<"mutation">("jobs:mark"), { key: `${key} ended` });
  },
});

/** The default export can be scheduled like any other. */
export default internalMutation({
  args: { number: v.int64(), bytes: v.bytes() },
  handler: async (ctx, { number, bytes }) => {
    await ctx.db.insert("marks", { key: `${number} ${bytes.byteLength}`, at: Date.now() });
  },
});

export const job = query({
  args: { id: jobId },
  handler: (ctx, { id }) => ctx.db.system.get(id),
});

export const states = query({
  args: {},
  handler: async (ctx) => {
    const counts: Record<string, number> = {};
    for await (const { state } of ctx.db.system.query("_scheduled_functions")) {
      counts[state.kind] = (counts[state.kind] ?? 0) + 1;
    }
    return counts;
  },
});

/** The jobs that run a function, one page long. */
export const jobsOf = query({
  args: { name: v.string() },
  handler: (ctx, { name }) =>
    ctx.db.system.query("_scheduled_functions")
      .filter((q) => q.eq(q.field("name"), name)).take(4000),
});

export const marks = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("marks").collect()).map(({ key }) => key),
});

export const lateness = query({
  args: {},
  handler: async (ctx) =>
    (await ctx.db.query("marks").collect()).map(({ key, at }) => at - Number(key.split("/")[0])),
});

export const countMarks = query({
  args: { prefix: v.string() },
  handler: async (ctx, { prefix }) =>
    (await ctx.db.query("marks")
      .withIndex("by_key", (q) => q.gte("key", prefix).lt("key", `${prefix}\uffff`))
      .collect()).length,
});
