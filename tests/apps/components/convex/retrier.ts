// @convex-dev/action-retrier: actions that are run again until they succeed.
import { ActionRetrier, onCompleteValidator, runIdValidator } from "@convex-dev/action-retrier";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { internalMutation, mutation, query } from "./_generated/server";

const retrier = new ActionRetrier(components.actionRetrier, {
  initialBackoffMs: 10,
  base: 2,
  maxFailures: 3,
});

export const run = mutation({
  args: { task: v.string(), failures: v.number() },
  handler: async (ctx, args) =>
    await retrier.run(ctx, internal.tasks.perform, args, {
      onComplete: internal.retrier.completed,
    }),
});

export const runLater = mutation({
  args: { task: v.string(), afterMs: v.number() },
  handler: async (ctx, { task, afterMs }) =>
    await retrier.runAfter(ctx, afterMs, internal.tasks.perform, {
      task,
      failures: 0,
    }, {
      onComplete: internal.retrier.completed,
    }),
});

export const completed = internalMutation({
  args: onCompleteValidator,
  handler: async (ctx, { runId, result }) => {
    await ctx.db.insert("outcomes", { task: runId, outcome: result });
  },
});

export const status = query({
  args: { id: runIdValidator },
  handler: async (ctx, { id }) => await retrier.status(ctx, id),
});

export const cancel = mutation({
  args: { id: runIdValidator },
  handler: async (ctx, { id }) => await retrier.cancel(ctx, id),
});

export const cleanup = mutation({
  args: { id: runIdValidator },
  handler: async (ctx, { id }) => await retrier.cleanup(ctx, id),
});
