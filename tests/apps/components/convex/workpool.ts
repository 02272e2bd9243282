// @convex-dev/workpool: actions and mutations of which two run at a time.
import { vWorkId, Workpool } from "@convex-dev/workpool";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { internalMutation, mutation, query } from "./_generated/server";

const pool = new Workpool(components.workpool, {
  maxParallelism: 2,
  retryActionsByDefault: true,
  defaultRetryBehavior: { maxAttempts: 3, initialBackoffMs: 10, base: 2 },
});

export const enqueue = mutation({
  args: {
    task: v.string(),
    failures: v.number(),
    permanent: v.optional(v.boolean()),
    runAfterMs: v.optional(v.number()),
  },
  handler: async (ctx, { runAfterMs, ...args }) =>
    await pool.enqueueAction(ctx, internal.tasks.perform, args, {
      onComplete: internal.workpool.completed,
      context: { task: args.task },
      ...(runAfterMs === undefined ? {} : { runAfter: runAfterMs }),
    }),
});

export const enqueueMutations = mutation({
  args: { task: v.string(), count: v.number() },
  handler: async (ctx, { task, count }) => {
    const options = { onComplete: internal.workpool.completed, context: { task } };
    const each = Array.from({ length: count }, (_, number) => ({ task, number }));
    await pool.enqueueMutationBatch(ctx, internal.workpool.double, each, options);
  },
});

export const double = internalMutation({
  args: { task: v.string(), number: v.number() },
  handler: (_ctx, { number }) => 2 * number,
});

export const completed = pool.defineOnComplete<DataModel>({
  context: v.object({ task: v.string() }),
  handler: async (ctx, { context: { task }, result }) => {
    await ctx.db.insert("outcomes", { task, outcome: result });
  },
});

export const status = query({
  args: { id: vWorkId },
  handler: async (ctx, { id }) => await pool.status(ctx, id),
});

export const cancel = mutation({
  args: { id: vWorkId },
  handler: async (ctx, { id }) => await pool.cancel(ctx, id),
});
